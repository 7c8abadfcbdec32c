"""Plans of searches that are asked again for something else: only what is searched for differs, and is put in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.cache import LruCache
from engine.errors import GrismError
from engine.logical.nodes import LogicalPlan, Scan, SqlQuery, walk
from engine.other_tables import OtherTables
from engine.sql.search_values import ListCast, ParameterValue, bound_query, bound_text
from engine.sql.text_memory import KnownText, Pin
from engine.sql.views import Names, View
from engine.storage.protocol import Snapshot, TableHandle, TableName
from engine.storage.search import Search, TextRequest
from engine.storage.text_query import has_no_marks

__all__ = ["SearchPlans"]

_CACHED = 256
_MAX_TEXTS = 10_000  # characters of the other values


class SearchPlans:
    """Remembers plans by their text and by the values of the parameters that nothing is searched for. Thread-safe."""

    def __init__(self) -> None:
        self._places: LruCache[tuple[str, Names], frozenset[int]] = LruCache(_CACHED)
        self._plans: LruCache[tuple[str, Names, tuple[str, ...]], KnownText[_SearchPlan]] = LruCache(_CACHED)

    def get(
        self, text: str, names: Names, given: Sequence[ParameterValue], snapshot: Snapshot
    ) -> KnownText[LogicalPlan] | None:
        """The plan for these values; None where it has to be made, for none is known or a value needs a closer look."""
        places = self._places.get((text, names))
        if places is None or max(places) >= len(given):
            return None
        known = self._plans.get((text, names, _others(given, places)))
        if known is None or not known.is_current(snapshot, names):
            return None
        try:
            return KnownText(known.pins, known.views, known.value.with_values(given))
        except (_UnfitValue, GrismError):
            return None

    def put(
        self,
        text: str,
        names: Names,
        given: Sequence[ParameterValue],
        pins: tuple[Pin, ...],
        views: Mapping[TableName, View],
        plan: LogicalPlan,
    ) -> None:
        """Remember a plan, if there is a search in it for a value of `given`."""
        searched = {
            id(node.table): node.table
            for node in _nodes(plan)
            if isinstance(node, Scan) and node.table.search is not None
        }
        searching = _SearchPlan(plan, tuple(searched.values()))
        places = searching.places
        if not places:
            return
        others = _others(given, places)
        if sum(map(len, others)) <= _MAX_TEXTS:
            self._places.put((text, names), places)
            self._plans.put((text, names, others), KnownText(pins, views, searching))


@dataclass(frozen=True)
class _SearchPlan:
    """A plan, and the tables that are searched in it."""

    plan: LogicalPlan
    tables: tuple[TableHandle, ...]

    @property
    def places(self) -> frozenset[int]:
        """Of the parameters for which is searched."""
        asked = [table.search.request.place for table in self.tables if table.search is not None]
        return frozenset(place for place in asked if place is not None)

    def with_values(self, given: Sequence[ParameterValue]) -> LogicalPlan:
        """The plan for other values. Raises _UnfitValue for one that needs a closer look, and the errors of values."""
        return OtherTables(self.plan, {id(table): _rebind_table(table, given) for table in self.tables})


class _UnfitValue(Exception):
    """A value that is to be looked at as if it were the first one."""


def _others(given: Sequence[ParameterValue], places: frozenset[int]) -> tuple[str, ...]:
    return tuple(value.text() for i, value in enumerate(given) if i not in places)


def _nodes(plan: LogicalPlan) -> list[LogicalPlan]:
    found = list(walk(plan))
    for node in list(found):
        if isinstance(node, SqlQuery) and node.operators is not None:
            found += walk(node.operators)
    return found


def _rebind_table(table: TableHandle, given: Sequence[ParameterValue]) -> TableHandle:
    assert table.search is not None
    return replace(table, search=_rebind_search(table.search, given))


def _rebind_search(search: Search, given: Sequence[ParameterValue]) -> Search:
    """The same search for another value."""
    request = search.request
    if request.place is None:
        return search
    value = given[request.place].value
    if isinstance(request, TextRequest):
        text = bound_text(value)
        if text is None or not has_no_marks(text) or not has_no_marks(request.query or ""):
            raise _UnfitValue
        return replace(search, request=replace(request, query=text))
    cast = ListCast(request.vectors is not None, is_float=True, size=None) if request.narrowed else None
    found = bound_query(value, cast)
    if found is None or request.query is None or search.metric == "hamming":
        raise _UnfitValue
    if len(found.numbers) != len(request.query) or found.count != request.vectors:
        raise _UnfitValue
    with np.errstate(over="ignore"):
        if not np.isfinite(np.frombuffer(found.numbers, np.float64).astype(np.float32)).all():
            raise _UnfitValue
    return replace(search, request=replace(request, query=found.numbers))
