"""From text to the descriptions in `statements`.

Only the frame of a statement is read here. What stands in it is cut out of the text by the words around it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from engine.errors import ForbiddenError, SqlSyntaxError, UnsupportedError
from engine.sql.bounds import require_bounds
from engine.sql.tokens import Token, first_words, tokens
from engine.statements.care_parser import parse_optimize, parse_restore, parse_show, parse_tag_change, parse_vacuum
from engine.statements.descriptions import (
    AddColumn,
    AlterTable,
    ChangeType,
    Checkpoint,
    ColumnDefinition,
    CreateSchema,
    CreateTable,
    CreateTableAs,
    CreateView,
    Delete,
    Describe,
    Drop,
    DropColumn,
    Insert,
    Kill,
    Merge,
    Path,
    Rename,
    RenameColumn,
    SetDefault,
    SetNotNull,
    SetSetting,
    Show,
    ShowSettings,
    Statement,
    Transaction,
    Update,
    Use,
)
from engine.statements.index_parser import parse_create_index, parse_drop_index, parse_show_indexes
from engine.statements.merge_parser import assignments, parse_merge
from engine.statements.reader import Reader, number_parameters
from engine.storage.protocol import CATALOG

__all__ = ["parse_statement", "read_statement"]

_CHANGES = ("INSERT", "UPDATE", "DELETE", "MERGE")
_TRANSACTIONS = {"BEGIN": "BEGIN", "START": "BEGIN", "COMMIT": "COMMIT", "END": "COMMIT", "ROLLBACK": "ROLLBACK"}
_TRANSACTIONS |= {"ABORT": "ROLLBACK"}


def parse_statement(text: str) -> Statement | None:
    """What `text` describes, or None where it is none of these: a query, or something that is refused.

    Raises SqlSyntaxError where its frame is not SQL, and UnsupportedError for a part that is not handled.
    """
    return read_statement(text)[0]


def read_statement(text: str) -> tuple[Statement | None, list[tuple[int, int]]]:
    """As `parse_statement`, and where the texts in what it gives stand in `text` with its parameters numbered."""
    found = _frame(text)
    while found and found[-1].word == ";":
        found.pop()
    reader = Reader(text, found)
    ctes = _ctes(reader)
    if ctes is None or reader.peek() not in _PARSERS:
        return None, []
    if "?" in text or "$" in text:
        text = number_parameters(text)
        reader = Reader(text, [token for token in tokens(text) if token.word != ";"])
        ctes = _ctes(reader)
    statement = _PARSERS[reader.word()](reader)
    if ctes:
        assert isinstance(statement, Insert | Update | Delete | Merge)
        statement = replace(statement, ctes=ctes)
    return statement, reader.parts


def _frame(text: str) -> list[Token]:
    """The tokens of `text`; none where its first word shows that it is a query, or nothing that is handled."""
    first = first_words(text, 1)
    if not first or (first[0] != "WITH" and first[0] not in _PARSERS):
        return []
    require_bounds(text)
    return tokens(text)


def _ctes(reader: Reader) -> str | None:
    """WITH and its queries, taken; empty without any, and None where no statement that changes rows follows."""
    start = reader.mark()
    if not reader.accept("WITH"):
        return ""
    reader.accept("RECURSIVE")
    try:
        while True:
            reader.name()
            reader.names()
            if reader.accept("USING", "KEY"):
                reader.names()
            reader.expect("AS")
            reader.accept("NOT")
            reader.accept("MATERIALIZED")
            reader.bracketed_text()
            if not reader.accept(","):
                return reader.since(start) if reader.peek() in _CHANGES else None
    except SqlSyntaxError:  # the kernel's parser tells
        return None


def _transaction(reader: Reader) -> Statement:
    kind = _TRANSACTIONS[reader.peek(-1)]
    if kind != "BEGIN" or reader.peek() != "ISOLATION":
        reader.accept("TRANSACTION") or reader.accept("WORK")
    if kind == "BEGIN" and (reader.accept("READ", "WRITE") or reader.accept("READ", "ONLY")):
        pass  # a hint
    if kind == "ROLLBACK" and reader.peek() == "TO":
        return _savepoint(reader)
    reader.end()
    return Transaction(kind)


def _savepoint(reader: Reader) -> Statement:
    del reader
    raise UnsupportedError("There are no savepoints here: each statement takes effect by itself, whole or not at all.")


def _checkpoint(reader: Reader) -> Statement:
    if not reader.is_at_end and reader.name().lower() != CATALOG:
        raise UnsupportedError(f'CHECKPOINT of another catalog than "{CATALOG}" is not handled.')
    reader.end()
    return Checkpoint()


def _force(reader: Reader) -> Statement:
    reader.expect("CHECKPOINT")
    return _checkpoint(reader)


def _kill(reader: Reader) -> Statement:
    kind = reader.word()
    if kind not in ("QUERY", "SESSION"):
        raise reader.error("expected QUERY or SESSION")
    identifier = reader.constant()
    reader.end()
    return Kill(kind, identifier)


def _create(reader: Reader) -> Statement:
    replace = reader.accept("OR", "REPLACE")
    temporary = reader.accept("TEMP") or reader.accept("TEMPORARY")
    kind = reader.word()
    if kind == "SCHEMA" and not replace and not temporary:
        if_not_exists = reader.accept("IF", "NOT", "EXISTS")
        path = reader.path()
        reader.end()
        return CreateSchema(path, if_not_exists)
    if kind == "INDEX" and not replace and not temporary:
        return parse_create_index(reader)
    if kind == "UNIQUE":
        raise UnsupportedError("CREATE UNIQUE INDEX is not handled: there are no keys. CREATE INDEX is.")
    if kind not in ("TABLE", "VIEW"):
        raise UnsupportedError(f"CREATE {kind or '...'} is not handled; CREATE TABLE, VIEW, SCHEMA and INDEX are.")
    if_not_exists = reader.accept("IF", "NOT", "EXISTS")
    path = reader.path()
    if kind == "VIEW":
        columns = reader.names()
        reader.expect("AS")
        return CreateView(path, reader.until(), columns, replace, if_not_exists, temporary)
    if reader.peek() == "(" and reader.peek(2) not in (",", ")"):
        defined = _column_definitions(reader)
        reader.end()
        return CreateTable(path, defined, temporary, replace, if_not_exists)
    columns = reader.names()
    reader.expect("AS")
    with_data = not reader.drop_last("WITH", "NO", "DATA")
    reader.drop_last("WITH", "DATA")
    return CreateTableAs(path, reader.until(), columns, with_data, temporary, replace, if_not_exists)


_NAMED = ("CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN", "LIKE")
_REFUSED = (*_NAMED, "REFERENCES", "COLLATE", "GENERATED", "AS", "USING")
_CONSTRAINTS = ("NOT", "NULL", "DEFAULT", "STORAGE", *_REFUSED)


def _column_definitions(reader: Reader) -> tuple[ColumnDefinition, ...]:
    reader.expect("(")
    columns = []
    while True:
        if reader.peek() in _NAMED:
            raise _no_constraint(reader.peek())
        columns.append(_column_definition(reader))
        if not reader.another(")"):
            break
    reader.expect(")")
    return tuple(columns)


def _column_definition(reader: Reader) -> ColumnDefinition:
    name = reader.name()
    if reader.peek() in _CONSTRAINTS:
        raise _no_constraint(reader.peek()) if reader.peek() in _REFUSED else reader.error("expected a type")
    column = ColumnDefinition(name, reader.until(",", *_CONSTRAINTS))
    while reader.peek() in _CONSTRAINTS:
        if reader.accept("CONSTRAINT"):
            reader.name()
        if reader.accept("NOT", "NULL"):
            column = replace(column, not_null=True)
        elif reader.accept("DEFAULT"):
            column = replace(column, default=_default(reader))
        elif reader.accept("STORAGE"):
            column = replace(column, external=_external(reader))
        elif not reader.accept("NULL"):
            raise _no_constraint(reader.peek())
    return column


def _external(reader: Reader) -> bool:
    if reader.peek() not in ("EXTERNAL", "PLAIN"):
        raise reader.error("expected EXTERNAL or PLAIN")
    return reader.word() == "EXTERNAL"


def _default(reader: Reader) -> str:
    return reader.until(",", *_CONSTRAINTS)


def _no_constraint(word: str) -> UnsupportedError:
    what = f"{word} KEY" if word in ("PRIMARY", "FOREIGN") else word
    return UnsupportedError(f"{what} is not handled in tables: columns have a name, a type, DEFAULT and NOT NULL.")


def _drop(reader: Reader) -> Statement:
    kind = reader.word()
    if kind == "INDEX":
        return parse_drop_index(reader)
    if kind not in ("TABLE", "VIEW", "SCHEMA"):
        raise UnsupportedError(f"DROP {kind or '...'} is not handled; DROP TABLE, VIEW, SCHEMA and INDEX are.")
    if_exists = reader.accept("IF", "EXISTS")
    path = reader.path()
    cascade = reader.accept("CASCADE")
    if not cascade:
        reader.accept("RESTRICT")
    reader.end()
    return Drop(kind, path, if_exists, cascade)


def _insert(reader: Reader) -> Statement:
    if reader.peek() == "OR":
        raise UnsupportedError("INSERT OR ... is not handled: tables have no keys. MERGE INTO does the same.")
    reader.expect("INTO")
    path = reader.path()
    by_name = reader.accept("BY", "NAME")
    if not by_name:
        reader.accept("BY", "POSITION")
    # Of a query in brackets, something else comes behind the first word.
    columns = reader.names() if reader.peek() == "(" and reader.peek(2) in (",", ")") else ()
    if reader.accept("DEFAULT", "VALUES"):
        _end_of_change(reader)
        return Insert(path)
    if not reader.accept("VALUES"):
        query = reader.until("RETURNING", "ON CONFLICT")
        _end_of_change(reader)
        return Insert(path, columns, (), query, by_name)
    rows = [reader.values()]
    while reader.another("RETURNING", "ON"):
        rows.append(reader.values())
    _end_of_change(reader)
    return Insert(path, columns, tuple(rows))


def _end_of_change(reader: Reader) -> None:
    if reader.accept("ON", "CONFLICT"):
        raise UnsupportedError("ON CONFLICT is not handled: tables have no keys. MERGE INTO does the same.")
    if reader.peek() == "RETURNING":
        raise UnsupportedError("RETURNING is not handled; ask for the rows with a SELECT.")
    reader.end()


def _alias(reader: Reader, path: Path, *stops: str) -> str:
    """The alias of a table; the table's own name where there is none."""
    if reader.accept("AS"):
        return reader.name()
    return path[-1] if reader.is_at_end or reader.peek() in stops else reader.name()


