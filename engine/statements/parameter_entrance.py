"""The way in for rows of parameters that come in types once known."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from engine.arrow_input import Entrance, has_extension
from engine.errors import TypeMismatchError, UnsupportedError

__all__ = ["ParameterEntrance"]


class ParameterEntrance:
    """Puts the columns of what has come by `entrance` in the order of a statement's parameters, `names`.

    A column is a parameter's by its name where the columns have just the parameters' names, with or without their
    dollar sign, else by its place. `schema` is that of the rows of parameters. Raises TypeMismatchError where there are
    more columns or fewer, and UnsupportedError for a geometry. Without any columns there may be no rows: so JDBC sends
    a batch to which nothing was added.
    """

    def __init__(self, entrance: Entrance, names: Sequence[str]) -> None:
        for field in entrance.schema:
            _check_no_geometry(field)
        self.entrance = entrance
        self._places = _places(names, entrance.schema)
        self._asked = len(names)
        self.schema = pa.schema([entrance.schema.field(place) for place in self._places])

    def reorder(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The parameters of a batch that has entered. Raises TypeMismatchError for rows without columns."""
        if batch.num_rows and len(self._places) != self._asked:
            raise _wrong_number(self._asked, len(self._places))
        return batch.select(self._places)


def _places(asked: Sequence[str], given: pa.Schema) -> list[int]:
    sent = [name.removeprefix("$") for name in given.names]
    if not sent:
        return []
    if len(sent) != len(asked):
        raise _wrong_number(len(asked), len(sent))
    return list(map(sent.index, asked) if sorted(sent) == sorted(asked) else range(len(asked)))


def _wrong_number(asked: int, sent: int) -> TypeMismatchError:
    return TypeMismatchError(f"Values for the statement's parameters: {asked} needed, {sent} bound.")


def _check_no_geometry(parameter: pa.Field) -> None:
    """A bound value is told by its type only, and a geometry's says that it is binary."""
    if has_extension(parameter, "geoarrow.wkb"):
        raise UnsupportedError(f'Parameter "{parameter.name}" is a geometry; bind its text and cast that to GEOMETRY.')
