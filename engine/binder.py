"""The kernel's binder, on an instance of its own: it binds texts over tables that have columns and no rows.

What is optimized there is what the shape of a statement tells alone. All rewrites that look at sizes, values or files
are left to who runs the statement, and so are those that an operator of ours would have to know.
"""

from __future__ import annotations

import atexit
import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import duckdb

from engine.cancellation import current_cancellation
from engine.errors import ExecutionError
from engine.helper_threads import HelperThreads
from engine.hidden_columns import MARK
from engine.kernel_errors import bind_error, is_fatal, planning_error
from engine.kernel_instance import Execution, Instance, KernelConfig
from engine.schema import Column, RowType

__all__ = ["Binder", "BoundStatement"]

_OPTIMIZERS = (
    *("expression_rewriter", "filter_pullup", "filter_pushdown", "cte_filter_pusher", "regex_range", "deliminator"),
    *("unnest_rewriter", "unused_columns", "cte_inlining", "outer_join_simplification", "duplicate_groups"),
)
_DESCRIBE = "DESCRIBE "
_PLAN = "SELECT json_serialize_plan(?, optimize := ?, skip_null := true, skip_empty := true, skip_default := true)"
_CONFIG = KernelConfig(memory_limit=256 << 20, threads=1, spills=False)
_CLOSE_SECONDS = 10.0
_MOST_SPARES = 2
_IDLE = 64  # cursors that keep their tables for the next statement over the same

_ERRORS = (duckdb.Error, UnicodeDecodeError)  # a message that the kernel cuts may end within a character

Tables = Mapping[str, RowType]


@dataclass(frozen=True)
class BoundStatement:
    """A SELECT's columns, and its bound plan as the kernel's JSON; None, with the reason, where there is none.

    `tables` are the names of the tables in the text, by those in the plan.
    """

    columns: RowType
    plan: dict[str, Any] | None
    tables: Mapping[str, str]
    reason: str = ""


class _Spares:
    """Instances of binders that are closed, for the next ones: to open one takes longer than to bind most statements.

    All that a binder makes on one is temporary, and goes with its cursor.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._instances: list[Instance] = []
        atexit.register(self.close)

    def take(self) -> Instance:
        """One that is there, or another. Raises what opening it does."""
        while (instance := self._pop()) is not None:
            if instance.is_valid():
                return instance
            instance.close()
        return Instance(_CONFIG, optimizers=_OPTIMIZERS)

    def _pop(self) -> Instance | None:
        with self._lock:
            return self._instances.pop() if self._instances else None

    def give(self, instance: Instance) -> None:
        """Keep one on which nothing runs, or close it."""
        if not instance.is_busy() and instance.is_valid():
            with self._lock:
                if len(self._instances) < _MOST_SPARES:
                    self._instances.append(instance)
                    return
        instance.close()

    def close(self) -> None:
        """Close those that are there."""
        while self._instances:
            self._instances.pop().close()


_SPARES = _Spares()


class Binder:
    """Binds SELECTs. Thread-safe; opened when it is first used.

    What does not bind raises the planning errors, with their place in the text: UnknownColumnError, TypeMismatchError,
    SqlSyntaxError, UnsupportedError; and the cause where the current cancellation is thrown, which stops it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._instance: Instance | None = None
        self._helpers = HelperThreads()
        self._closed = False
        self._idle: OrderedDict[tuple[tuple[str, RowType], ...], list[Execution]] = OrderedDict()
        self._kept = 0

    def bind(self, text: str, tables: Tables) -> BoundStatement:
        """The columns and the optimized plan of `text`, whose tables are known by these names."""
        with self._cursor(tables) as cursor:
            columns = _describe(cursor, text, tables)
            return _bind(cursor, text, tables, columns, optimized=True)

    def as_bound(self, text: str, tables: Tables) -> BoundStatement:
        """The plan of `text` as it is bound, without its columns."""
        with self._cursor(tables) as cursor:
            return _bind(cursor, text, tables, (), optimized=False)

    def open_plan(self, text: str, tables: Tables) -> BoundStatement:
        """The optimized plan of `text`, whose parameters may be open where casts tell their types, without columns."""
        with self._cursor(tables) as cursor:
            return _bind(cursor, text, tables, (), optimized=True)

    def describe(self, text: str, tables: Tables) -> RowType:
        """The columns of `text` alone."""
        with self._cursor(tables) as cursor:
            return _describe(cursor, text, tables)

    def value(self, text: str) -> Any:
        """The one value of a SELECT that reads no table, computed."""
        with self._cursor({}) as cursor:
            row = cursor.execute(text).fetchone()
        return None if row is None else row[0]

    def nodes(self, text: str, tables: Tables) -> list[dict[str, Any]] | None:
        """All nodes of the plan of `text` as it is bound; None where it does not bind, or leaves a parameter open."""
        with self._cursor(tables) as cursor:
            rows = cursor.execute(_PLAN, [text, False]).fetchall()
        answer = _parse_json(rows[0][0])
        if answer is None or answer.get("error"):
            return None
        found: list[dict[str, Any]] = []
        pending: list[Any] = [answer]
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                found.append(value)
                pending.extend(value.values())
            elif isinstance(value, list):
                pending.extend(value)
        return found

    def close(self) -> None:
        """Free all, and interrupt what runs; an instance on which nothing does is left for the next binder."""
        with self._lock:
            self._closed = True
            instance, self._instance = self._instance, None
            idle = [execution for executions in self._idle.values() for execution in executions]
            self._idle.clear()
        if instance is not None:
            for execution in idle:
                instance.end(execution)
            _SPARES.give(instance)
        self._helpers.join(_CLOSE_SECONDS)

    @contextmanager
    def _cursor(self, tables: Tables) -> Iterator[duckdb.DuckDBPyConnection]:
        """A cursor on which `tables` have their names: one that had them before, where there is one."""
        cancellation = current_cancellation()
        cancellation.check()
        key = tuple(tables.items())
        with self._errors(column.name for _, columns in key for column in columns):
            instance, execution = self._take(key)
        forget = cancellation.on_cancel(execution.interrupt)
        try:
            with self._errors(column.name for _, columns in key for column in columns):
                yield execution.connection
        finally:
            forget()
            if cancellation.is_cancelled or not self._keep(instance, key, execution):
                instance.end(execution)

    @contextmanager
    def _errors(self, columns: Iterable[str]) -> Iterator[None]:
        """What the kernel raises leaves as a planning error, or as the cause where planning was stopped."""
        try:
            yield
        except _ERRORS as error:
            if is_fatal(error):
                self._replace()
            current_cancellation().check()
            raise planning_error(error, columns) from None

    def _take(self, key: tuple[tuple[str, RowType], ...]) -> tuple[Instance, Execution]:
        with self._lock:
            if self._closed:
                raise ExecutionError("The kernel is closed; start the service again.")
            if self._instance is None:
                self._instance = _SPARES.take()
            instance = self._instance
            idle = self._idle.get(key)
            if idle:
                self._kept -= 1
                execution = idle.pop()
                if not idle:
                    del self._idle[key]
                return instance, execution
        execution = instance.begin()
        try:
            for i, (name, columns) in enumerate(key):
                _create(execution.connection, i, name, columns)
        except BaseException:
            instance.end(execution)
            raise
        return instance, execution

    def _keep(self, instance: Instance, key: tuple[tuple[str, RowType], ...], execution: Execution) -> bool:
        """Keep a cursor for the next statement over the same tables; False where its instance is not used any more."""
        oldest = None
        execution.connection.abort()
        with self._lock:
            if instance is not self._instance:
                return False
            self._idle.setdefault(key, []).append(execution)
            self._idle.move_to_end(key)
            self._kept += 1
            if self._kept > _IDLE:
                first = next(iter(self._idle))
                oldest = self._idle[first].pop(0)
                self._kept -= 1
                if not self._idle[first]:
                    del self._idle[first]
        if oldest is not None:
            instance.end(oldest)
        return True

    def _replace(self) -> None:
        """Let the instance go, which a fatal error may have made invalid; the next statement opens another."""
        with self._lock:
            instance, self._instance = self._instance, None
            idle = [execution for executions in self._idle.values() for execution in executions]
            self._idle.clear()
            self._kept = 0
        if instance is None:
            return
        for execution in idle:
            instance.end(execution)
        self._helpers.begin(instance.retire, "grism-binder-retire")


