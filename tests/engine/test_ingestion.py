"""Which data passes through the kernel on its way into a table: only what Arrow cannot put into the stored form."""

from __future__ import annotations

import pyarrow as pa
import pytest

from engine.cancellation import Cancellation
from engine.errors import InvalidValueError
from engine.ingestion import Ingestion, TableColumns
from engine.kernel import Kernel
from engine.schema import Column
from engine.storage.stored_types import declared_type, stored_fields
from tests.engine.storage.reading import MAIN_T

PLAIN = pa.table({"i": [1], "f": [0.5], "s": ["a"], "t": pa.array([0], pa.timestamp("us")), "l": [[1]]})


@pytest.fixture
def unused(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A kernel that tells types and runs nothing."""
    monkeypatch.setattr(kernel, "stream", lambda *_, **__: pytest.fail("the data passes through the kernel"))
    return kernel


def test_data_in_the_kernels_own_arrow_types_is_passed_on_as_it_is(unused: Kernel) -> None:
    data = PLAIN.to_reader()
    assert Ingestion(unused).into_new(MAIN_T, data, Cancellation()) is data
    columns = unused.column_types(PLAIN)
    table = TableColumns(columns, stored_fields(unused, columns))
    assert Ingestion(unused).into_table(MAIN_T, data, table, Cancellation()) is data


def test_other_sizes_and_units_are_cast_by_arrow(unused: Kernel) -> None:
    given = pa.table({"s": pa.array(["a"], pa.large_string()), "t": pa.array([1], pa.timestamp("s", "UTC"))})
    stored = Ingestion(unused).into_new(MAIN_T, given.to_reader(), Cancellation()).read_all()
    assert stored.schema.types[0] == pa.string()
    assert stored.schema.types[1].unit == "us"
    assert stored.to_pylist() == given.to_pylist()


def test_other_forms_are_made_by_the_kernel(kernel: Kernel) -> None:
    uuids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([b"\0" * 15 + b"\1", None], pa.binary(16)))
    given = pa.table({"u": uuids, "d": pa.array([1, None], pa.duration("s"))})
    stored = Ingestion(kernel).into_new(MAIN_T, given.to_reader(), Cancellation()).read_all()
    assert [declared_type(field) for field in stored.schema] == ["UUID", "INTERVAL"]
    assert stored.to_pylist() == [
        {"u": "00000000-0000-0000-0000-000000000001", "d": "00:00:01"},
        {"u": None, "d": None},
    ]
    columns = (Column("d", "INTERVAL"), Column("u", "UUID"))
    table = TableColumns(columns, stored_fields(kernel, columns))
    again = Ingestion(kernel).into_table(MAIN_T, given.to_reader(), table, Cancellation()).read_all()
    assert again.equals(stored.select(["d", "u"]))


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        ("HUGEINT", "-170141183460469231731687303715884105728", "1.5"),
        ("UHUGEINT", "340282366920938463463374607431768211455", "-1"),
        ("BIGNUM", "123456789012345678901234567890123456789012", "1.5"),
        ("BIT", "0101", "2"),
        ("UUID", "00000000-0000-0000-0000-000000000001", "1"),
    ],
)
@pytest.mark.parametrize("nested", [False, True], ids=["plain", "nested"])
def test_texts_are_taken_where_they_are_values(kind: str, right: str, wrong: str, nested: bool, kernel: Kernel) -> None:
    def taken(text: str) -> list[object]:
        values = [[text, None], None] if nested else [text, None]
        column = Column("x", f"{kind}[]" if nested else kind)
        table = TableColumns((column,), stored_fields(kernel, (column,)))
        data = pa.table({"x": values}).to_reader()
        with Ingestion(kernel).into_table(MAIN_T, data, table, Cancellation()) as reader:
            found: list[object] = reader.read_all().column(0).to_pylist()
        return found

    assert taken(right) == ([[right, None], None] if nested else [right, None])
    with pytest.raises((InvalidValueError, pa.ArrowException), match=f"{kind}|UINT128|-> bit"):
        taken(wrong)
