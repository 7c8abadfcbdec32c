"""A folder of tables, read by a runtime of this process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pyarrow as pa

from engine.cancellation import Cancellation
from engine.kernel import quote
from engine.runtime import QueryOptions
from engine.sql.frontend import SqlFrontend
from flight_server.cli.failures import CommandError
from flight_server.cli.runtimes import open_runtime
from flight_server.cli.source import Answer, Relation
from flight_server.config import DataOptions, ServerConfig

__all__ = ["FolderSource"]


class FolderSource:
    """Raises ConfigError where the folder is none."""

    def __init__(self, folder: str) -> None:
        config = ServerConfig(data=DataOptions(Path(folder)))
        config.check()
        self._folder = folder
        self._runtime = open_runtime(config)
        self._frontend = SqlFrontend(self._runtime.kernel, self._runtime.storage)
        self._cancellation = Cancellation()

    def greet(self) -> str:
        """See `Source`."""
        return f"grism {version('grism')} on the folder {self._folder}"

    @contextmanager
    def run(self, text: str) -> Iterator[Answer]:
        """See `Source`."""
        self._cancellation = Cancellation()
        plan = self._runtime.plan(self._frontend.plan(text))
        result = self._runtime.execute(plan, QueryOptions(self._cancellation))
        try:
            yield Answer(pa.RecordBatchReader.from_batches(result.schema, result), None)
        except BrokenPipeError:
            raise  # whoever reads our output has seen enough
        except (pa.ArrowException, OSError) as error:  # of printing: the result's own are GrismErrors
            raise CommandError(str(error)) from None
        finally:
            result.close()

    def cancel(self) -> None:
        """See `Source`."""
        self._cancellation.cancel()

    def tables(self) -> list[Relation]:
        """See `Source`."""
        return [Relation(name.schema, name.table, "TABLE") for name in self._runtime.storage.tables()]

    def columns(self, relation: Relation) -> list[str]:
        """See `Source`."""
        return [
            column.name for column in self._frontend.columns(f"FROM {quote(relation.schema)}.{quote(relation.table)}")
        ]

    def explain(self, text: str) -> str:
        """See `Source`."""
        return self._runtime.explain(self._runtime.plan(self._frontend.plan(text)))

    def close(self) -> None:
        """See `Source`."""
        self._runtime.close()
