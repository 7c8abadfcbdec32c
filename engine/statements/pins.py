"""Which versions of tables are read by what is planned or runs in this process, or what clients may still fetch."""

from __future__ import annotations

import threading
from collections.abc import Set
from typing import Protocol
from weakref import WeakSet

from engine.operators.table_scan import TableScanExec
from engine.physical import PhysicalPlan, walk
from engine.storage.protocol import TableHandle

__all__ = ["Pin", "Pins"]


class _Reads(Protocol):
    def tables(self) -> Set[TableHandle]:
        """The versions."""


class Pin:
    """Says for as long as it lives, or until it is released, that a plan reads its versions."""

    def __init__(self, plan: PhysicalPlan) -> None:
        self._plan: PhysicalPlan | None = plan

    def tables(self) -> set[TableHandle]:
        """The versions."""
        root = None if (plan := self._plan) is None else plan.root
        return set() if root is None else {node.table for node in walk(root) if isinstance(node, TableScanExec)}

    def release(self) -> None:
        """They are not read any more."""
        self._plan = None


class Pins:
    """Knows the pins that live. Thread-safe."""

    def __init__(self) -> None:
        self._pins: WeakSet[_Reads] = WeakSet()
        self._lock = threading.Lock()

    def pin(self, plan: PhysicalPlan) -> Pin:
        """Know that a plan reads its versions, for as long as what is given back lives."""
        pin = Pin(plan)
        self.add(pin)
        return pin

    def add(self, reads: _Reads) -> None:
        """Know what somebody reads, for as long as they live."""
        with self._lock:
            self._pins.add(reads)

    def tables(self) -> set[TableHandle]:
        """The versions that are read."""
        with self._lock:
            pins = list(self._pins)
        return {table for pin in pins for table in pin.tables()}
