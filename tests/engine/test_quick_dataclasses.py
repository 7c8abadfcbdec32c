"""Dataclasses of closures are those of the standard library."""

from __future__ import annotations

import dataclasses
import operator
import re
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from engine.quick_dataclasses import quick_dataclasses

Make = Callable[[Any], Any]


def makers(**options: bool) -> list[Make]:
    """By how many fields they have: dataclasses with `options`."""

    def none() -> Any:
        @dataclasses.dataclass(**options)
        class Record: ...

        return Record

    def one() -> Any:
        @dataclasses.dataclass(**options)
        class Record:
            a: object

        return Record

    def some() -> Any:
        @dataclasses.dataclass(**options)
        class Record:
            a: object
            b: object = dataclasses.field(default=2, repr=False)
            c: object = dataclasses.field(default=3, compare=False)
            d: object = 4

        return Record

    def below() -> Any:
        @dataclasses.dataclass(**options)
        class Record(some()):  # type: ignore[misc]
            e: object = dataclasses.field(default=5, hash=False)

            def __repr__(self) -> str:
                return "its own"

        return Record

    classes = [none(), one(), some(), below()]
    return [partial(filled, each) for each in classes]


def filled(record: Any, value: object) -> Any:
    """An object whose first field, if it has any, is `value`."""
    return record(value) if dataclasses.fields(record) else record()


def told(act: Callable[..., object], *arguments: object) -> object:
    """What becomes of it: a value, or the kind and the words of an error."""
    try:
        return act(*arguments)
    except (TypeError, AttributeError) as error:
        return type(error), str(error)


def shown(record: object) -> str:
    """Its repr, without an address."""
    return re.sub("0x[0-9a-f]+", "", repr(record))


def same_hash(one: object, other: object) -> bool:
    """Whether they are found in place of each other."""
    return hash(one) == hash(other)


def behaviour(make: Make) -> list[object]:
    """What can be seen of a class's objects."""
    first, same, other, strange, nan = make(1), make(1), make(2), make([1]), float("nan")
    found: list[object] = [shown(first), shown(strange), first.__repr__.__name__, type(first).__repr__.__qualname__]
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        found += [told(compare, first, each) for each in (first, same, other, 1)]
    found += [told(same_hash, first, each) for each in (same, other, strange, (1, 2, 4))]
    found += [told(setattr, first, name, 7) for name in ("a", "x")]
    found += [told(delattr, same, name) for name in ("a", "x")]
    return [*found, shown(first), make(nan) == make(nan), make(nan) == make(float("nan"))]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"frozen": True},
        {"frozen": True, "slots": True},
        {"slots": True},
        {"order": True},
        {"frozen": True, "order": True},
        {"eq": False},
        {"repr": False},
        {"unsafe_hash": True},
    ],
    ids=str,
)
def test_they_behave_alike(options: dict[str, bool]) -> None:
    usual = makers(**options)
    with quick_dataclasses():
        quick = makers(**options)
    for one, other in zip(usual, quick, strict=True):
        assert behaviour(one) == behaviour(other)


def test_an_object_within_itself_is_told() -> None:
    with quick_dataclasses():
        record = makers()[1]([])
    record.a.append(record)
    assert repr(record).endswith("Record(a=[...])")


def test_the_decorator_is_as_before_afterwards() -> None:
    before = dict(vars(dataclasses))
    with quick_dataclasses():
        assert (vars(dataclasses) != before) == (sys.version_info < (3, 13))
    assert vars(dataclasses) == before
