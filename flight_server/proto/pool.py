"""The descriptor pool of the generated modules."""

from __future__ import annotations

from google.protobuf import timestamp_pb2
from google.protobuf.descriptor_pool import DescriptorPool

__all__ = ["POOL"]

POOL = DescriptorPool()
POOL.AddSerializedFile(timestamp_pb2.DESCRIPTOR.serialized_pb)
