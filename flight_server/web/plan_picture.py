"""A plan as boxes and lines: where each operator is drawn, and each stage around its operators.

The result is at the top, as in EXPLAIN, and rows go upward along the lines. Without stages there is one frame.
Lengths are in pixels.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.run_progress import StageProgress
from engine.statements.explaining import READS_STAGE, PlanNode
from flight_server.web.formats import count, cut, size

__all__ = ["Box", "Frame", "Line", "Picture", "picture"]

_WIDTH, _HEIGHT = 216, 46  # of a box
_GAP, _RISE = 20, 30  # between boxes, and between their rows
_MARGIN = 16  # inside a frame
_HEAD = 58  # what a stage tells above its operators
_BETWEEN = 44  # between stages
_MAX_BOXES = 300
_TITLE, _DETAIL = 24, 29  # characters that fit into a box
_HEAD_CHARACTER = 8  # pixels
_STAGE = re.compile(r"Stage (\d++): (?:(.*?) )?-> (.*+)")


@dataclass(frozen=True)
class Box:
    """An operator: its name, what fits of the rest, and its whole line."""

    x: float
    y: float
    title: str
    detail: str
    whole: str
    width: int = _WIDTH
    height: int = _HEIGHT

    @property
    def middle(self) -> float:
        """Where lines meet it."""
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        """Where lines to its inputs begin."""
        return self.y + self.height


@dataclass(frozen=True)
class Line:
    """From an input up to who reads it."""

    path: str


@dataclass(frozen=True)
class Frame:
    """A stage: what it is, how far it is (0 to 1, None where that is not known), and what it did."""

    x: float
    y: float
    width: float
    height: float
    title: str = ""
    facts: str = ""
    progress: float | None = None


@dataclass(frozen=True)
class Picture:
    """All of it; `left_out` operators are not drawn.

    `exchanges` lead from stage to stage, behind what stands between, and `entries` from there to who reads them.
    """

    width: float
    height: float
    frames: tuple[Frame, ...]
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]
    exchanges: tuple[Line, ...]
    entries: tuple[Line, ...]
    left_out: int


def picture(lines: Sequence[str], stages: Sequence[StageProgress]) -> Picture | None:
    """What these lines of EXPLAIN show, with the progress of the stages in it; None where there are none."""
    roots = PlanNode.of(lines[:_MAX_BOXES])
    if not roots:
        return None
    progress = {stage.stage: stage for stage in stages}
    parts = [_Part.of(root, progress) for root in roots]
    _arrange(parts)
    known = {part.stage: part for part in parts if part.stage is not None}
    read = [(known[stage], part, box) for part in parts for stage, box in part.reads if stage in known]
    return Picture(
        max(part.x + part.width for part in parts) + 1,
        max(part.y + part.height for part in parts) + 1,
        tuple(part.frame for part in parts),
        tuple(box for part in parts for box in part.boxes),
        tuple(line for part in parts for line in part.lines),
        tuple(Line(_path((writer.middle, writer.y), (box.middle, part.bottom))) for writer, part, box in read),
        tuple(Line(f"M{box.middle:.1f} {part.bottom:.1f}V{box.bottom:.1f}") for _, part, box in read),
        max(0, len(lines) - _MAX_BOXES),
    )


class _Part:
    """The operators of one stage, or of a whole plan without stages, in a frame whose corner may be moved."""

    def __init__(self, stage: int | None, title: str, facts: str, progress: float | None, tree: _Tree) -> None:
        self.stage, self._title, self._facts, self._progress, self._tree = stage, title, facts, progress, tree
        self._head = _HEAD if stage is not None else 0
        told = max(len(title), len(facts)) * _HEAD_CHARACTER if stage is not None else 0
        self.width = 2 * _MARGIN + max(tree.width, told)
        self.height = 2 * _MARGIN + self._head + tree.height
        self.x = self.y = 0.0

    @classmethod
    def of(cls, root: PlanNode, progress: dict[int, StageProgress]) -> _Part:
        found = _STAGE.match(root.text)
        if found is None:
            return cls(None, "", "", None, _Tree([root]))
        number, planned, target = int(found[1]), found[2] or "", found[3]
        done = progress.get(number)
        title = cut(f"Stage {number} → {target}", 60)
        share = None if done is None else done.done / done.tasks if done.tasks else 0.0
        return cls(number, title, planned if done is None else _facts(done, planned), share, _Tree(root.inputs))

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height

    @property
    def frame(self) -> Frame:
        return Frame(self.x, self.y, self.width, self.height, self._title, self._facts, self._progress)

    @property
    def _shift(self) -> tuple[float, float]:
        return self.x + (self.width - self._tree.width) / 2, self.y + _MARGIN + self._head

    @property
    def boxes(self) -> list[Box]:
        right, down = self._shift
        return [replace(box, x=box.x + right, y=box.y + down) for box in self._tree.boxes]

    @property
    def lines(self) -> list[Line]:
        boxes = self.boxes
        return [
            Line(_path((boxes[child].middle, boxes[child].y), (boxes[parent].middle, boxes[parent].bottom)))
            for child, parent in self._tree.links
        ]

    @property
    def reads(self) -> list[tuple[int, Box]]:
        """The stages that it reads, and the boxes that do."""
        return [(int(found[1]), box) for box in self.boxes if (found := READS_STAGE.match(box.whole)) is not None]


class _Tree:
    """Boxes in rows by depth: leaves one beside the other, whatever has inputs in the middle above them."""

    def __init__(self, roots: Sequence[PlanNode]) -> None:
        self.boxes: list[Box] = []
        self.links: list[tuple[int, int]] = []  # boxes by number: an input and who reads it
        self._next = 0.0
        self._deepest = 0
        for root in roots:
            self._place(root, 0)
        self.width = max(0.0, self._next - _GAP)
        self.height = (self._deepest + 1) * (_HEIGHT + _RISE) - _RISE

    def _place(self, node: PlanNode, depth: int) -> int:
        inputs = [self._place(child, depth + 1) for child in node.inputs]
        self._deepest = max(self._deepest, depth)
        if inputs:
            x = (self.boxes[inputs[0]].x + self.boxes[inputs[-1]].x) / 2
        else:
            x = self._next
            self._next += _WIDTH + _GAP
        name, _, rest = node.text.partition(" ")
        box = Box(x, depth * (_HEIGHT + _RISE), cut(name.removesuffix("Exec"), _TITLE), cut(rest, _DETAIL), node.text)
        self.boxes.append(box)
        self.links += [(child, len(self.boxes) - 1) for child in inputs]
        return len(self.boxes) - 1


def _arrange(parts: Sequence[_Part]) -> None:
    """Give each part its place: who reads others stands above them, all of a row beside each other."""
    rows: dict[int, list[_Part]] = {}
    levels: dict[int, int] = {}  # of stages, by who reads them
    for part in reversed(parts):  # who reads a stage stands behind it
        level = levels.get(part.stage, 0) if part.stage is not None else 0
        rows.setdefault(level, []).append(part)
        for stage, _ in part.reads:
            levels[stage] = max(levels.get(stage, 0), level + 1)
    widest = max(_row_width(row) for row in rows.values())
    y = 0.0
    for _, row in sorted(rows.items()):
        x = (widest - _row_width(row)) / 2
        for part in row:
            part.x, part.y = x, y
            x += part.width + _BETWEEN
        y += max(part.height for part in row) + _BETWEEN


def _row_width(row: Sequence[_Part]) -> float:
    return sum(part.width for part in row) + (len(row) - 1) * _BETWEEN


def _facts(stage: StageProgress, planned: str) -> str:
    """What a stage did so far."""
    told = [f"{stage.done} of {stage.tasks} tasks" if stage.tasks is not None else planned]
    if stage.running:
        told.append(f"{stage.running} running")
    repeated = stage.attempts - stage.running - stage.done
    if repeated > 0:
        told.append(f"{repeated} repeated")
    if stage.rows:
        told += [f"{count(stage.rows)} rows", size(stage.bytes)]
    if stage.spilled:
        told.append(f"{size(stage.spilled)} spilled")
    return " · ".join(told)


def _path(start: tuple[float, float], end: tuple[float, float]) -> str:
    """A curve that leaves upward and arrives upward."""
    (x1, y1), (x2, y2) = start, end
    half = (y1 + y2) / 2
    return f"M{x1:.1f} {y1:.1f}C{x1:.1f} {half:.1f} {x2:.1f} {half:.1f} {x2:.1f} {y2:.1f}"
