"""SQLMesh's own DuckDB adapter over ADBC, and its state in a DuckDB of its own beside this file."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, ClassVar, Literal

from adbc_driver_gizmosql import dbapi
from pydantic import Field
from sqlmesh.core.config import Config, GatewayConfig, ModelDefaultsConfig
from sqlmesh.core.config.connection import ConnectionConfig, DuckDBConnectionConfig
from sqlmesh.core.engine_adapter.base import EngineAdapter
from sqlmesh.core.engine_adapter.duckdb import DuckDBEngineAdapter


class GrismEngineAdapter(DuckDBEngineAdapter):
    """DuckDB's, but that frames come and go by the cursor of ADBC: no DuckDB is in this process."""

    _df_to_source_queries = EngineAdapter._df_to_source_queries

    def _fetch_native_df(self, query: Any, quote_identifiers: bool = False) -> Any:
        self.execute(query, quote_identifiers=quote_identifiers)
        return self.cursor.fetch_df()


class GrismConnectionConfig(ConnectionConfig):
    """How SQLMesh connects."""

    uri: str
    concurrent_tasks: int = 1
    register_comments: bool = False
    pre_ping: bool = False
    type_: Literal["grism"] = Field(alias="type", default="grism")
    DIALECT: ClassVar[str] = "duckdb"
    DISPLAY_NAME: ClassVar[str] = "grism"
    DISPLAY_ORDER: ClassVar[int] = 99

    @property
    def _connection_kwargs_keys(self) -> set[str]:
        return {"uri"}

    @property
    def _engine_adapter(self) -> type[EngineAdapter]:
        return GrismEngineAdapter

    @property
    def _connection_factory(self) -> Callable[..., Any]:
        return dbapi.connect

    def get_catalog(self) -> str:
        """The one catalog."""
        return "grism"


_GRISM = GrismConnectionConfig(uri=f"grpc://127.0.0.1:{os.environ['TOOLS_PORT']}")
config = Config(
    gateways={"grism": GatewayConfig(connection=_GRISM, state_connection=DuckDBConnectionConfig(database="state.db"))},
    default_gateway="grism",
    model_defaults=ModelDefaultsConfig(dialect="duckdb", start="2024-01-01"),
)
