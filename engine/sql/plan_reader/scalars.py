"""Expressions that give a value for each row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from sqlglot import exp

from engine.sql.plan_reader.aggregate_constants import constants_of
from engine.sql.plan_reader.calls import LIST_AGGREGATES, call, check_function, named_argument
from engine.sql.plan_reader.constants import INTEGERS, beside, constant, typed_constant
from engine.sql.plan_reader.decimals import DECIMAL_ARITHMETIC, REMAINDERS, check_remainder, natural_operands
from engine.sql.plan_reader.not_read import Node, NotRead, check_keys
from engine.sql.plan_reader.types import data_type

__all__ = ["COMPARISONS", "Scalars", "Scope", "operand"]

Scope = Sequence[str | exp.Expr]
"""What references mean, by position: a column by its name, or an expression."""

MOST_LEVELS = 150

_COMMON = frozenset({"expression_class", "type", "alias", "query_location", "query_location_length", "return_type"})
_REF = _COMMON | {"index"}
_CONSTANT = _COMMON | {"value"}
_CHILDREN = _COMMON | {"children"}
_CASE = _COMMON | {"case_checks", "else_expr"}
_CHECK = frozenset({"when_expr", "then_expr"})
_FUNCTION = _CHILDREN | {
    "arguments",
    "qname",
    "has_serialize",
    "positional_arguments",
    "named_arguments",
    "function_data",
    "is_operator",
}
_LAMBDA = _COMMON | {"lambda_expr", "parameter_count", "parameter_names"}
_CAST = frozenset({"try_cast", "is_default_cast"})
_BETWEEN = frozenset({"lower_inclusive", "upper_inclusive"})

COMPARISONS: dict[str, type[exp.Binary]] = {
    "COMPARE_EQUAL": exp.EQ,
    "COMPARE_NOTEQUAL": exp.NEQ,
    "COMPARE_LESSTHAN": exp.LT,
    "COMPARE_GREATERTHAN": exp.GT,
    "COMPARE_LESSTHANOREQUALTO": exp.LTE,
    "COMPARE_GREATERTHANOREQUALTO": exp.GTE,
    "COMPARE_DISTINCT_FROM": exp.NullSafeNEQ,
    "COMPARE_NOT_DISTINCT_FROM": exp.NullSafeEQ,
}
_OPERATORS: dict[str, type[exp.Binary]] = {
    "+": exp.Add,
    "-": exp.Sub,
    "*": exp.Mul,
    "/": exp.Div,
    "//": exp.IntDiv,
    "%": exp.Mod,
    "||": exp.DPipe,
    "~~": exp.Like,
}
_CHAINED = frozenset({"+", "*", "||"})
_WITHOUT_SETTINGS = frozenset(
    {"BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
    | {"UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL", "VARCHAR", "DATE", "TIMESTAMP", "INTERVAL"}
)
_OPEN = (exp.Binary, exp.Not, exp.Neg, exp.In, exp.Between, exp.Is)


def operand(expr: exp.Expr) -> exp.Expr:
    """`expr` in brackets, unless it stands for itself beside any operator."""
    return exp.Paren(this=expr) if isinstance(expr, _OPEN) and not isinstance(expr, exp.Dot) else expr


class Scalars:
    """Reads expressions over what `scope` has. `taken` are the names of the parameters of lambdas around them."""

    def __init__(self, scope: Scope, level: int = 0, lambdas: int = 0) -> None:
        self._scope = scope
        self._level = level
        self._lambdas = lambdas

    def read(self, node: Node) -> exp.Expr:
        """The expression. Raises NotRead for what is not known."""
        reader = _READERS.get(node["expression_class"])
        if reader is None:
            raise NotRead(f"expression {node['expression_class']}")
        self._level += 1
        if self._level > MOST_LEVELS:
            raise NotRead("an expression is nested too deeply")
        try:
            return reader(self, node)
        finally:
            self._level -= 1

    def all(self, nodes: Sequence[Node]) -> list[exp.Expr]:
        """Several expressions, in order."""
        return [self.read(node) for node in nodes]

    def read_typed(self, node: Node) -> exp.Expr:
        """The expression with its type where a literal would leave the kernel a choice, as in arguments of calls."""
        if node["type"] == "VALUE_CONSTANT":
            check_keys(node, _CONSTANT, "a constant")
            return typed_constant(node["value"])
        return self.read(node)

    def _reference(self, node: Node) -> exp.Expr:
        check_keys(node, _REF, "a reference")
        found = self._scope[node.get("index", 0)]
        return _column(found) if isinstance(found, str) else found.copy()

    def _constant(self, node: Node) -> exp.Expr:
        check_keys(node, _CONSTANT, "a constant")
        return constant(node["value"])

    def _conjunction(self, node: Node) -> exp.Expr:
        connector = _CONNECTORS.get(node["type"])
        if connector is None:
            raise NotRead(f"conjunction {node['type']}")
        result: exp.Expr | None = None
        for child in _parts(node):
            read = self.read(child)
            part = exp.Paren(this=read) if isinstance(read, exp.Connector | exp.Not) else read
            result = part if result is None else connector(this=result, expression=part)
        if result is None:
            raise NotRead("a conjunction of nothing")
        return result

    def _case(self, node: Node) -> exp.Expr:
        check_keys(node, _CASE, "a CASE")
        branches = []
        for check in node["case_checks"]:
            check_keys(check, _CHECK, "a CASE")
            branches.append(exp.If(this=self.read(check["when_expr"]), true=self.read(check["then_expr"])))
        return exp.Case(ifs=branches, default=self.read(node["else_expr"]))

    def _operator(self, node: Node) -> exp.Expr:
        check_keys(node, _CHILDREN, "an operator")
        children = node["children"]
        match node["type"]:
            case "OPERATOR_NOT":
                return exp.Not(this=operand(self.read(*children)))
            case "OPERATOR_IS_NULL":
                return exp.Is(this=operand(self.read(*children)), expression=exp.Null())
            case "OPERATOR_IS_NOT_NULL":
                return exp.Is(this=operand(self.read(*children)), expression=exp.Not(this=exp.Null()))
            case "COMPARE_IN":
                first, *rest = self._comparison_operands(children)
                return exp.In(this=first, expressions=rest)
            case "COMPARE_NOT_IN":
                first, *rest = self._comparison_operands(children)
                return exp.Not(this=exp.In(this=first, expressions=rest))
            case "OPERATOR_COALESCE":
                first, *rest = self.all(children)
                return exp.Coalesce(this=first, expressions=rest)
            case "OPERATOR_TRY":
                return exp.Anonymous(this="TRY", expressions=self.all(children))
        raise NotRead(f"operator {node['type']}")

    def _function(self, node: Node) -> exp.Expr:
        check_keys(node, _FUNCTION, "a function")
        kind = node["type"]
        if kind == "OPERATOR_CAST":
            return self._cast(node)
        comparison = COMPARISONS.get(kind)
        if comparison is not None:
            left, right = self._comparison_operands(node["children"])
            return comparison(this=left, expression=right)
        if kind == "COMPARE_BETWEEN":
            return self._between(node)
        if kind != "BOUND_FUNCTION":
            raise NotRead(f"function {kind}")
        return self._call(node)

    def _comparison_operands(self, nodes: Sequence[Node]) -> list[exp.Expr]:
        """Operands that the kernel has brought to one type: constants have it from those that are none."""
        if all(node["type"] == "VALUE_CONSTANT" for node in nodes):
            return [operand(self.read_typed(node)) for node in nodes]
        kinds = [_kind(node) for node in nodes]
        operands = [self._beside(node) for node in nodes]
        if "BLOB" not in kinds or "VARCHAR" not in kinds:
            return operands
        # The optimizer's bounds of what a regular expression matches: no text holds the upper one.
        return [
            exp.Anonymous(this="ENCODE", expressions=[each]) if kind == "VARCHAR" else each
            for each, kind in zip(operands, kinds, strict=True)
        ]

    def _beside(self, node: Node) -> exp.Expr:
        if node["type"] != "VALUE_CONSTANT":
            return operand(self.read(node))
        check_keys(node, _CONSTANT, "a constant")
        return beside(node["value"])

    def _cast(self, node: Node) -> exp.Expr:
        data = node["function_data"]
        check_keys(data, _CAST, "a cast")
        (child,) = node["children"]
        (source,), target = node["arguments"], node["return_type"]
        if source == target:
            return self.read(child)
        if data["is_default_cast"] and not {source["id"], target["id"]} <= _WITHOUT_SETTINGS:
            raise NotRead("a cast that knows no settings")
        made = exp.TryCast if data["try_cast"] else exp.Cast
        return made(this=self.read(child), to=data_type(target))

    def _between(self, node: Node) -> exp.Expr:
        data = node["function_data"]
        check_keys(data, _BETWEEN, "BETWEEN")
        value = node["children"][0]
        this, lowest, highest = self._comparison_operands(node["children"])
        if data["lower_inclusive"] and data["upper_inclusive"]:
            return exp.Between(this=this, low=lowest, high=highest)
        if value["type"] != "BOUND_REF":
            raise NotRead("a range of a computed value without one of its ends")
        above = exp.GTE if data["lower_inclusive"] else exp.GT
        below = exp.LTE if data["upper_inclusive"] else exp.LT
        first, second = above(this=this, expression=lowest), below(this=self.read(value), expression=highest)
        return exp.Paren(this=exp.And(this=first, expression=second))

    def _call(self, node: Node) -> exp.Expr:
        check_function(node)
        children = node["children"]
        name = node["qname"]["path"][-1]
        if any(child["type"] == "LAMBDA" for child in children):
            return self._with_lambda(node)
        if name in REMAINDERS and node["return_type"]["id"] == "DOUBLE":
            check_remainder(node)
        if len(children) == 2 and name in _OPERATORS:
            return self._infix(node, name)
        if "named_arguments" in node:
            return self._with_names(node)
        if name == "struct_pack":
            return call(
                node, [named_argument(field["first"], self.read_typed(child)) for field, child in _fields(node)]
            )
        if name in DECIMAL_ARITHMETIC and "function_data" in node:
            children = natural_operands(node)
        if name == "equi_width_bins":
            kind = node["return_type"]["type_info"]["child_type"]
            children = [*(_of_type(child, kind) for child in children[:2]), *children[2:]]
        if name in LIST_AGGREGATES and "function_data" in node:
            return call(node, self._list_aggregate(node))
        return call(node, [self.read_typed(child) for child in children])

    def _infix(self, node: Node, name: str) -> exp.Expr:
        """An operator between two operands. A chain of them may be long."""
        made = _OPERATORS[name]
        rights: list[exp.Expr] = []
        while True:
            left, right = self._operands(node)
            rights.append(right)
            if name not in _CHAINED or not _is_call(left, name):
                break
            check_keys(left, _FUNCTION, "a function")
            check_function(left)
            node = left
        result = self._side(left, node)
        for right in reversed(rights):
            result = made(this=result, expression=right)
        return result

    def _operands(self, node: Node) -> tuple[Node, exp.Expr]:
        left, right = natural_operands(node) if "function_data" in node else node["children"]
        return left, self._side(right, node)

    def _side(self, node: Node, parent: Node) -> exp.Expr:
        """An operand: an integer needs no type where the other operand has it."""
        first, second = parent["arguments"]
        alike = first == second and first["id"] in INTEGERS
        if alike and not all(side["type"] == "VALUE_CONSTANT" for side in parent["children"]):
            return operand(self._beside(node))
        return operand(self.read_typed(node))

    def _with_names(self, node: Node) -> exp.Expr:
        children, names = node["children"], node["named_arguments"]
        positional = node["positional_arguments"]
        if positional + len(names) != len(children):
            raise NotRead("a function whose arguments are not all named")
        given = [self.read_typed(child) for child in children[:positional]]
        return call(
            node,
            given + [named_argument(n, self.read_typed(c)) for n, c in zip(names, children[positional:], strict=True)],
        )

    def _list_aggregate(self, node: Node) -> list[exp.Expr]:
        """The list, the name of an aggregate, and the constants that this takes beside its values."""
        data = node["function_data"]["bind_data"]
        check_keys(data, frozenset({"stype", "aggr_expr"}), "an aggregate of a list")
        values, name, *rest = node["children"]
        constants = constants_of(data["aggr_expr"])
        if len(data["aggr_expr"]["children"]) != len(rest) + 1:
            raise NotRead("an aggregate of a list with other arguments")
        others = [constants.get(i) or self.read_typed(child) for i, child in enumerate(rest, 1)]
        return [self.read_typed(values), self.read_typed(name), *others]

    def _with_lambda(self, node: Node) -> exp.Expr:
        """A call with a lambda among its arguments; what that refers to beside its parameters comes after them."""
        positional = node["positional_arguments"]
        given, captured = node["children"][:positional], node["children"][positional:]
        bodies = [child for child in given if child["type"] == "LAMBDA"]
        if len(bodies) != 1:
            raise NotRead("a call with several lambdas")
        if any(child["type"] != "BOUND_REF" for child in captured):
            raise NotRead("a lambda over a computed value")
        body = bodies[0]
        check_keys(body, _LAMBDA, "a lambda")
        outer = [self._scope[child.get("index", 0)] for child in captured]
        names = self._parameters(body["parameter_count"], outer)
        inner = Scalars([*reversed(names), *outer], self._level, self._lambdas + len(names))
        made = exp.Lambda(this=inner.read(body["lambda_expr"]), expressions=[n.copy() for n in names], colon=True)
        return call(node, [made if child is body else self.read_typed(child) for child in given])

    def _parameters(self, count: int, outer: Scope) -> list[exp.Expr]:
        """Names of parameters that hide no column and no parameter around them."""
        names = [f"x{self._lambdas + i + 1}" for i in range(count)]
        while any(name == used for name in names for used in outer):
            names = [f"_{name}" for name in names]
        return [exp.Identifier(this=name, quoted=True) for name in names]


def _parts(node: Node) -> Iterator[Node]:
    """What a conjunction connects, without conjunctions of its kind in it."""
    pending = [node]
    while pending:
        part = pending.pop()
        if part["type"] == node["type"]:
            check_keys(part, _CHILDREN, "a conjunction")
            pending.extend(reversed(part["children"]))
        else:
            yield part


def _column(name: str) -> exp.Expr:
    return exp.Column(this=exp.Identifier(this=name, quoted=True))


def _of_type(node: Node, kind: Node) -> Node:
    """The argument as it was before the kernel widened it, where it was of this type."""
    if node["type"] == "OPERATOR_CAST" and node["arguments"][0] == kind:
        child: Node = node["children"][0]
        return child
    if node["type"] == "VALUE_CONSTANT" or node["return_type"] != kind:
        raise NotRead("a function of values that were of another type")
    return node


def _fields(node: Node) -> list[tuple[Node, Node]]:
    return list(zip(node["return_type"]["type_info"]["child_types"], node["children"], strict=True))


def _is_call(node: Node, name: str) -> bool:
    """Whether `node` is this operator, between two operands."""
    return node["type"] == "BOUND_FUNCTION" and node["qname"]["path"][-1] == name and len(node["children"]) == 2


_CONNECTORS: dict[str, type[exp.Connector]] = {"CONJUNCTION_AND": exp.And, "CONJUNCTION_OR": exp.Or}
_READERS: dict[str, Callable[[Scalars, Node], exp.Expr]] = {
    "BOUND_REF": Scalars._reference,
    "BOUND_CONSTANT": Scalars._constant,
    "BOUND_FUNCTION": Scalars._function,
    "BOUND_OPERATOR": Scalars._operator,
    "BOUND_CONJUNCTION": Scalars._conjunction,
    "BOUND_CASE": Scalars._case,
}


def _kind(node: Node) -> str | None:
    """The name of an operand's type, if it tells that."""
    kind = node["value"]["type"] if node["type"] == "VALUE_CONSTANT" else node.get("return_type")
    return None if kind is None else kind["id"]
