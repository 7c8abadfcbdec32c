"""Searches of texts in Lance datasets, always by indexes of texts.

Without an index Lance searches by other rules (case counts, nothing is stemmed), and in rows that an index does not
have it finds no word that differs from the query's: neither is an answer to the question, so both are refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from lance.query import (
    BooleanQuery,
    BoostQuery,
    FullTextOperator,
    FullTextQuery,
    MatchQuery,
    MultiMatchQuery,
    Occur,
    PhraseQuery,
)

from engine.errors import InvalidValueError, UnsupportedError
from engine.storage.column_paths import find_field, path_parts, path_text
from engine.storage.lance_addresses import address_column, rows_at
from engine.storage.protocol import TableName
from engine.storage.search import SCORE, IndexUse, Search, TextRequest
from engine.storage.stored_indexes import are_behind
from engine.storage.text_query import (
    All,
    AnyOf,
    Phrase,
    TextNode,
    Words,
    is_fuzzy,
    parse_text_query,
    phrases,
    plain_words,
)

__all__ = ["find_texts", "find_texts_of_each", "index_use", "resolve_text_search"]

_MORE = 50  # rows that have the last score are seldom more, and each costs something
_FACTOR = 16
_ASKED = 10_000  # rows that could be compared while an index is asked


def index_use(described: Any, fragment_rows: Mapping[int, int]) -> IndexUse:
    """What is told of an index, where `fragment_rows` are the live rows of the fragments by their ids."""
    covered = set().union(*(segment.fragment_ids for segment in described.segments))
    rest = sum(rows for fragment, rows in fragment_rows.items() if fragment not in covered)
    return IndexUse(described.name, described.index_type, rest)


def resolve_text_search(
    name: TableName, dataset: Any, fragment_rows: Mapping[int, int], request: TextRequest
) -> Search:
    """How a text search is answered.

    Raises UnknownColumnError, UnsupportedError for a column without an index of texts or one that cannot answer, and
    InvalidValueError for a query that is not understood.
    """
    if are_behind(dataset):
        raise UnsupportedError(
            f'The indexes of table "{name}" are behind: another tool has moved its rows (defer_index_remap, or in a '
            f"shallow clone). OPTIMIZE {name} makes them anew."
        )
    indexes = _indexes(dataset)
    columns = tuple(find_field(name, dataset.schema, column).name for column in request.columns) or tuple(indexes)
    if not columns:
        raise UnsupportedError(
            f'Table "{name}" has no index of texts; CREATE INDEX ... ON {name} USING FTS (column) makes one.'
        )
    for column in columns:
        if column not in indexes:
            raise UnsupportedError(
                f'Column "{column}" of table "{name}" has no index of texts; '
                f"CREATE INDEX ... ON {name} USING FTS ({column.replace('`', chr(34))}) makes one."
            )
    if len(columns) > 1:
        _require_rows(name, [(column, index) for column in columns for index in indexes[column]])
    used = tuple(
        max((index_use(index, fragment_rows) for index in indexes[column]), key=lambda use: use.unindexed)
        for column in columns
    )
    request = replace(request, columns=columns)
    _require_answer(name, request, indexes, used)
    return Search(request, indexes=used, compared=_ASKED + max(index.unindexed for index in used))


def _indexes(dataset: Any) -> dict[str, list[Any]]:
    """The indexes of texts, by their columns, which may have several: Lance asks the one that was made first."""
    indexes: dict[str, list[Any]] = {}
    for found in dataset.describe_indices():
        if found.type_url.endswith("InvertedIndexDetails") and len(found.field_names) == 1:
            indexes.setdefault(path_text(path_parts(found.field_names[0])), []).append(found)
    return indexes


def _require_answer(
    name: TableName, request: TextRequest, indexes: Mapping[str, list[Any]], used: Sequence[IndexUse]
) -> None:
    """Refuse texts that the indexes of the columns cannot answer, and those that are not understood."""
    for text in (request.query, request.demote):
        node = None if text is None else _parse(request, text)
        if node is None:
            continue
        for column, index in zip(request.columns, used, strict=True):
            bare = [each.name for each in indexes[column] if not (each.details or {}).get("with_position")]
            if phrases(node) and bare:
                raise UnsupportedError(
                    f'The index "{bare[0]}" has no positions of words, so no phrases are found; '
                    "make it with the option with_position = true."
                )
            if is_fuzzy(node) and index.unindexed and not request.indexed_only:
                raise UnsupportedError(
                    f'The index "{index.name}" does not have {index.unindexed} rows of table "{name}", in which Lance '
                    "finds no words that differ from the query's; bring it up to date (OPTIMIZE), or leave those rows "
                    "out with indexed_only := true."
                )


def _require_rows(name: TableName, indexes: Sequence[tuple[str, Any]]) -> None:
    """Refuse several columns where one of their indexes has each text of a list by itself, which Lance does not mix."""
    for column, index in indexes:
        if (index.details or {}).get("document_granularity") == "list_element":
            raise UnsupportedError(
                f'The index "{index.name}" of table "{name}" has each text of a list by itself, so column "{column}" '
                "is searched alone; name the columns of the search: text_search(table, text, column)."
            )


def find_texts(
    dataset: Any, search: Search, request: TextRequest, columns: Sequence[str], schema: pa.Schema
) -> pa.Table:
    """The rows that match best, and of equal ones those that lie first, in this order, with these columns of `schema`.

    A row of which an index has several texts (`document_granularity`) matches as well as the best of them.
    Lance gives any of those with the last score, others each time: more are asked for until all with that are there.
    """
    query = None if request.query is None else _query(_parse(request, request.query), request.columns)
    if query is None:
        return schema.empty_table().select(list(columns))
    if request.demote is not None:
        demoted = _query(_parse(request, request.demote), request.columns)
        query = query if demoted is None else BoostQuery(query, demoted, negative_boost=request.demotion)
    limit, address = request.k + _MORE, address_column(dataset)
    while True:
        scanner = dataset.scanner(
            columns=[SCORE, address],
            full_text_query=query,
            limit=limit,
            filter=search.filter,
            prefilter=True,
            use_scalar_index=search.asks_indexes,
            fast_search=request.indexed_only,
            disable_scoring_autoprojection=True,
        )
        found = scanner.to_table()
        scores, addresses = found.column(SCORE).to_numpy(), found.column(address).to_numpy()
        best = order = np.lexsort((addresses, -scores))
        if len(set(addresses.tolist())) < len(order):
            best = order[np.sort(np.unique(addresses[order], return_index=True)[1])]
        if len(order) < limit or (len(best) >= request.k and scores[best[request.k - 1]] > scores[order[-1]]):
            best = best[: request.k]
            return rows_at(dataset, schema, columns, addresses[best], {SCORE: scores[best]})
        limit *= _FACTOR


def find_texts_of_each(
    name: TableName,
    dataset: Any,
    search: Search,
    request: TextRequest,
    columns: Sequence[str],
    queries: Sequence[str],
    schema: pa.Schema,
) -> list[pa.Table]:
    """The rows that match each of the queries best; see `find_texts`. Raises as `resolve_text_search` of its query."""
    indexes = _indexes(dataset)
    asked = [replace(request, query=query) for query in queries]
    for one in asked:
        _require_answer(name, one, indexes, search.indexes)
    return [find_texts(dataset, search, one, columns, schema) for one in asked]


def _parse(request: TextRequest, text: str) -> TextNode:
    if request.plain:
        return plain_words(text, every=request.every)
    return parse_text_query(text, every=request.every)


def _query(node: TextNode, columns: Sequence[str]) -> FullTextQuery | None:
    """Lance's query over some columns; None for one without words."""
    match node:
        case Words():
            return _words(node, columns) if node.text.strip() else None
        case Phrase(text, slop):
            if not text.strip():
                return None
            return _any([PhraseQuery(text, column, slop=slop) for column in columns])
        case AnyOf(parts, without) | All(parts, without):
            occur = Occur.MUST if isinstance(node, All) else Occur.SHOULD
            wanted = [found for part in parts if (found := _query(part, columns)) is not None]
            hidden = [found for part in without if (found := _query(part, columns)) is not None]
            if not wanted:
                return None
            if len(wanted) == 1 and not hidden:
                return wanted[0]
            return BooleanQuery([*((occur, one) for one in wanted), *((Occur.MUST_NOT, one) for one in hidden)])
    raise InvalidValueError("A text query has a part that is not known.")


def _words(node: Words, columns: Sequence[str]) -> FullTextQuery:
    operator = FullTextOperator.AND if node.every else FullTextOperator.OR
    if len(columns) > 1 and node.fuzziness == 0:
        return MultiMatchQuery(node.text, list(columns), boosts=[node.boost] * len(columns), operator=operator)
    return _any(
        [
            MatchQuery(node.text, column, boost=node.boost, fuzziness=node.fuzziness, operator=operator)
            for column in columns
        ]
    )


def _any(queries: Sequence[FullTextQuery]) -> FullTextQuery:
    return queries[0] if len(queries) == 1 else BooleanQuery([(Occur.SHOULD, one) for one in queries])
