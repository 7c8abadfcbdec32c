"""grism in a Python program: SQL over a folder of Lance and Parquet tables, or over data in memory.

>>> import grism
>>> with grism.connect("shop") as db:
...     db.sql("INSERT INTO orders VALUES (?, ?)", [7, "pears"]).changed
...     db.sql("SELECT * FROM orders").to_pandas()

It is the same database that `grism serve` serves: the same text has the same answer. Errors are those of
`engine.errors`, all of them `GrismError`.
"""

from __future__ import annotations

from engine.errors import GrismError
from grism.connection import Connection, connect
from grism.result import Result

__all__ = ["Connection", "GrismError", "Result", "connect"]
