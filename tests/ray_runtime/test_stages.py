import pytest

from engine.physical import Broadcast, Hash, RoundRobin, Single
from ray_runtime.stages import ExchangeInput, Stage, StageGraph
from tests.ray_runtime.scheduler.graphs import BROADCAST, GATHER, SHUFFLE, Fragment, join, stage


def test_a_stage_says_into_how_many_partitions_it_writes():
    written = {spec: Stage(0, Fragment(), output=spec).partitions for spec in (Single(), Broadcast(), RoundRobin(3))}
    assert written == {Single(): 1, Broadcast(): 1, RoundRobin(3): 3}
    assert Stage(0, Fragment(), output=Hash((), 7)).partitions == 7


def test_the_last_stage_gives_the_result():
    assert join().result.id == 5
    assert [s.id for s in join()] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize(
    ("stages", "complaint"),
    [
        (lambda: (), "at least one stage"),
        (lambda: (stage(0, (1, GATHER)), stage(1)), "does not stand before it"),
        (lambda: (stage(0, partitions=2), stage(1, (0, GATHER))), "output is partitioned"),
        (lambda: (stage(0, partitions=2), stage(1, (0, BROADCAST), tasks=1)), "output is partitioned"),
        (lambda: (stage(0), stage(1), stage(2, (1, GATHER))), "Nobody reads the output of stage 0"),
        (lambda: (stage(0), stage(0, (0, GATHER))), "two stages 0"),
        (lambda: (stage(0, partitions=2),), "one partition"),
        (lambda: (stage(0, tasks=1, partitions=2), stage(1, (0, SHUFFLE), tasks=2)), "splits and a shuffled input"),
        (lambda: (stage(0), stage(1, (0, GATHER), tasks=2)), "neither many splits nor shuffled"),
        (
            lambda: (stage(0, partitions=2), stage(1, partitions=3), stage(2, (0, SHUFFLE), (1, SHUFFLE))),
            "different numbers of partitions",
        ),
    ],
)
def test_a_graph_that_cannot_run_is_refused(stages, complaint):
    with pytest.raises(ValueError, match=complaint):
        StageGraph(stages())


def test_an_output_needs_a_partition():
    with pytest.raises(ValueError, match="at least one"):
        Stage(0, Fragment(), (ExchangeInput(1, SHUFFLE),), RoundRobin(0))