def _update(reader: Reader) -> Statement:
    path = reader.path()
    alias = _alias(reader, path, "SET")
    reader.expect("SET")
    values = assignments(reader, "FROM", "WHERE", "RETURNING")
    source = reader.until("WHERE", "RETURNING") if reader.accept("FROM") else None
    where = reader.until("RETURNING") if reader.accept("WHERE") else None
    _end_of_change(reader)
    return Update(path, alias, values, where, source)


def _delete(reader: Reader) -> Statement:
    reader.expect("FROM")
    path = reader.path()
    alias = _alias(reader, path, "USING", "WHERE", "RETURNING")
    source = reader.until("WHERE", "RETURNING") if reader.accept("USING") else None
    where = reader.until("RETURNING") if reader.accept("WHERE") else None
    _end_of_change(reader)
    return Delete(path, alias, where, source)


def _truncate(reader: Reader) -> Statement:
    reader.accept("TABLE")
    path = reader.path()
    reader.end()
    return Delete(path, path[-1])


def _alter(reader: Reader) -> Statement:
    kind = reader.word()
    if kind not in ("TABLE", "VIEW"):
        raise UnsupportedError(f"ALTER {kind or '...'} is not handled; ALTER TABLE and VIEW are.")
    if_exists = reader.accept("IF", "EXISTS")
    path = reader.path()
    if reader.accept("RENAME", "TO"):
        to = reader.path()
        reader.end()
        return Rename(kind, path, to, if_exists)
    if kind == "TABLE" and (tags := parse_tag_change(reader, path, if_exists)) is not None:
        return tags
    if kind == "VIEW":
        raise UnsupportedError("ALTER VIEW renames a view; CREATE OR REPLACE VIEW gives it another query.")
    action: AddColumn | DropColumn | RenameColumn | ChangeType | SetDefault | SetNotNull
    if reader.accept("ADD"):
        reader.accept("COLUMN")
        if_not_exists = reader.accept("IF", "NOT", "EXISTS")
        if reader.peek() in _NAMED:
            raise _no_constraint(reader.peek())
        action = AddColumn(_column_definition(reader), if_not_exists)
    elif reader.accept("DROP"):
        reader.accept("COLUMN")
        column_exists = reader.accept("IF", "EXISTS")
        action = DropColumn(reader.name(), column_exists)
    elif reader.accept("RENAME"):
        reader.accept("COLUMN")
        old = reader.name()
        reader.expect("TO")
        action = RenameColumn(old, reader.name())
    elif reader.accept("ALTER"):
        reader.accept("COLUMN")
        action = _alter_column(reader, reader.name())
    else:
        raise UnsupportedError("ALTER TABLE adds, drops, renames and alters columns, and creates and drops tags.")
    reader.end()
    return AlterTable(path, action, if_exists)


