"""MERGE as one SELECT: the rows of the table as they are afterwards, and those of the source that come to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.errors import SchemaMismatchError
from engine.hidden_columns import OWN
from engine.kernel import quote
from engine.schema import RowType
from engine.statements.descriptions import Merge, MergeClause, MergeDelete, MergeInsert, MergeUpdate
from engine.statements.rewriting import HIT, find_column, in_from, value_of
from engine.statements.row_changes import addressed_name
from engine.statements.scopes import clause_values, scope
from engine.storage.protocol import ROW_ADDRESS, ROW_STAYS, TableName

__all__ = ["Merging"]

_MATCH = f"{OWN}match"
_MATCHES = f"{OWN}matches"
_ACTION = f"{OWN}action"
_ACTIONS = f"{OWN}actions"
_VALUE = f"{OWN}value"
_CHOICE = f"{OWN}choice"
_UPDATE, _DELETE, _INSERT = 1, 2, 3
_TWICE = "MERGE would change a row of the table more than once: several rows of the source belong to it."


class Merging:
    """A MERGE into `table`, whose `columns` have `defaults`, from a source with columns of these names."""

    def __init__(
        self, statement: Merge, table: TableName, columns: RowType, defaults: dict[str, str], source: Sequence[str]
    ) -> None:
        self._statement, self._table, self._columns, self._defaults = statement, table, columns, defaults
        self._source = tuple(source)
        self._target = in_from(table, statement.alias)
        self._both = [clause for clause in statement.clauses if clause.rows == "both"]
        self._alone = [clause for clause in statement.clauses if clause.rows == "target"]
        self._new = [clause for clause in statement.clauses if clause.rows == "source"]

    def over(self, statement: Merge) -> Merging:
        """The same for a statement with another source of the same columns."""
        return Merging(statement, self._table, self._columns, self._defaults, self._source)

    def scope(self) -> str:
        """A SELECT with the names of the clauses for each kind of rows in a scope of their own, and with no others.

        In that for rows of both a name of both is ambiguous.
        """
        source = self._statement.source
        scopes = [scope(f"{self._target}, {source}", f"({self._statement.condition})", _texts(self._both))]
        if self._alone:
            scopes.append(scope(self._target, "true", _texts(self._alone)))
        if self._new:
            scopes.append(scope(source, "true", _texts(self._new)))
        return f"{self._statement.ctes} {' UNION ALL '.join(scopes)}"

    def changed_rows(self) -> str:
        """The rows of the table that the MERGE changes: address, whether it stays, and the values that are set."""
        alias = quote(self._statement.alias)
        touched = self._touched_columns()
        rows = in_from(self._table, self._statement.alias, addressed_name(self._table))
        names = ", ".join([_ACTION, *_values(touched)])

        def acts(clauses: Sequence[MergeClause], among: str) -> str:
            chosen = f"SELECT {alias}.{ROW_ADDRESS} AS {ROW_ADDRESS}, {self._chosen(clauses, touched)} AS {_CHOICE}"
            return f"SELECT {ROW_ADDRESS}, {_unpacked(touched)} FROM ({chosen} FROM {rows}{among})"

        parts = []
        if self._both:
            pairs = acts(self._both, f", {self._statement.source} WHERE {self._statement.condition}")
            once = f"CASE WHEN count(*) > 1 THEN CAST(error('{_TWICE}') AS INTEGER) ELSE first({_ACTION}) END"
            first = "".join(f", first({value}) AS {value}" for value in _values(touched))
            parts.append(
                f"SELECT {ROW_ADDRESS}, {once} AS {_ACTION}{first} FROM ({pairs}) "
                f"WHERE {_ACTION} IS NOT NULL GROUP BY {ROW_ADDRESS}"
            )
        if self._alone:
            match = f"SELECT 1 FROM {self._statement.source} WHERE {self._statement.condition}"
            unmatched = acts(self._alone, f" WHERE NOT EXISTS ({match})")
            parts.append(f"SELECT {ROW_ADDRESS}, {names} FROM ({unmatched}) WHERE {_ACTION} IS NOT NULL")
        changes = " UNION ALL ".join(parts or [acts([], " WHERE false")])
        stays = f"{_ACTION} = {_UPDATE} AS {ROW_STAYS}"
        values = "".join(f", {_VALUE}{i} AS {quote(name)}" for i, name in enumerate(touched))
        return f"{self._statement.ctes} SELECT {ROW_ADDRESS}, {stays}{values} FROM ({changes})"

    def added_rows(self) -> str | None:
        """The rows that come to the table; None where none do."""
        if all(clause.action is None for clause in self._new):
            return None
        return f"{self._statement.ctes} {self._inserted_rows('')}"

    def query(self) -> str:
        """All rows of the table after the MERGE, with the column `HIT`."""
        parts = [self._kept_rows()]
        if any(clause.action is not None for clause in self._new):
            parts.append(self._inserted_rows(f", CAST(NULL AS BOOLEAN) AS {HIT}"))
        return f"{self._statement.ctes} {' UNION ALL '.join(parts)}"

    def _kept_rows(self) -> str:
        touched = self._touched_columns()
        values = "".join(
            f", first({value}) FILTER (WHERE {_ACTION} IS NOT NULL) AS {value}" for value in _values(touched)
        )
        counts = f"count(*) AS {_MATCHES}, count({_ACTION}) AS {_ACTIONS}, max({_ACTION}) AS {_ACTION}"
        pairs = (
            f"SELECT {self._chosen(self._both, touched)} AS {_CHOICE} "
            f"FROM {self._statement.source} WHERE {self._statement.condition}"
        )
        match = f"SELECT {counts}{values} FROM (SELECT {_unpacked(touched)} FROM ({pairs}))"
        # A row with matches becomes what these made of it, one without what the other clauses do.
        matched = "".join(f", {value} := {_MATCH}.{value}" for value in _values(touched))
        choice = (
            f"CASE WHEN {_MATCH}.{_ACTIONS} > 1 THEN "
            f"struct_pack({_ACTION} := CAST(error('{_TWICE}') AS INTEGER){matched}) "
            f"WHEN {_MATCH}.{_MATCHES} > 0 THEN struct_pack({_ACTION} := {_MATCH}.{_ACTION}{matched}) "
            f"ELSE {self._chosen(self._alone, touched)} END"
        )
        alias = quote(self._statement.alias)
        own = [f"{alias}.{quote(c.name)} AS {quote(c.name)}" for c in self._columns]
        rows = (
            f"SELECT {', '.join(own)}, {choice} AS {_CHOICE} "
            f"FROM {self._target} LEFT JOIN LATERAL ({match}) AS {_MATCH} ON true"
        )
        is_updated = f"coalesce({_CHOICE}.{_ACTION} = {_UPDATE}, false)"
        new = dict(zip(touched, _values(touched), strict=True))
        items = [
            f"CASE WHEN {is_updated} THEN {_CHOICE}.{new[c.name]} ELSE {quote(c.name)} END AS {quote(c.name)}"
            if c.name in new
            else quote(c.name)
            for c in self._columns
        ]
        stays = f"{_CHOICE}.{_ACTION} IS DISTINCT FROM {_DELETE}"
        return f"SELECT {', '.join(items)}, {is_updated} AS {HIT} FROM ({rows}) WHERE {stays}"

    def _inserted_rows(self, mark: str) -> str:
        names = [c.name for c in self._columns]
        new = f"NOT EXISTS (SELECT 1 FROM {self._target} WHERE {self._statement.condition})"
        rows = f"SELECT {self._chosen(self._new, names)} AS {_CHOICE} FROM {self._statement.source} WHERE {new}"
        items = ", ".join(
            f"{_CHOICE}.{value} AS {quote(name)}" for name, value in zip(names, _values(names), strict=True)
        )
        return f"SELECT {items}{mark} FROM ({rows}) WHERE {_CHOICE}.{_ACTION} IS NOT NULL"

    def _chosen(self, clauses: Sequence[MergeClause], names: Sequence[str]) -> str:
        """What the first clause does whose condition is true, and the values that it gives to the columns of `names`.

        They stand in one, so that a condition does once: it may be another each time.
        """
        alias = quote(self._statement.alias)

        def pack(code: str, values: Mapping[str, str], has_row: bool) -> str:
            own = [values.get(name) or (f"{alias}.{quote(name)}" if has_row else "NULL") for name in names]
            packed = "".join(f", {value} := {text}" for value, text in zip(_values(names), own, strict=True))
            return f"struct_pack({_ACTION} := CAST({code} AS INTEGER){packed})"

        has_row = not any(clause.rows == "source" for clause in clauses)
        packs = [pack(_code(clause), self._updates(clause) | self._inserts(clause), has_row) for clause in clauses]
        return _case(clauses, packs, pack("NULL", {}, has_row))

    def _touched_columns(self) -> list[str]:
        """The columns that some clause sets."""
        updates = [self._updates(clause) for clause in (*self._both, *self._alone)]
        return [c.name for c in self._columns if any(c.name in values for values in updates)]

    def _updates(self, clause: MergeClause) -> dict[str, str]:
        """The values that a clause sets, by column name."""
        action = clause.action
        if not isinstance(action, MergeUpdate):
            return {}
        pairs = action.assignments or self._whole_row(action.by_name)
        return self._values([name for name, _ in pairs], [text for _, text in pairs])

    def _inserts(self, clause: MergeClause) -> dict[str, str]:
        """The values of all columns that a clause inserts, by column name."""
        action = clause.action
        if not isinstance(action, MergeInsert):
            return {}
        given: dict[str, str] = {}
        if action.values:
            given = self._values(action.columns or [c.name for c in self._columns], action.values)
        elif not action.default_values:
            pairs = self._whole_row(action.by_name)
            given = self._values([name for name, _ in pairs], [text for _, text in pairs])
        return {c.name: given.get(c.name) or value_of("DEFAULT", c, self._defaults) for c in self._columns}

    def _whole_row(self, by_name: bool) -> list[tuple[str, str]]:
        """Each column with the source's column of its name, or of its place."""
        own = self._source_name()
        names = self._source if by_name else [c.name for c in self._columns]
        if len(names) != len(self._source):
            raise SchemaMismatchError(
                f'The source has {len(self._source)} columns, table "{self._table}" has {len(names)}; '
                "name the columns, or say BY NAME."
            )
        return [(name, f"{own}.{quote(given)}") for name, given in zip(names, self._source, strict=True)]

    def _source_name(self) -> str:
        return quote(self._statement.source_alias)

    def _values(self, names: Sequence[str], texts: Sequence[str]) -> dict[str, str]:
        if len(names) != len(texts):
            raise SchemaMismatchError(f"There are {len(texts)} values for {len(names)} columns; give one for each.")
        values: dict[str, str] = {}
        for name, text in zip(names, texts, strict=True):
            column = find_column(self._columns, name, self._table)
            if column.name in values:
                raise SchemaMismatchError(f'Column "{column.name}" is set twice.')
            values[column.name] = value_of(text, column, self._defaults)
        return values


def _values(names: Sequence[str]) -> list[str]:
    """What the values of these columns are called on their way."""
    return [f"{_VALUE}{i}" for i in range(len(names))]


def _unpacked(names: Sequence[str]) -> str:
    return ", ".join(f"{_CHOICE}.{part} AS {part}" for part in (_ACTION, *_values(names)))


def _texts(clauses: Sequence[MergeClause]) -> list[str]:
    """All that is computed in clauses."""
    texts = [clause.condition for clause in clauses if clause.condition is not None]
    for clause in clauses:
        texts += clause_values(clause)
    return texts


def _code(clause: MergeClause) -> str:
    match clause.action:
        case MergeUpdate():
            return str(_UPDATE)
        case MergeDelete():
            return str(_DELETE)
        case MergeInsert():
            return str(_INSERT)
    return "NULL"


def _case(clauses: Sequence[MergeClause], values: Sequence[str], otherwise: str = "NULL") -> str:
    """The value of the first clause whose condition is true."""
    arms = [
        f"WHEN {'true' if clause.condition is None else f'({clause.condition})'} THEN {value}"
        for clause, value in zip(clauses, values, strict=True)
    ]
    return f"CASE {' '.join(arms)} ELSE {otherwise} END" if arms else otherwise
