"""Plans as pictures: every operator has its place, in its stage, and lines lead from inputs to who reads them."""

from __future__ import annotations

from itertools import combinations

import pyarrow as pa
import pytest

from engine.run_progress import RunProgress, StageProgress
from engine.runtime import QueryOptions
from flight_server.web.plan_picture import Picture, picture
from tests.harness.runtimes import SqlRuntime, Tables

Area = tuple[float, float, float, float]

JOINS = """
    SELECT a.k, count(*) AS n FROM drawn a JOIN drawn b USING (k) LEFT JOIN (SELECT DISTINCT k FROM drawn) c USING (k)
    WHERE a.k IN (SELECT k FROM drawn WHERE k > 1) GROUP BY a.k ORDER BY n, a.k LIMIT 5
"""


def areas(drawn: Picture) -> tuple[list[Area], list[Area]]:
    """The frames and the boxes, each from left to right and from top to bottom."""
    frames = [(frame.x, frame.x + frame.width, frame.y, frame.y + frame.height) for frame in drawn.frames]
    return frames, [(box.x, box.x + box.width, box.y, box.bottom) for box in drawn.boxes]


def overlap(one: Area, other: Area) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def within(one: Area, other: Area) -> bool:
    return other[0] <= one[0] and one[1] <= other[1] and other[2] <= one[2] and one[3] <= other[3]


def check(drawn: Picture) -> None:
    """Nothing is drawn over something else, and all of it inside."""
    frames, boxes = areas(drawn)
    for each in (frames, boxes):
        assert not [pair for pair in combinations(each, 2) if overlap(*pair)]
    assert all(sum(within(box, frame) for frame in frames) == 1 for box in boxes)
    whole = (0, drawn.width, 0, drawn.height)
    assert all(within(area, whole) for area in frames)


def test_a_plan_of_each_runtime_is_drawn(runtime: SqlRuntime, make_runtime: object) -> None:
    tables: Tables = make_runtime(runtime.name, "memory")[1]  # type: ignore[operator]
    tables.put("drawn", pa.table({"k": pa.array([index % 7 for index in range(5_000)], pa.int64())}))
    try:
        plan = runtime.plan(runtime.frontend.plan(JOINS))
        followed: list[RunProgress] = []
        with runtime.execute(plan, QueryOptions(follow=followed.append)) as result:
            result.read_all()
            stages = [stage for each in followed for stage in each.stages()]
        lines = runtime.explain(plan).splitlines()
    finally:
        tables.remove("drawn")
    drawn = picture(lines, stages)
    assert drawn is not None
    check(drawn)
    roots = [line for line in lines if line.startswith("Stage ")]
    assert len(drawn.boxes) == len(lines) - len(roots)
    assert [box for box in drawn.boxes if box.title == "TableScan"]
    reads = [line for line in lines if "ExchangeSourceExec stage" in line]
    assert len(drawn.exchanges) == len(drawn.entries) == len(reads)
    if runtime.name == "local":
        assert not stages
        assert len(drawn.frames) == 1
        assert len(drawn.lines) == len(drawn.boxes) - 1
        return
    assert len(drawn.frames) == len(roots) == len(stages)
    assert len(reads) >= len(roots) - 1
    assert all(frame.title.startswith("Stage ") and frame.progress == 1.0 for frame in drawn.frames)
    assert all("tasks" in frame.facts for frame in drawn.frames)


def test_stages_tell_how_far_they_are() -> None:
    lines = ["Stage 0: 4 tasks -> shuffle Hash", "  TableScanExec main.t [k]", "Stage 1: up to 3 tasks -> result"]
    lines += ["  SortExec k", "    ExchangeSourceExec stage 0 shuffle"]
    running = StageProgress(
        0, 4, running=2, done=1, attempts=4, rows=1_000, bytes=2_000_000, spilled=3_000, peak_memory=1
    )
    drawn = picture(lines, [running])
    assert drawn is not None
    check(drawn)
    scan, result = drawn.frames
    assert (scan.title, scan.progress) == ("Stage 0 → shuffle Hash", 0.25)
    assert scan.facts == "1 of 4 tasks · 2 running · 1 repeated · 1,000 rows · 2.0 MB · 3.0 kB spilled"
    assert (result.title, result.facts, result.progress) == ("Stage 1 → result", "up to 3 tasks", None)
    assert result.y < scan.y


@pytest.mark.parametrize("operators", [0, 1, 300, 5_000])
def test_of_a_large_plan_the_beginning_is_drawn(operators: int) -> None:
    drawn = picture([f"{'  ' * (index % 50)}Operator{index}Exec {'x' * 500}" for index in range(operators)], [])
    if not operators:
        assert drawn is None
        return
    assert drawn is not None
    assert len(drawn.boxes) == min(operators, 300)
    assert drawn.left_out == max(0, operators - 300)
    assert all(len(box.title) <= 30 and len(box.detail) <= 35 for box in drawn.boxes)