def _alter_column(reader: Reader, name: str) -> ChangeType | SetDefault | SetNotNull:
    if reader.accept("SET", "DEFAULT"):
        return SetDefault(name, reader.until())
    if reader.accept("DROP", "DEFAULT"):
        return SetDefault(name)
    if reader.accept("SET", "NOT", "NULL"):
        return SetNotNull(name, True)
    if reader.accept("DROP", "NOT", "NULL"):
        return SetNotNull(name, False)
    reader.accept("SET", "DATA")
    if not reader.accept("TYPE"):
        raise UnsupportedError("ALTER COLUMN changes a column's TYPE, DEFAULT and NOT NULL.")
    kind = reader.until("USING")
    return ChangeType(name, kind, reader.until() if reader.accept("USING") else None)


def _show(reader: Reader) -> Statement:
    for words in (("ALL", "TABLES"), ("SCHEMAS",), ("DATABASES",)):
        if reader.accept(*words):
            reader.end()
            return Show(" ".join(words))
    if reader.accept("ALL"):
        reader.end()
        return ShowSettings()
    for what in ("TABLES", "VIEWS"):
        if reader.accept(what):
            within = reader.path() if _accept_from(reader) else ()
            reader.end()
            return Show(what, within)
    if reader.peek(1) in _FROM and (told := parse_show(reader)) is not None:
        return told
    if reader.peek() == "INDEXES" and reader.peek(1) in _FROM:
        reader.word()
        return parse_show_indexes(reader)
    if reader.peek() == "COLUMNS" and reader.peek(1) in _FROM:
        reader.word()
        _accept_from(reader)
        return _describe(reader)
    described = _describe(reader)
    if len(described.table) != 1:
        return described
    return ShowSettings(described.table[0].lower(), described)


