"""CollectExec: a part of the plan that several places read, computed once."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from engine.physical import PhysicalOperator, SourceBinder

__all__ = ["CollectExec"]


@dataclass(frozen=True)
class CollectExec(PhysicalOperator):
    """Gives its input's rows to every place where this same object stands."""

    input: PhysicalOperator
    name: str

    @property
    def schema(self) -> tuple[str, ...]:
        return self.input.schema

    def relation(self, inputs: tuple[exp.Select, ...], sources: SourceBinder) -> exp.Select:
        return sources.share(self.name, inputs[0])

    def describe(self) -> str:
        return f"CollectExec {self.name}"
