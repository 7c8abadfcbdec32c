"""`grism query`, `grism tables` and `grism explain`: through a server, or in this process on a folder."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path

import pyarrow as pa

from flight_server.cli.connect import Target, refuse_login
from flight_server.cli.interrupts import interruptible
from flight_server.cli.output import comes_at_once, effect_line, refuse_bytes, tell, write
from flight_server.cli.progress import showing_progress
from flight_server.cli.source import RELATIONS, Source
from flight_server.cli.visible import visible_lines
from flight_server.options import ConfigError

__all__ = ["explain", "open_source", "query", "tables"]


def query(arguments: argparse.Namespace) -> int:
    """Run a statement and print its rows as they arrive, or how many it has changed."""
    refuse_bytes(arguments.format)
    with open_source(arguments) as source:

        def run() -> None:
            with showing_progress(source.progress) as shown, source.run(arguments.sql) as answer:
                if answer.changed is None or arguments.format != "table":  # programs get valid data without rows
                    write(shown.until_rows(answer.reader, comes_at_once(arguments.format)), arguments.format)
                shown.end()
                if answer.changed is not None:
                    tell(effect_line(arguments.sql, answer.changed), to_stdout=arguments.format == "table")

        interruptible(run, source.cancel)
    return 0


def tables(arguments: argparse.Namespace) -> int:
    """Print the names of all tables and views."""
    refuse_bytes(arguments.format)
    with open_source(arguments) as source:
        rows = [asdict(relation) for relation in interruptible(source.tables, source.cancel)]
        write(pa.Table.from_pylist(rows, schema=RELATIONS).to_reader(), arguments.format)
    return 0


def explain(arguments: argparse.Namespace) -> int:
    """Print the plan of a statement, which is not run."""
    if arguments.runtime == "ray" and arguments.data is not None:
        from flight_server.cli.runtimes import explain_stages  # the engine, which a server's client does without

        refuse_login(arguments)
        print(visible_lines(explain_stages(Path(arguments.data), arguments.sql)))
        return 0
    with open_source(arguments) as source:
        print(visible_lines(interruptible(partial(source.explain, arguments.sql), source.cancel)))
    return 0


@contextmanager
def open_source(arguments: argparse.Namespace) -> Iterator[Source]:
    """The server or the folder that a command's arguments name. Raises ConfigError and CommandError."""
    if arguments.runtime is not None and arguments.data is None:
        raise ConfigError("--runtime goes with --data; a server has its own.")
    source = _folder(arguments) if arguments.data is not None else _server(arguments)
    try:
        yield source
    finally:
        source.close()


def _server(arguments: argparse.Namespace) -> Source:
    from flight_server.cli.server_source import ServerSource  # the driver, which a folder does without

    return ServerSource(Target.of(arguments))


def _folder(arguments: argparse.Namespace) -> Source:
    from flight_server.cli.folder_source import FolderSource  # the engine, which a server's client does without

    refuse_login(arguments)
    return FolderSource(arguments.data, arguments.runtime or "local")
