"""The operators that only a distributed plan has."""

from ray_runtime.operators.build_index import BuildIndexExec
from ray_runtime.operators.exchange import ExchangeExec, ExchangeSourceExec, partitioning_text
from ray_runtime.operators.partition_id import PartitionIdExec
from ray_runtime.operators.replica import ReplicaExec
from ray_runtime.operators.write_fragments import WriteFragmentsExec

__all__ = [
    "BuildIndexExec",
    "ExchangeExec",
    "ExchangeSourceExec",
    "PartitionIdExec",
    "ReplicaExec",
    "WriteFragmentsExec",
    "partitioning_text",
]
