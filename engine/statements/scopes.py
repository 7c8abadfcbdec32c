"""What the binder judges before a change runs: the names of its texts, and that each of these is one value for a row.

    UPDATE t SET a = max(b) FROM u WHERE t.c = u.c
    SELECT 1 FROM t, u WHERE (t.c = u.c) AND (max(b)) IS NULL

Behind WHERE the binder takes no aggregate, window function or UNNEST but in a subquery. In the SELECT that runs these
would have a meaning: another number of rows, or values of other rows than those that change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from engine.errors import TypeMismatchError
from engine.statements.descriptions import DEFAULT_VALUE, Delete, Merge, MergeClause, MergeInsert, MergeUpdate, Update
from engine.statements.rewriting import holds, in_from
from engine.storage.protocol import TableName

__all__ = ["assigned_texts", "clause_values", "in_its_terms", "require_single_values", "scope", "updated_scope"]

_REFUSED = "WHERE clause cannot contain "


def scope(rows: str, condition: str, texts: Iterable[str]) -> str:
    """A SELECT with the names of `condition` and `texts` in the scope of `rows`, and with no others."""
    judged = (f"({text}) IS NULL" for text in texts if text.upper() != DEFAULT_VALUE)
    return f"SELECT 1 FROM {rows} WHERE {' AND '.join([condition, *judged])}"


def in_its_terms(error: BaseException) -> None:
    """Let an error tell of a value as what it is: the binder tells of a condition."""
    text = str(error.args[0]) if error.args else ""
    if isinstance(error, TypeMismatchError) and text.startswith(_REFUSED):
        what = text.removeprefix(_REFUSED).removesuffix("!")
        error.args = (f"Values and conditions take no {what} here; put them into a subquery",)


def updated_scope(statement: Update | Delete, table: TableName) -> str:
    """A SELECT with the names of a statement in one scope.

    In the SELECT that runs, the table stands outside of its source, and there a name of both would not be ambiguous.
    """
    rows = in_from(table, statement.alias)
    rows = rows if statement.source is None else f"{rows}, {statement.source}"
    return f"{statement.ctes} {scope(rows, holds(statement.where), assigned_texts(statement))}"


def assigned_texts(statement: Update | Delete | Merge) -> list[str]:
    """The texts of the values that a statement gives to columns."""
    match statement:
        case Update(assignments=assignments):
            return [text for _, text in assignments]
        case Merge(clauses=clauses):
            return [text for clause in clauses for text in clause_values(clause)]
    return []


def clause_values(clause: MergeClause) -> list[str]:
    """The texts of the values that a clause of MERGE gives to columns."""
    match clause.action:
        case MergeUpdate(assignments=assignments):
            return [text for _, text in assignments]
        case MergeInsert(values=values):
            return list(values)
    return []


def require_single_values(parse: Callable[[str], Any], statement: Update | Delete | Merge) -> None:
    """Raise TypeMismatchError where a value or a condition may be several: a star, or COLUMNS, in no subquery.

    The kernel's binder makes one of each column, in a list of values as behind WHERE.
    """
    conditions: list[str | None] = []
    match statement:
        case Update(where=where) | Delete(where=where):
            conditions = [where]
        case Merge(condition=condition, clauses=clauses):
            conditions = [condition, *(clause.condition for clause in clauses)]
    for text in (*assigned_texts(statement), *(text for text in conditions if text is not None)):
        if ("*" in text or "COLUMNS" in text.upper()) and _has_star(parse(f"SELECT ({text})")["node"]["select_list"]):
            raise TypeMismatchError(
                "UPDATE, DELETE and MERGE take one value in each place: a star and COLUMNS(...), which may be several, "
                "stand in subqueries only."
            )


def _has_star(node: object) -> bool:
    match node:
        case list():
            return any(map(_has_star, node))
        case {"class": "SUBQUERY"}:
            return False
        case {"class": "STAR"}:
            return True
        case dict():
            return any(map(_has_star, node.values()))
    return False
