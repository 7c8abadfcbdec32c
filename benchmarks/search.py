"""``python -m benchmarks.search``: searches of a million rows through a server and ADBC, beside pylance.

The vectors lie in clusters, as embeddings do: in uniform noise of 128 dimensions nothing is near anything. The texts
are comments of TPC-H's orders. Both sides search the same dataset by the same index, in turns or in bursts, with
queries that are bound; what a bare ``SELECT 1`` takes, and a bound ``SELECT ?``, is measured beside them. The dataset
is made once and kept. A text with its words in the statement is asked as `SELECT 1` is, which is as many calls.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import adbc_driver_flightsql.dbapi as flightsql
import lance
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from lance.query import MatchQuery

from benchmarks.measure import ask_unprepared, machine, tpch
from tests.harness.server import serve

__all__ = ["main"]

_DIMENSIONS = 128
_CLUSTERS = 2_000
_KINDS = 10
_K = 10
_PROBES = 20
_REFINED = 30
_SEED = 20_26
_WARMING = 10  # queries of each side that do not count


@dataclass(frozen=True)
class _Side:
    """What one side took, in seconds for each query, and what it found: ids, or scores."""

    seconds: list[float]
    found: list[list[float]]

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        return float(np.quantile(self.seconds, share)) * 1000


def main() -> int:
    """Print the results as Markdown."""
    parser = argparse.ArgumentParser(description="Searches through a server and ADBC, beside pylance.")
    parser.add_argument("--rows", type=int, default=1_000_000, help="vectors and comments (default 1000000)")
    parser.add_argument("--queries", type=int, default=200, help="queries of each kind (default 200)")
    parser.add_argument("--burst", type=int, default=1, help="queries of one side, then of the next (default 1)")
    parser.add_argument("--make", action="store_true", help="make the dataset and stop")
    options = parser.parse_args()
    folder = Path(tempfile.gettempdir()) / f"grism-search-{options.rows}"
    _make(folder, options.rows)
    if options.make:
        return 0
    print(f"{machine()}\n\n{options.rows:,} rows, {options.queries} queries of each kind, k = {_K}\n")
    print(
        "| search | grism p50 | p99 | recall | pylance p50 | p99 | recall | SELECT 1 p50 | SELECT ? p50 "
        "| p50 less SELECT 1 / pylance |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    with (
        tempfile.TemporaryDirectory() as logs,
        serve(folder, Path(logs) / "server.log") as (uri, _),
        flightsql.connect(uri, autocommit=True) as client,
    ):
        _vectors(client, folder, options.rows, options.queries, options.burst)
        _texts(client, folder, options.queries, options.burst)
    return 0


# ---- the data


def _vectors_of(rows: int, seed: int) -> np.ndarray[Any, Any]:
    """Points around the same centres, whatever the seed."""
    centres = np.random.default_rng(_SEED).normal(size=(_CLUSTERS, _DIMENSIONS))
    random = np.random.default_rng(seed)
    chosen = random.integers(0, _CLUSTERS, rows)
    return (centres[chosen] + random.normal(scale=0.35, size=(rows, _DIMENSIONS))).astype(np.float32)


def _make(folder: Path, rows: int) -> None:
    """The tables `vectors` and `comments` with their indexes."""
    if (folder / "ready").exists():
        return
    folder.mkdir(exist_ok=True)
    ids = pa.array(range(rows), pa.int64())
    points = pa.FixedSizeListArray.from_arrays(pa.array(_vectors_of(rows, _SEED + 1).ravel()), _DIMENSIONS)
    kinds = pa.array(np.random.default_rng(_SEED + 2).integers(0, _KINDS, rows), pa.int32())
    table = pa.table({"id": ids, "kind": kinds, "v": points})
    vectors = lance.write_dataset(table, str(folder / "vectors.lance"), mode="overwrite")
    vectors.create_index("v", "IVF_PQ", metric="l2", num_partitions=256, num_sub_vectors=16)
    comments = pq.read_table(tpch(1, None) / "orders.parquet", columns=["o_comment"])["o_comment"]
    if rows > len(comments):
        raise SystemExit(f"There are {len(comments)} comments; ask for as many rows at most.")
    texts = pa.table({"id": ids, "kind": kinds, "body": comments.slice(0, rows)})
    lance.write_dataset(texts, str(folder / "comments.lance"), mode="overwrite").create_scalar_index("body", "INVERTED")
    (folder / "ready").touch()


# ---- the searches


def _vectors(client: flightsql.Connection, folder: Path, rows: int, count: int, burst: int) -> None:
    points, queries = _vectors_of(rows, _SEED + 1), _vectors_of(count, _SEED + 3)
    dataset = lance.dataset(str(folder / "vectors.lance"))
    kinds = dataset.to_table(columns=["kind"])["kind"].to_numpy()
    kind = pa.list_(pa.float32(), _DIMENSIONS)
    asked = [pa.record_batch({"1": pa.array([query], kind)}) for query in queries]
    for name, above, condition in (("vector", "", None), ("vector WHERE kind = 3", " WHERE kind = 3", "kind = 3")):
        text = (
            f"SELECT id, _distance FROM vector_search(vectors, v, ?, k := {_K}, nprobes := {_PROBES}, "
            f"refine_factor := {_REFINED}){above}"
        )

        def directly(number: int, condition: str | None = condition) -> pa.Table:
            nearest = {
                "column": "v",
                "q": queries[number],
                "k": _K,
                "metric": "l2",
                "nprobes": _PROBES,
                "refine_factor": _REFINED,
            }
            return dataset.to_table(columns=["id", "_distance"], nearest=nearest, filter=condition, prefilter=True)

        truth = _nearest(points, queries, None if condition is None else kinds == 3)
        _report(name, _through(client, text, asked), directly, client, count, burst, truth)


def _nearest(points: np.ndarray[Any, Any], queries: np.ndarray[Any, Any], among: Any) -> list[set[int]]:
    """The ids of the nearest of each query."""
    ids = np.arange(len(points)) if among is None else np.flatnonzero(among)
    kept = points if among is None else points[ids]
    squares = (kept * kept).sum(1)
    found = []
    for query in queries:
        distances = squares - 2 * (kept @ query)
        found.append({int(ids[i]) for i in np.argpartition(distances, _K)[:_K]})
    return found


def _texts(client: flightsql.Connection, folder: Path, count: int, burst: int) -> None:
    dataset = lance.dataset(str(folder / "comments.lance"))
    words = sorted(
        {word for body in dataset.take(range(2_000))["body"].to_pylist() for word in body.split() if len(word) > 5}
    )
    chosen = np.random.default_rng(_SEED).choice([word for word in words if word.isalpha()], (count, 2))
    texts = [" ".join(pair) for pair in chosen]
    asked = [pa.record_batch({"1": [text]}) for text in texts]
    for name, above, condition in (("text", "", None), ("text WHERE kind = 3", " WHERE kind = 3", "kind = 3")):
        text = f"SELECT id, _score FROM text_search(comments, ?, body, k := {_K}){above}"

        def directly(number: int, condition: str | None = condition) -> pa.Table:
            query = MatchQuery(texts[number], "body")
            scanner = dataset.scanner(
                columns=["id", "_score"], full_text_query=query, limit=_K, filter=condition, prefilter=True
            )
            return scanner.to_table()

        _report(name, _through(client, text, asked), directly, client, count, burst, None)
        written = [text.replace("?", f"'{words}'") for words in texts]
        _report(f"{name}, in the statement", _written(client, written), directly, client, count, burst, None)


def _through(client: flightsql.Connection, text: str, asked: Sequence[pa.RecordBatch]) -> Callable[[int], pa.Table]:
    """The query by a cursor of its own, which prepares it once."""
    cursor = client.cursor()

    def run(number: int) -> pa.Table:
        cursor.execute(text, asked[number])
        return cursor.fetch_arrow_table()

    return run


def _written(client: flightsql.Connection, texts: Sequence[str]) -> Callable[[int], pa.Table]:
    """Queries with what they look for in their texts."""
    cursor = client.cursor()

    def run(number: int) -> pa.Table:
        return ask_unprepared(cursor, texts[number])

    return run


def _report(
    name: str,
    ours: Callable[[int], pa.Table],
    theirs: Callable[[int], pa.Table],
    client: flightsql.Connection,
    count: int,
    burst: int,
    truth: list[set[int]] | None,
) -> None:
    numbers = [pa.record_batch({"1": [number]}) for number in range(count)]
    asked = {
        "own": ours,
        "other": theirs,
        "one": _written(client, ["SELECT 1"] * count),
        "bound": _through(client, "SELECT ?", numbers),
    }
    sides = {side: _Side([], []) for side in asked}
    order = random.Random(_SEED)
    for first in range(-_WARMING, count, burst):
        for side in order.sample(sorted(asked), len(asked)):
            for number in range(first, min(first + burst, count)):
                started = time.perf_counter()
                found = asked[side](max(number, 0))
                taken = time.perf_counter() - started
                if number >= 0:
                    sides[side].seconds.append(taken)
                    # Of texts with equal scores one side may find others than the other.
                    values = found.column(0 if truth else -1).to_pylist()
                    sides[side].found.append([round(value, 4) for value in values])
    own, other, least, bound = results = list(sides.values())
    ratio = (own.quantile(0.5) - least.quantile(0.5)) / other.quantile(0.5)
    cells = [name]
    for result in results[:2]:
        cells += [f"{result.quantile(0.5):.1f} ms", f"{result.quantile(0.99):.1f} ms", _recall(result, truth, other)]
    cells += [f"{least.quantile(0.5):.1f} ms", f"{bound.quantile(0.5):.1f} ms", f"{ratio:.2f}"]
    print(f"| {' | '.join(cells)} |", flush=True)


def _recall(side: _Side, truth: list[set[int]] | None, other: _Side) -> str:
    """How many of the true nearest were found; of texts, how many of the scores that pylance finds."""
    wanted: Sequence[set[Any]] = truth or [set(scores) for scores in other.found]
    shares = [len(known & set(ids)) / len(known) for known, ids in zip(wanted, side.found, strict=True) if known]
    return f"{np.mean(shares):.3f}"


if __name__ == "__main__":
    sys.exit(main())
