"""SQLAlchemy over the ADBC driver (the package sqlalchemy-adbc)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from decimal import Decimal

import pandas as pd
import pytest
import sqlalchemy as sa

pytestmark = pytest.mark.filterwarnings("ignore:.*was not explicitly close:ResourceWarning")  # SQLAlchemy's cursors


@pytest.fixture(scope="module")
def engine(uri: str) -> Iterator[sa.Engine]:
    # The dialect does not tell the driver that it runs without transactions, of which the driver then warns.
    engine = sa.create_engine(
        uri.replace("grpc://", "adbc+flightsql://") + "?tls=false", connect_args={"autocommit": True}
    )
    yield engine
    engine.dispose()


@pytest.fixture
def connected(engine: sa.Engine) -> Iterator[sa.Connection]:
    with engine.connect() as connection:
        yield connection


def test_reflection(connected: sa.Connection) -> None:
    inspector = sa.inspect(connected)
    assert inspector.get_schema_names() == ["main"]
    assert inspector.has_table("nation")
    assert not inspector.has_table("nosuch")
    columns = {column["name"]: column["type"] for column in inspector.get_columns("orders")}
    assert isinstance(columns["o_orderkey"], sa.BigInteger)
    assert isinstance(columns["o_totalprice"], sa.Numeric)
    assert isinstance(columns["o_orderdate"], sa.Date)
    assert isinstance(columns["o_comment"], sa.String)
    assert inspector.get_pk_constraint("orders") == {"constrained_columns": [], "name": None}
    assert inspector.get_foreign_keys("orders") == []
    assert inspector.get_indexes("orders") == []


def test_a_select_over_reflected_tables(connected: sa.Connection) -> None:
    tables = sa.MetaData()
    nation = sa.Table("nation", tables, autoload_with=connected)
    region = sa.Table("region", tables, autoload_with=connected)
    query = (
        sa.select(region.c.r_name, sa.func.count().label("nations"))
        .join(nation, nation.c.n_regionkey == region.c.r_regionkey)
        .where(nation.c.n_name.in_(["CANADA", "BRAZIL", "JAPAN"]), region.c.r_regionkey < 3)
        .group_by(region.c.r_name)
        .order_by(region.c.r_name)
    )
    assert connected.execute(query).all() == [("AMERICA", 2), ("ASIA", 1)]
    assert connected.execute(query.limit(1).offset(1)).all() == [("ASIA", 1)]


def test_tables_are_made_changed_and_dropped(connected: sa.Connection) -> None:
    tables = sa.MetaData()
    items = sa.Table(
        "alchemy_items",
        tables,
        sa.Column("id", sa.Integer),
        sa.Column("name", sa.String),
        sa.Column("price", sa.Numeric(10, 2)),
        sa.Column("day", sa.Date),
    )
    tables.create_all(connected)
    rows = [
        {"id": 1, "name": "a", "price": Decimal("1.50"), "day": datetime.date(2024, 2, 29)},
        {"id": 2, "name": None, "price": None, "day": None},
    ]
    connected.execute(items.insert(), rows)
    assert connected.execute(items.update().where(items.c.id == 1).values(name="b")).rowcount == 1
    assert connected.execute(sa.select(items).order_by(items.c.id)).mappings().all() == [
        {**rows[0], "name": "b"},
        rows[1],
    ]
    connected.commit()
    assert connected.execute(items.delete().where(items.c.day.is_(None))).rowcount == 1
    tables.drop_all(connected)
    assert not sa.inspect(connected).has_table("alchemy_items")


def test_pandas_reads_and_writes_through_sqlalchemy(connected: sa.Connection) -> None:
    frame = pd.DataFrame({"id": [1, 2, 3], "name": ["a", None, "c"]})
    frame.to_sql("alchemy_frame", connected, if_exists="replace", index=False)
    query = sa.text("SELECT * FROM alchemy_frame WHERE id > :low ORDER BY id")
    pd.testing.assert_frame_equal(pd.read_sql(query, connected, params={"low": 0}), frame, check_dtype=False)
    connected.execute(sa.text("DROP TABLE alchemy_frame"))
