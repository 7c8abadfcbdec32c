"""``python -m tests.harness.regenerate [--check] FILE...``: expected results from the oracle.

Rewrites the results and column letters of every query in the given sqllogictest files; review the diff. It refuses,
and names, records whose answer the query leaves open: each query also runs with every table's rows in reverse, and has
to give the same. Statements that expect an error must fail in the oracle too, unless grism forbids more than it.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pyarrow as pa

from tests.harness.oracle import Oracle, OracleError
from tests.harness.slt import SEPARATOR, Record, SltFile, check, expected_lines, letters, parse

__all__ = ["main", "regenerate", "tables_of"]

STRICTER = ("ForbiddenError", "UnsupportedError")


def tables_of(parsed: SltFile, oracle: Oracle) -> dict[str, pa.Table]:
    """The file's tables by name, which the oracle then holds."""
    tables: dict[str, pa.Table] = {}
    for block in parsed.tables:
        tables[block.name] = oracle.run(block.sql)
        oracle.put(block.name, tables[block.name])
    return tables


def regenerate(path: Path) -> tuple[list[str], list[str]]:
    """The file's lines with fresh results, and complaints about its records."""
    parsed = parse(path)
    complaints: list[str] = []
    with Oracle.over({}) as oracle:
        tables = tables_of(parsed, oracle)
        reversed_rows = {name: table.take(_backwards(len(table))) for name, table in tables.items()}
        lines = list(parsed.lines)
        with Oracle.over(reversed_rows) as shuffled:
            for record in reversed(parsed.records):
                complaint = _renew(record, lines, oracle, shuffled)
                if complaint:
                    complaints.append(f"{path}:{record.line}: {complaint}")
    return lines, complaints[::-1]


def _backwards(length: int) -> pa.Array:
    return pa.array(range(length - 1, -1, -1), pa.int64())


def _renew(record: Record, lines: list[str], oracle: Oracle, shuffled: Oracle) -> str | None:
    try:
        table = oracle.run(record.sql)
    except OracleError as error:
        return None if record.error else f"the oracle refuses it: {error}"
    if record.error:
        return None if record.error in STRICTER else "the oracle gives rows where an error is expected"
    if record.expected is None and record.types is None and record.results == (0, 0):
        return None
    results = expected_lines(table, record.sort)
    if any(line == "" for line in results):
        return "a result without columns or an empty line"
    start, end = record.results
    lines[start:end] = [SEPARATOR, *results]
    head = lines[record.line - 1].split()
    tail = head[1:] if record.types is None else head[2:]
    lines[record.line - 1] = " ".join(["query", letters(table.schema), *tail])
    fresh = Record(record.line, record.sql, sort=record.sort, expected=tuple(results))
    try:
        open_answer = check(fresh, shuffled.run(record.sql))
    except OracleError as error:
        open_answer = str(error)
    return f"the answer depends on the order of the input's rows: {open_answer}" if open_answer else None


def main() -> int:
    """The command line; the exit status is 1 where a record is complained of or, with --check, a file is stale."""
    parser = argparse.ArgumentParser(description="Rewrite expected results from the oracle.")
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="write nothing, only say what is stale")
    options = parser.parse_args()
    failed = False
    for path in options.files:
        lines, complaints = regenerate(path)
        text = "\n".join(lines)
        stale = text != path.read_text(encoding="utf-8")
        if stale and not options.check:
            path.write_text(text, encoding="utf-8")
        elif stale:
            complaints.append(f"{path}: the expected results are not the oracle's")
        failed = failed or bool(complaints)
        print(*complaints, f"{path}: {len(parse(path).records)} records", sep="\n")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
