"""Options of the planner without a cluster."""

from __future__ import annotations

from ray_runtime.planner import DistributedOptions
from ray_runtime.runtime import RayRuntime


def test_slots_are_by_default_those_of_the_default_cluster_on_ray(shared_runtime: RayRuntime) -> None:
    assert DistributedOptions().slots == shared_runtime.executor.slots


def test_a_shuffle_has_two_partitions_for_a_slot_unless_told_otherwise() -> None:
    assert DistributedOptions(slots=8).shuffle_partitions == 16
    assert DistributedOptions(slots=8, partitions=3).shuffle_partitions == 3
