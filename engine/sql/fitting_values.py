"""The types in which a statement takes values: their own, or those of their places, or for a NULL none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

from engine.errors import TypeMismatchError
from engine.literals import constant_as
from engine.sql.search_values import ParameterValue

__all__ = ["read_fitting"]

T = TypeVar("T")


def read_fitting(
    read: Callable[[Sequence[ParameterValue]], T],
    given: Sequence[ParameterValue],
    told: Callable[[], Sequence[str | None]],
) -> T:
    """What `read` makes of a statement with the values `given`, in the first types of these that it takes:

    their own; for NULLs and integers those that are `told` for their places; none for NULLs whose places tell none.
    Drivers that ask for no types, or can make a NULL of some alone, bind NULLs as texts. Raises TypeMismatchError where
    it takes none of them.
    """
    try:
        return read(given)
    except TypeMismatchError:
        if not given:
            raise
    types = told()
    try:
        return read(_retyped(given, types))
    except TypeMismatchError:
        if all(one.value.is_valid or to is not None for one, to in zip(given, types, strict=True)):
            raise
    return read(_retyped(given, types, untyped_null=True))


def _retyped(
    given: Sequence[ParameterValue], types: Sequence[str | None], *, untyped_null: bool = False
) -> list[ParameterValue]:
    return [
        replace(one, text=partial(constant_as, one.value, to, untyped_null=untyped_null))
        for one, to in zip(given, types, strict=True)
    ]
