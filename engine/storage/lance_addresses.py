"""Rows of a Lance dataset that are known by their addresses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from engine.storage.lance_apart import lie_apart, take
from engine.storage.lance_blobs import scan_options
from engine.storage.protocol import ROW_ADDRESS

__all__ = ["address_column", "rows_at"]

_ROW_ID = "_rowid"
_BITS = 32  # of an address that tell the row in its fragment


def address_column(dataset: Any) -> str:
    """The column by which a scan tells where rows lie, under this name.

    Rows without ids of their own have their addresses for ids, which every search finds anyway.
    """
    return ROW_ADDRESS if dataset.has_stable_row_ids else _ROW_ID


def rows_at(
    dataset: Any,
    schema: pa.Schema,
    columns: Sequence[str],
    addresses: np.ndarray[Any, Any],
    own: Mapping[str, np.ndarray[Any, Any]],
) -> pa.Table:
    """The `columns` of rows that are there, in the order of their `addresses`.

    `schema` has the types of all columns; `own` holds those that are not stored, a value for each address.
    """
    stored = [name for name in columns if name not in own and name != ROW_ADDRESS]
    given = {**own, ROW_ADDRESS: addresses}
    options = scan_options([schema.field(name) for name in stored])
    if not len(addresses):
        return schema.empty_table().select(list(columns))
    if not stored:
        found = pa.table({name: given[name] for name in columns})
    else:
        order = np.argsort(addresses)
        back = np.empty_like(order)
        back[order] = np.arange(len(order))
        # Those that lie together are read together.
        read = _read(dataset, addresses[order], stored, options).take(pa.array(back))
        found = pa.table([pa.array(given[n]) if n in given else read.column(n) for n in columns], list(columns))
    wanted = pa.schema([schema.field(name) for name in columns])
    return found if found.schema.equals(wanted, check_metadata=True) else found.cast(wanted)


def _read(
    dataset: Any, addresses: np.ndarray[Any, Any], columns: Sequence[str], options: Mapping[str, str]
) -> pa.Table:
    """Rows that are there, by their addresses in ascending order."""
    if lie_apart(dataset, columns):
        return take(dataset, pa.array(addresses), columns, **options)
    if options or dataset.has_stable_row_ids:  # by which rows would be taken
        condition = f"{ROW_ADDRESS} IN ({', '.join(map(str, addresses))})"
        found = dataset.scanner(columns=[*columns, ROW_ADDRESS], filter=condition, **options).to_table()
        return found.take(pa.array(np.argsort(found.column(ROW_ADDRESS).to_numpy())))
    first = int(addresses[0]) >> _BITS
    fragment = dataset.get_fragment(first) if first == int(addresses[-1]) >> _BITS else None
    if fragment is None or fragment.num_deletions:  # which a fragment does not count
        return dataset._take_rows(pa.array(addresses), columns=list(columns))
    return fragment.take((addresses & ((1 << _BITS) - 1)).tolist(), columns=list(columns))
