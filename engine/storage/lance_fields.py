"""The numbers of a Lance dataset's fields, by which its files tell what they hold, and schemas of which one changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from lance.schema import LanceSchema

from engine.storage.conform import DEFAULT

__all__ = ["field_ids", "files_of", "may_append", "may_change", "with_field"]

_Proto = descriptor_pb2.FieldDescriptorProto
_NO_PARENT = -1


def field_ids(fields: Sequence[Any]) -> Iterator[int]:
    """The numbers of fields, each before those within it: the order in which a new dataset counts them."""
    for field in fields:
        yield field.id()
        yield from field_ids(field.children())


def files_of(fragment: Any) -> list[str]:
    """The files that the metadata of a fragment names, within its dataset."""
    deletions = fragment.deletion_file
    own = [f"data/{file.path}" for file in fragment.files]
    return own if deletions is None else [*own, deletions.path(fragment.id)]


def may_change(schema: Any, column: str) -> bool:
    """Whether `with_field` can give a field of a dataset another nullability or other metadata, and nothing else."""
    position = [each.name() for each in schema.fields()].index(column)
    own = schema.fields()[position]
    made = _renumber(own.to_arrow(), list(field_ids([own])))
    return list(map(_order_metadata, made)) == list(map(_order_metadata, _groups(schema)[1][position]))


def may_append(then: Any, now: Any) -> bool:
    """Whether rows that were written for the schema `then` are right in a dataset that has the schema `now`.

    They lack columns that are new: these would be NULL. A column of which the number has changed is another one.
    """
    known = {field.id(): field for field in then.fields()}
    names = {field.name().lower() for field in then.fields()}
    for field in now.fields():
        arrow, old = field.to_arrow(), known.get(field.id())
        if old is None and (not arrow.nullable or DEFAULT in (arrow.metadata or {}) or field.name().lower() in names):
            return False
        if old is not None and old.to_arrow().nullable and not arrow.nullable:
            return False
    return True


def with_field(schema: Any, field: pa.Field, ids: Sequence[int]) -> Any:
    """The schema of a dataset with `field`, numbered by `ids`, in place of the one of its name or else at the end."""
    names = [each.name() for each in schema.fields()]
    position = names.index(field.name) if field.name in names else len(names)
    metadata, groups = _groups(schema)
    groups[position : position + 1] = [_renumber(field, ids)]
    return LanceSchema._from_protos(metadata, *(proto for group in groups for proto in group))


def _groups(schema: Any) -> tuple[str, list[list[bytes]]]:
    """The metadata of a schema, and for each of its fields the messages of it and of those within it."""
    _, (metadata, *protos) = schema.__reduce__()
    groups: list[list[bytes]] = []
    for proto in protos:
        if _Field.FromString(proto).parent_id == _NO_PARENT:
            groups.append([])
        groups[-1].append(proto)
    return metadata, groups


def _renumber(field: pa.Field, ids: Sequence[int]) -> list[bytes]:
    _, (_, *protos) = LanceSchema.from_pyarrow(pa.schema([field])).__reduce__()
    found = []
    for proto in protos:
        message = _Field.FromString(proto)
        message.id = ids[message.id]
        if message.parent_id != _NO_PARENT:
            message.parent_id = ids[message.parent_id]
        found.append(message.SerializeToString())
    return found


def _order_metadata(proto: bytes) -> bytes:
    """The message with its metadata in one order; Lance gives them in any."""
    message = _Field.FromString(proto)
    entries = sorted(message.metadata)
    del message.metadata[:]
    message.metadata.extend(entries)
    return bytes(message.SerializeToString())


def _field_message() -> Any:
    """The part of Lance's message of a field that is changed here; what else is in one stays as it is."""
    file = descriptor_pb2.FileDescriptorProto(name="grism/lance_field.proto", package="grism", syntax="proto3")
    message = file.message_type.add(name="LanceField")
    for name, number in (("id", 3), ("parent_id", 4)):
        message.field.add(name=name, number=number, type=_Proto.TYPE_INT32, label=_Proto.LABEL_OPTIONAL)
    message.field.add(name="metadata", number=10, type=_Proto.TYPE_BYTES, label=_Proto.LABEL_REPEATED)
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName("grism.LanceField"))


_Field = _field_message()
