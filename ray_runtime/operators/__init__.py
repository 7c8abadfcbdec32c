"""The operators that only a distributed plan has."""

from ray_runtime.operators.exchange import ExchangeExec, ExchangeSourceExec, partitioning_text
from ray_runtime.operators.partition_id import PARTITION_COLUMN, PartitionIdExec

__all__ = ["PARTITION_COLUMN", "ExchangeExec", "ExchangeSourceExec", "PartitionIdExec", "partitioning_text"]
