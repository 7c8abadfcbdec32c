"""ReplicaExec: rows that every task of a stage reads for itself."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.physical import PhysicalOperator, SourceBinder

__all__ = ["ReplicaExec"]


@dataclass(frozen=True)
class ReplicaExec(PhysicalOperator):
    """Gives its input's rows. The tables below it are read whole by each task, and not by splits."""

    input: PhysicalOperator

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        del sources
        return inputs[0]

    def describe(self) -> str:
        return "ReplicaExec"
