"""What a plan declares at its head: functions, types and aliases by the anchors that its parts refer to."""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import InvalidPlanError
from engine.substrait.proto import algebra_pb2, plan_pb2, type_pb2

__all__ = ["Declarations"]

_MAX_ALIASES = 100  # that are read for one type


class Declarations:
    """The declarations of one plan. Raises InvalidPlanError where two have one anchor, or where none has one."""

    def __init__(self, plan: plan_pb2.Plan) -> None:
        self._functions: dict[int, str] = {}
        self._types: dict[int, str] = {}
        self._variations: dict[int, str] = {}
        self._aliases: dict[int, type_pb2.Type] = {}
        self.producer = plan.version.producer.lower()
        self.bindings: Mapping[int, algebra_pb2.Expression.Literal] = {
            binding.parameter_anchor: binding.value for binding in plan.parameter_bindings
        }
        for extension in plan.extensions:
            match extension.WhichOneof("mapping_type"):
                case "extension_function":
                    function = extension.extension_function
                    _declare(self._functions, function.function_anchor, function.name, "functions")
                case "extension_type":
                    kind = extension.extension_type
                    _declare(self._types, kind.type_anchor, kind.name, "types")
                case "extension_type_variation":
                    variation = extension.extension_type_variation
                    _declare(self._variations, variation.type_variation_anchor, variation.name, "type variations")
        for alias in plan.type_aliases:
            if alias.type_alias_anchor in self._aliases:
                raise InvalidPlanError(f"Two types of the plan have the alias {alias.type_alias_anchor}.")
            self._aliases[alias.type_alias_anchor] = alias.type

    def function_name(self, anchor: int) -> str:
        """The name of a function, without the types of a signature (``add:i64_i64``)."""
        return _find(self._functions, anchor, "function").partition(":")[0].lower()

    def type_name(self, anchor: int) -> str:
        """The name of a type that the plan's extensions define."""
        return _find(self._types, anchor, "type")

    def variation(self, anchor: int) -> str | None:
        """The name of a variation of a type; None where it is not declared."""
        return self._variations.get(anchor)

    def type_alias(self, anchor: int) -> type_pb2.Type:
        """The type that an alias stands for, which is no alias of another."""
        for _ in range(_MAX_ALIASES):
            found = self._aliases.get(anchor)
            if found is None:
                raise InvalidPlanError(f"The plan has no type with the alias {anchor}.")
            if found.WhichOneof("kind") != "alias":
                return found
            anchor = found.alias.type_alias_reference
        raise InvalidPlanError("Aliases of types in the plan stand for each other.")


def _declare(names: dict[int, str], anchor: int, name: str, what: str) -> None:
    if names.setdefault(anchor, name) != name:
        raise InvalidPlanError(f"Two {what} of the plan have the anchor {anchor}.")


def _find(names: Mapping[int, str], anchor: int, what: str) -> str:
    found = names.get(anchor)
    if found is None:
        raise InvalidPlanError(f"The plan has no {what} with the anchor {anchor}.")
    return found
