"""What is wrong with a plan, or not known here: errors that name it, and bounds on its size."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.message import Message
from google.protobuf.unknown_fields import UnknownFieldSet

from engine.cancellation import current_cancellation
from engine.errors import InvalidPlanError, UnsupportedError
from engine.kernel import quote
from engine.substrait.proto import extensions_pb2, plan_pb2

__all__ = [
    "check_known",
    "identifier",
    "require_no_enhancement",
    "require_size",
    "show_name",
    "unsupported",
]

MAX_TEXT = 16 << 20  # characters that a plan becomes: what is read twice doubles, again and again
_SHOWN = 100
_CHECKED = 4096  # messages between two looks at whether planning is to stop
_IGNORED: dict[str, frozenset[int]] = {
    plan_pb2.Plan.DESCRIPTOR.full_name: frozenset({1, 10}),  # URIs of extensions; how variables are evaluated
    extensions_pb2.SimpleExtensionDeclaration.ExtensionFunction.DESCRIPTOR.full_name: frozenset({1}),
    extensions_pb2.SimpleExtensionDeclaration.ExtensionType.DESCRIPTOR.full_name: frozenset({1}),
    extensions_pb2.SimpleExtensionDeclaration.ExtensionTypeVariation.DESCRIPTOR.full_name: frozenset({1}),
}


def identifier(name: str) -> str:
    """A name of the plan in quotes; InvalidPlanError for what no name can be."""
    if not name or "\0" in name:
        raise InvalidPlanError("A name in the plan is empty, or has a NUL character in it.")
    return quote(name)


def unsupported(what: str, name: str) -> UnsupportedError:
    """The error for a relation, an expression, a function or a type that is not known here."""
    return UnsupportedError(f"The Substrait {what} {show_name(name)} is not handled here.")


def show_name(name: str) -> str:
    """A name of the plan as a message has it: it may be of any length."""
    return f'"{name}"' if len(name) <= _SHOWN else f'"{name[:_SHOWN]}..."'


def check_known(plan: Message) -> None:
    """Raise UnsupportedError where a message has a field that is not known here: what it says would be lost.

    Raises the cause where planning was stopped.
    """
    cancellation = current_cancellation()
    for count, message in enumerate(_messages(plan)):
        if count % _CHECKED == 0:
            cancellation.check()
        unknown = UnknownFieldSet(message)
        name = message.DESCRIPTOR.full_name
        for place in range(len(unknown)):
            number = unknown[place].field_number
            if number not in _IGNORED.get(name, ()):
                raise UnsupportedError(
                    f"The plan has a field {number} in a {name}, which is not known here; "
                    "it is of a newer version of Substrait, or of none."
                )


def _messages(root: Message) -> Iterator[Message]:
    stack = [root]
    while stack:
        message = stack.pop()
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None and field.message_type.file.package.startswith("substrait"):
                stack.extend(value if field.is_repeated else [value])


def require_no_enhancement(extension: extensions_pb2.AdvancedExtension, of: str) -> None:
    """Raise UnsupportedError for an enhancement, which changes what a message means; optimizations do not."""
    if extension.HasField("enhancement"):
        name = extension.enhancement.type_url.rpartition("/")[2]
        raise UnsupportedError(f"The enhancement {show_name(name)} of a Substrait {of} is not handled here.")


def require_size(text: str) -> str:
    """`text`, which is a part of the statement; UnsupportedError where it is larger than one may be."""
    if len(text) > MAX_TEXT:
        raise UnsupportedError("The plan is too large: what it says takes more than 16 million characters.")
    return text
