"""From a logical plan to stages: one pass in a file, in one visible order (`planner.py`)."""

from ray_runtime.planner.options import DistributedOptions
from ray_runtime.planner.planner import DistributedPlan, DistributedPlanner

__all__ = ["DistributedOptions", "DistributedPlan", "DistributedPlanner"]
