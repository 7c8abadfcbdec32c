"""What a check wants to see, where that is no plain value, and how it is compared with what a client saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["AtMost", "ByRuntime", "Client", "Contains", "Failure", "Has", "Number", "Told", "differences"]


@dataclass(frozen=True)
class Client:
    """A client of a program: in which words it tells the types of results and of parameters, if it does."""

    types: str | None = "arrow"
    parameters: str | None = "arrow"


@dataclass(frozen=True)
class Told:
    """A type, in each of the vocabularies; of a result's column, or of a parameter."""

    arrow: str
    jdbc: str | None = None
    parameter: bool = False

    def by(self, client: Client) -> str | None:
        """What the client tells."""
        words = client.parameters if self.parameter else client.types
        return None if words is None else getattr(self, words)


@dataclass(frozen=True)
class Number:
    """A number, however it is written."""

    value: float


@dataclass(frozen=True)
class AtMost:
    """A number that is not larger."""

    value: float


@dataclass(frozen=True)
class Contains:
    """A text with these parts in it."""

    parts: tuple[str, ...]


@dataclass(frozen=True)
class Has:
    """An object with these entries, whatever else it has."""

    entries: dict[str, Any]


@dataclass(frozen=True)
class Failure:
    """An error: its code (any, where there is none), and parts of its text."""

    code: str | None
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class ByRuntime:
    """What each runtime does in its own way."""

    local: Any
    ray: Any


def differences(want: Any, seen: Any, client: Client, runtime: str, place: str = "") -> list[str]:
    """Where what was seen is not what is wanted, one line each; none where all is as it should be."""
    match want:
        case ByRuntime():
            return differences(getattr(want, runtime), seen, client, runtime, place)
        case Told():
            return differences(want.by(client), seen, client, runtime, place)
        case Failure():
            return _failure(want, seen, place)
        case Has(entries):
            known = {key: seen[key] for key in entries if key in seen} if isinstance(seen, dict) else seen
            return differences(entries, known, client, runtime, place)
        case Number(value):
            return (
                []
                if _number(seen) == value or (value != value and _is_nan(seen))
                else [f"{place}: {seen!r} is not {value}"]
            )
        case AtMost(value):
            number = _number(seen)
            return (
                []
                if number is not None and 0 <= number <= value
                else [f"{place}: {seen!r} is not within 0 and {value}"]
            )
        case Contains(parts):
            missing = [part for part in parts if not isinstance(seen, str) or part not in seen]
            return [f"{place}: {seen!r} lacks {part!r}" for part in missing]
        case list() if isinstance(seen, list) and len(seen) == len(want):
            pairs = enumerate(zip(want, seen, strict=True))
            return [line for i, (a, b) in pairs for line in differences(a, b, client, runtime, f"{place}[{i}]")]
        case dict() if isinstance(seen, dict) and seen.keys() == want.keys():
            return [
                line for key in want for line in differences(want[key], seen[key], client, runtime, f"{place}.{key}")
            ]
        case _:
            return [] if want == seen and type(want) is type(seen) else [f"{place}: {seen!r} is not {want!r}"]


def _failure(want: Failure, seen: Any, place: str) -> list[str]:
    error = seen.get("error") if isinstance(seen, dict) and seen.keys() == {"error"} else None
    if not isinstance(error, dict) or error.keys() != {"code", "text"}:
        return [f"{place}: {seen!r} is no error"]
    lines = differences(Contains(want.parts), error["text"], Client(), "", f"{place}.error.text")
    if want.code is not None and error["code"] != want.code:
        lines.append(f"{place}.error.code: {error['code']!r} is not {want.code!r} ({error['text']!r})")
    return lines


def _number(seen: Any) -> float | None:
    try:
        return float(seen) if isinstance(seen, str) else None
    except ValueError:
        return None


def _is_nan(seen: Any) -> bool:
    number = _number(seen)
    return number is not None and number != number
