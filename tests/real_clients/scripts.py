"""A check, and those that are scripts of statements."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["Check", "count", "rows", "script"]


@dataclass(frozen=True)
class Check:
    """One question to the server, and the answer that is wanted."""

    name: str
    kind: str
    want: Any
    arguments: dict[str, Any] = field(default_factory=dict)

    def request(self) -> dict[str, Any]:
        """What a program is told."""
        return {"name": self.name, "kind": self.kind, **self.arguments}


def script(name: str, *steps: tuple[Any, ...], at: str = "plain") -> Check:
    """Of statements (`update: ...`) and queries, each with its parameters (type and value), and last its outcome."""
    asked: list[dict[str, Any]] = []
    for text, *given, _ in steps:
        kind, _, sql = text.partition(": ")
        bound = {"types": [name for name, _ in given], "values": [value for _, value in given]} if given else {}
        asked.append({kind: sql, **bound})
    return Check(name, "script", [want for *_, want in steps], {"steps": asked, "at": at})


def rows(*found: list[Any]) -> dict[str, Any]:
    """The outcome of a query."""
    return {"rows": list(found)}


def count(number: int) -> dict[str, str]:
    """The outcome of an update."""
    return {"count": str(number)}
