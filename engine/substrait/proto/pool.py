"""The descriptor pool of the generated modules."""

from __future__ import annotations

from google.protobuf import any_pb2, empty_pb2
from google.protobuf.descriptor_pool import DescriptorPool

__all__ = ["POOL"]

POOL = DescriptorPool()
for _module in (any_pb2, empty_pb2):
    POOL.AddSerializedFile(_module.DESCRIPTOR.serialized_pb)
