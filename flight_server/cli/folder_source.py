"""A folder of tables, by the database of this process that `import grism` gives to programs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import pyarrow as pa

import grism
from engine.kernel import quote
from engine.progress import telling_progress
from flight_server.cli.failures import CommandError
from flight_server.cli.progress import ProgressReport
from flight_server.cli.runtimes import kept_signals
from flight_server.cli.source import Answer, Relation
from flight_server.config import ServerConfig
from flight_server.options import DataOptions

__all__ = ["FolderSource"]


class FolderSource:
    """Raises ConfigError where the folder is none, UnsupportedError where there is no Ray for the runtime `ray`."""

    def __init__(self, folder: str, runtime: Literal["local", "ray"] = "local") -> None:
        ServerConfig(data=DataOptions(Path(folder))).check()
        self._folder = folder
        self._doing = ""
        with kept_signals():
            self._connection = grism.connect(folder, runtime=runtime)

    def greet(self) -> str:
        """See `Source`."""
        return f"grism {version('grism')} on the folder {self._folder}"

    @contextmanager
    def run(self, text: str) -> Iterator[Answer]:
        """See `Source`."""
        self._doing = ""
        with telling_progress(self._tell):
            result = self._connection.sql(text)
        if result.changed is not None:
            yield Answer(pa.RecordBatchReader.from_batches(pa.schema([]), []), result.changed)
            return
        try:
            yield Answer(result.to_reader(), None)
        except BrokenPipeError:
            raise  # whoever reads our output has seen enough
        except (pa.ArrowException, OSError) as error:  # of printing: the result's own are GrismErrors
            raise CommandError(str(error)) from None

    def progress(self) -> ProgressReport | None:
        """See `Source`."""
        return ProgressReport(self._doing or "running", self._connection.progress())

    def _tell(self, doing: str) -> None:
        self._doing = doing

    def cancel(self) -> None:
        """See `Source`."""
        self._connection.cancel()

    def tables(self) -> list[Relation]:
        """See `Source`."""
        return [Relation(**row) for row in self._connection.tables().to_pylist()]

    def columns(self, relation: Relation) -> list[str]:
        """See `Source`."""
        path = f"{quote(relation.schema)}.{quote(relation.table)}"
        names: list[str] = self._connection.sql(f"FROM {path}").schema.names
        return names

    def explain(self, text: str) -> str:
        """See `Source`."""
        return self._connection.explain(text)

    def close(self) -> None:
        """See `Source`."""
        self._connection.close()
