"""A shell's state, and how it runs and prints statements; the same at a terminal and in a script."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from flight_server.cli.failures import CommandError
from flight_server.cli.output import comes_at_once, count_line, effect_line, tell, write
from flight_server.cli.progress import showing_progress
from flight_server.cli.shell.names import Names
from flight_server.cli.source import RELATIONS, Source

__all__ = ["Leave", "Shell"]

_BY_SUFFIX = {".csv": "csv", ".json": "json", ".arrow": "arrow", ".arrows": "arrow"}
_COLUMNS = ("column_name", "column_type", "null", "default")  # of what DESCRIBE answers


class Leave(Exception):
    """Somebody wants to leave the shell."""


class Shell:
    """Runs statements over one source. Rows go to stdout or to a file; close it after use."""

    def __init__(self, source: Source, format: str) -> None:
        self.source = source
        self.names = Names(source)
        self.timing = False
        self._format = format
        self._file: BinaryIO | None = None
        self._path = Path()
        self.set_format(format)

    @property
    def format(self) -> str:
        """How rows are written: as the file's name says, or as was chosen."""
        return _BY_SUFFIX.get(self._path.suffix.lower(), self._format)

    def set_format(self, format: str) -> None:
        """Write rows in `format` from now on. Raises CommandError for bytes on a terminal."""
        if format == "arrow" and self._file is None and sys.stdout.isatty():
            raise CommandError("Rows as arrow are not for a terminal; \\o FILE.arrow writes them to a file.")
        self._format = format

    def redirect(self, path: str | None) -> None:
        """Write rows to a new file from now on, or to stdout again."""
        file: BinaryIO | None = None
        if path is not None:
            try:
                file = Path(path).expanduser().open("wb")
            except OSError as error:
                raise CommandError(f"The file {path!r} cannot be written: {error.strerror}.") from None
        self.close()
        self._file, self._path = file, Path(path or "")
        if file is None and self._format == "arrow" and sys.stdout.isatty():
            self._format = "table"

    def run(self, text: str) -> None:
        """Run one statement and print what it gives. Raises CommandError and GrismError."""
        if not _is_utf8(text):
            raise CommandError("The statement is no text in UTF-8.")
        began = time.monotonic()
        with showing_progress(self.source.progress) as shown, self.source.run(text) as answer:
            if answer.changed is not None:
                self.names.forget()
                shown.end()
                self.tell(effect_line(text, answer.changed))
            else:
                at_once = self._file is None and comes_at_once(self.format)
                rows = write(shown.until_rows(answer.reader, at_once), self.format, self._file)
                if self._file is not None:
                    self.tell(count_line(rows, f" to {self._path}"))
        if self.timing:
            self.tell(f"Time: {(time.monotonic() - began) * 1000:.1f} ms")

    def list_tables(self) -> None:
        """Print all tables and views."""
        rows = [asdict(relation) for relation in sorted(self.source.tables())]
        self._print(pa.Table.from_pylist(rows, schema=RELATIONS))

    def describe(self, name: str) -> None:
        """Print the columns of a relation, which is named as SQL names it."""
        with self.source.run(f"DESCRIBE {name}") as answer:
            self._print(answer.reader.read_all().select(_COLUMNS))

    def tell(self, text: str) -> None:
        """Say something that is no row: on stdout, or on stderr where rows for a program go there."""
        tell(text, to_stdout=self._file is not None or self.format == "table")

    def close(self) -> None:
        """Close the file that rows were written to."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _print(self, table: pa.Table) -> None:
        write(table.to_reader(), self.format, self._file)


def _is_utf8(text: str) -> bool:
    """Whether a terminal has sent characters: its other bytes come as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