def _bind(
    cursor: duckdb.DuckDBPyConnection, text: str, tables: Tables, columns: RowType, *, optimized: bool
) -> BoundStatement:
    written = cursor.execute(_PLAN, [text, optimized]).fetchall()[0][0]
    names = {_table_name(i): name for i, name in enumerate(tables)}
    try:
        answer = _parse_json(written)
    except RecursionError:
        return BoundStatement(columns, None, names, "nested too deeply")
    if answer is None:
        return BoundStatement(columns, None, names, "a constant that the kernel cannot write down")
    if answer.get("error"):
        return BoundStatement(columns, None, names, f"the kernel writes down no plan: {answer.get('error_type')}")
    plans = answer["plans"]
    return (
        BoundStatement(columns, plans[0], names)
        if len(plans) == 1
        else BoundStatement(columns, None, names, f"{len(plans)} plans")
    )


def _parse_json(written: str) -> Any:
    """The kernel's JSON; None where it wrote nothing, or a number that JSON has not."""
    with suppress(json.JSONDecodeError):
        return json.loads(written)
    return None


def _describe(cursor: duckdb.DuckDBPyConnection, text: str, tables: Tables) -> RowType:
    """The columns that `text` gives. What is wrong with it leaves with its place."""
    try:
        rows = cursor.execute(_DESCRIBE + text).fetchall()
    except _ERRORS as error:
        if is_fatal(error):
            raise
        current_cancellation().check()
        raise bind_error(error, (c.name for columns in tables.values() for c in columns), _DESCRIBE, text) from None
    return tuple(Column(row[0], row[1]) for row in rows)


def _create(cursor: duckdb.DuckDBPyConnection, number: int, name: str, columns: RowType) -> None:
    """A view over a table: of a table itself, its row ids could be named."""
    table = _quote(_table_name(number))
    cursor.execute(f"CREATE TEMP TABLE {table} ({', '.join(f'{_quote(c.name)} {c.type}' for c in columns)})")
    cursor.execute(f"CREATE TEMP VIEW {_quote(name)} AS FROM {table}")


def _table_name(number: int) -> str:
    """The name of the table behind a view, which no text has."""
    return f"{MARK}table{number}"


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
