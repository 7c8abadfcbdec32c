"""The operators that only a distributed plan has."""

from ray_runtime.operators.exchange import ExchangeExec, ExchangeSourceExec, partitioning_text
from ray_runtime.operators.partition_id import PartitionIdExec
from ray_runtime.operators.replica import ReplicaExec

__all__ = ["ExchangeExec", "ExchangeSourceExec", "PartitionIdExec", "ReplicaExec", "partitioning_text"]
