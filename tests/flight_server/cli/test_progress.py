"""The building of an index is seen at a terminal, in `grism query` on a folder."""

from __future__ import annotations

from pathlib import Path

import lance
import pyarrow as pa

from tests.harness.terminal import Terminal


def test_a_terminal_shows_what_a_build_is_at(tmp_path: Path) -> None:
    words = pa.array([f"{i} words of {i % 977} and {i * 7919 % 100003}" for i in range(200_000)])
    lance.write_dataset(pa.table({"s": words}), tmp_path / "t.lance")
    text = "CREATE INDEX i ON t USING FTS (s) WITH (num_workers = 1)"
    terminal = Terminal(["query", text, "--data", str(tmp_path)], {})
    try:
        assert "Traceback" not in terminal.read_until(r"building i: [a-z]+ [a-z]+(, [0-9,]+)?")
        assert terminal.end() == 0
    finally:
        terminal.close()
    assert [index.name for index in lance.dataset(tmp_path / "t.lance").describe_indices()] == ["i"]
