"""Stage graphs for tests: by hand for the telling shapes, by hypothesis for all others."""

from __future__ import annotations

from dataclasses import dataclass

from hypothesis import strategies as st

from engine.physical import Hash, PartitioningSpec, PhysicalOperator, Single
from ray_runtime.stages import ExchangeInput, ExchangeMode, Stage, StageGraph

SHUFFLE, BROADCAST, GATHER = ExchangeMode.SHUFFLE, ExchangeMode.BROADCAST, ExchangeMode.GATHER


@dataclass(frozen=True)
class Fragment(PhysicalOperator):
    """A plan that is only carried around."""

    @property
    def schema(self) -> tuple[str, ...]:
        return ()

    def relation(self, inputs, sources):
        raise AssertionError("the scheduler runs nothing")


def stage(
    id: int,
    *inputs: tuple[int, ExchangeMode],
    tasks: int = 0,
    partitions: int = 1,
    deterministic: bool = True,
    enough_rows: int | None = None,
) -> Stage:
    """A stage with `tasks` splits, which writes `partitions`."""
    output: PartitioningSpec = Single() if partitions == 1 else Hash((), partitions)
    return Stage(
        id,
        Fragment(),
        tuple(ExchangeInput(*i) for i in inputs),
        output,
        tuple(f"split {n}" for n in range(tasks)),
        deterministic,
        enough_rows,
    )


def one_stage(tasks: int = 1) -> StageGraph:
    """A scan."""
    return StageGraph((stage(0, tasks=tasks),))


def shuffle(maps: int = 4, partitions: int = 4, deterministic: bool = True) -> StageGraph:
    """A scan, a reduce stage, and a gather."""
    return StageGraph(
        (
            stage(0, tasks=maps, partitions=partitions, deterministic=deterministic),
            stage(1, (0, SHUFFLE)),
            stage(2, (1, GATHER)),
        )
    )


def join(tasks: int = 3, partitions: int = 4) -> StageGraph:
    """Two scans that are joined by key, with a third one broadcast beside it, whose result is gathered."""
    return StageGraph(
        (
            stage(0, tasks=tasks, partitions=partitions),
            stage(1, tasks=tasks, partitions=partitions),
            stage(2, tasks=2),
            stage(3, (0, SHUFFLE), (1, SHUFFLE), (2, BROADCAST), partitions=partitions),
            stage(4, (3, SHUFFLE)),
            stage(5, (4, GATHER)),
        )
    )


@st.composite
def graphs(draw: st.DrawFn, deterministic: bool | None = None) -> StageGraph:
    """Any graph of up to nine stages; all of its stages as `deterministic` says, or mixed where that is None."""
    partitions = draw(st.integers(2, 5))
    stages: list[Stage] = []
    for id in range(draw(st.integers(1, 6))):
        cut = [s for s in stages if s.partitions > 1]
        whole = [s for s in stages if s.partitions == 1]
        shuffled = draw(st.lists(st.sampled_from(cut), max_size=2, unique_by=lambda s: s.id)) if cut else []
        broadcast = draw(st.lists(st.sampled_from(whole), max_size=1)) if whole else []
        inputs = [(s.id, SHUFFLE) for s in shuffled] + [(s.id, BROADCAST) for s in broadcast]
        tasks = 0 if shuffled else draw(st.integers(1, 5))
        fixed = draw(st.booleans()) if deterministic is None else deterministic
        written = draw(st.sampled_from([1, partitions]))
        stages.append(stage(id, *inputs, tasks=tasks, partitions=written, deterministic=fixed))
    return StageGraph(tuple(stages + _ending(stages)))


def _ending(stages: list[Stage]) -> list[Stage]:
    """Stages that read whatever nobody reads yet."""
    read = {i.stage for s in stages for i in s.inputs}
    unread = [s for s in stages if s.id not in read]
    cut = [s for s in unread if s.partitions > 1]
    ending = [stage(len(stages), *((s.id, SHUFFLE) for s in cut))] if cut else []
    whole = [s for s in unread if s.partitions == 1] + ending
    return [*ending, stage(len(stages) + len(ending), *((s.id, GATHER) for s in whole))]
