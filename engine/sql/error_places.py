"""Where an error stands in the text that a client wrote.

What the kernel binds is a canonical text, printed from the syntax tree of the client's text after views, parameters
and names of tables were put in. The places that the kernel tells are places in that one; so it is parsed again, its
tree is walked beside the one that it was printed from, whose nodes know where they stood in the client's text, and
that is where the error stands. Nothing of this happens where there is no error.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from engine.errors import GrismError
from engine.place import Place
from engine.sql.syntax import Node, function_name, walk

__all__ = ["Source", "at_place", "client_place", "node_place"]

_Span = tuple[int, int]  # where something begins, in bytes, and how many bytes it has

_NOWHERE = 1 << 63  # from here on a location means that there is none


@dataclass(frozen=True)
class Source:
    """A client's text and its tree, with other things put in.

    `foreign` are the nodes that hold what is of another text, such as a view: it all stands where they do.
    """

    text: str
    root: Node
    foreign: Sequence[Node]


@dataclass(frozen=True)
class _Pair:
    """A part of the client's tree, None for what is of another text, with its counterpart in another tree.

    `around` is the place in the client's text of what is around it.
    """

    own: Any
    other: Any
    around: _Span | None


def client_place(place: Place, message: str, canonical: Node, source: Source, macros: Collection[str]) -> Place | None:
    """Where in the client's text an error stands that has its `place` in a canonical text, whose tree is `canonical`.

    None where that is not known. Of what is wrong within one of its `macros` the kernel tells the place in the macro's
    text: where any is called, the `message` has to name what stands at its place.
    """
    span, told = place.span, message.lower()
    in_macro = any(function_name(node) in macros for node, _ in walk(canonical))
    for node, own in _places(canonical, source):
        if _span(node) == span and not (in_macro and not any(name in told for name in _names(node))):
            return Place.of_bytes(source.text, *own)
    return None


def _names(node: Node) -> list[str]:
    """What an error calls a node."""
    called = function_name(node)
    return [called] if called else [str(name).lower() for name in node.get("column_names") or ()]


def node_place(node: Node, source: Source) -> Place | None:
    """Where a node of the client's tree stands, or what it has come with; None where that is not known."""
    for found, own in _places(source.root, source):
        if found is node:
            return Place.of_bytes(source.text, *own)
    return None


@contextmanager
def at_place(node: Node, source: Source) -> Iterator[None]:
    """What is raised within leaves with the place of `node`."""
    try:
        yield
    except GrismError as error:
        error.place = node_place(node, source)
        raise


def _places(other: Node, source: Source) -> Iterator[tuple[Node, _Span]]:
    """The nodes of the `other` tree with their places in the client's text, those without one left out."""
    foreign = frozenset(map(id, source.foreign))
    pending = [_Pair(source.root, other, None)]
    while pending:
        pair = pending.pop()
        if isinstance(pair.other, list):
            known = isinstance(pair.own, list) and len(pair.own) == len(pair.other)
            owns = pair.own if known else [None] * len(pair.other)
            pending += [_Pair(own, item, pair.around) for own, item in zip(owns, pair.other, strict=True)][::-1]
        elif isinstance(pair.other, dict):
            own, node = _counterparts(pair.own, pair.other)
            place = _span(own) or pair.around
            if place is not None:
                yield node, place
            inner = {} if id(own) in foreign else own
            pending += [_Pair(inner.get(key), value, place) for key, value in node.items() if value][::-1]


def _counterparts(own: Any, other: Node) -> tuple[Node, Node]:
    """Two counterparts; an empty one for what has none in the client's text."""
    if not isinstance(own, dict):
        return {}, other
    if own.get("type") == "EXPRESSION_LIST" and other.get("type") == "SUBQUERY":  # VALUES is printed as a SELECT of it
        other = other["subquery"]["node"]["from_table"]
    same = (own.get("class"), own.get("type")) == (other.get("class"), other.get("type"))
    return (own if same else {}), other


def _span(node: Node) -> _Span | None:
    """Where a node stands in the text that it was parsed from; None where the kernel does not tell."""
    start = node.get("query_location")
    if not isinstance(start, int) or start >= _NOWHERE:
        return None
    return start, int(node.get("query_location_length") or 0)