_FROM = ("FROM", "IN")


def _accept_from(reader: Reader) -> bool:
    return any(reader.accept(word) for word in _FROM)


def _describe(reader: Reader) -> Describe:
    reader.accept("TABLE")
    if reader.peek() in ("SELECT", "WITH", "FROM", "VALUES", "("):
        return Describe(reader.until())
    path = reader.path()
    reader.end()
    quoted = ".".join('"' + part.replace('"', '""') + '"' for part in path)
    return Describe(f"SELECT * FROM {quoted}", path)


def _use(reader: Reader) -> Statement:
    path = reader.path()
    reader.end()
    return Use(path)


def _set(reader: Reader) -> Statement:
    for scope in ("GLOBAL", "LOCAL", "TRANSACTION", "VARIABLE"):
        if reader.peek() == scope and reader.peek(1) not in ("=", "TO"):
            raise ForbiddenError(f"SET {scope} is not handled; SET name = value sets what a session has.")
    if reader.peek(1) not in ("=", "TO"):
        reader.accept("SESSION")
    if reader.accept("TIME", "ZONE"):
        name = "timezone"
    else:
        name = reader.name()
        if not reader.accept("TO"):
            reader.expect("=")
    value = None if reader.accept("DEFAULT") else reader.constant()
    reader.end()
    return SetSetting(name.lower(), value)


def _reset(reader: Reader) -> Statement:
    name = reader.name()
    if name.upper() == "SESSION" and not reader.is_at_end:
        name = reader.name()
    reader.end()
    return SetSetting(name.lower())


_PARSERS: dict[str, Callable[[Reader], Statement]] = {
    "CREATE": _create,
    "DROP": _drop,
    "INSERT": _insert,
    "UPDATE": _update,
    "DELETE": _delete,
    "MERGE": parse_merge,
    "TRUNCATE": _truncate,
    "ALTER": _alter,
    "SHOW": _show,
    "USE": _use,
    "SET": _set,
    "RESET": _reset,
    "DESCRIBE": _describe,
    "DESC": _describe,
    **dict.fromkeys(_TRANSACTIONS, _transaction),
    "SAVEPOINT": _savepoint,
    "RELEASE": _savepoint,
    "CHECKPOINT": _checkpoint,
    "OPTIMIZE": parse_optimize,
    "VACUUM": parse_vacuum,
    "RESTORE": parse_restore,
    "FORCE": _force,
    "KILL": _kill,
}
