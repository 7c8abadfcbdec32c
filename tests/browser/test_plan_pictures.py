"""Plans as pictures, drawn by the programs whose languages they are in: Mermaid, and Graphviz as WebAssembly."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.statements.explaining import Format, PlanNode, plan_table
from engine.storage import DirectoryStorage
from flight_server.cli.runtimes import explain_stages
from local_runtime import LocalRuntime
from tests.harness.browser import Browser, browser
from tests.tpch.dataset import QUERIES, query_text

pytestmark = pytest.mark.clients

_PACKAGES = ("mermaid@12.3.0", "@viz-js/viz@3.31.0")
_PAGE = """<!doctype html><meta charset="utf-8">
<script src="node_modules/mermaid/dist/mermaid.min.js"></script>
<script src="node_modules/@viz-js/viz/dist/viz-global.js"></script>
<script>
mermaid.initialize({startOnLoad: false});
let viz = null;
const texts = (nodes, name, text) => Object.fromEntries([...nodes].map(node =>
  [Number(name(node)), [...node.querySelectorAll(text)].map(part => part.textContent).join("\\n")]));
const draw = {
  MERMAID: async source => {
    const drawn = await mermaid.render("drawn", source);
    const picture = new DOMParser().parseFromString(drawn.svg, "text/html");
    return {
      texts: texts(picture.querySelectorAll("g.node"), node => /-n(\\d+)-/.exec(node.id)[1], ".nodeLabel"),
      edges: picture.querySelectorAll("path.flowchart-link").length,
    };
  },
  GRAPHVIZ: async source => {
    viz ??= await Viz.instance();
    const picture = viz.renderSVGElement(source);
    return {
      texts: texts(
        picture.querySelectorAll("g.node"), node => node.querySelector("title").textContent.slice(1), "text"),
      edges: picture.querySelectorAll("g.edge").length,
    };
  },
};
</script>"""
_DRAWS = """const [format, source, done] = arguments;
draw[format](source).then(done, error => done({failed: String(error)}))"""
_TEXTS = [
    'a "quoted" text',
    "<b>bold</b> <script>alert(1)</script> <br/> <!-- x -->",
    "`back` ticks `x`",
    "end",
    "%% comment",
    "%%{init: {'theme': 'dark'}}%%",
    "a; b; c",
    "#quot; #35; &amp; &lt; &#35; &#x3C; &colon;",
    "ünïcödé 漢字 😀",
    'a\\nb \\l \\N \\G \\" \\',
    "**bold** _it_ 1. list - list [x](http://a)",
    "$$x^2$$ and $x$",
    "fa:fa-user fab:fa-x",
    "style x:#1; y",
    "classDef q:z; #1;",
    "subgraph graph TD; A-->B",
    "---",
    ":::cls @{ shape: x } {x} (x) ] )] |",
    "it's",
    "x" * 2000 + " y" * 500,
]


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A page in which both programs are; skipped where there is no npm, or no registry to install them from."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm here")
    folder = tmp_path_factory.mktemp("pictures")
    install = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", *_PACKAGES]
    if subprocess.run(install, capture_output=True, timeout=300).returncode != 0:
        pytest.skip(f"npm does not install {' and '.join(_PACKAGES)}")
    (folder / "page.html").write_text(_PAGE, encoding="utf-8")
    with browser() as opened:
        opened.open((folder / "page.html").as_uri())
        yield opened


@pytest.fixture(scope="module")
def local(tpch_dir: Path) -> Iterator[LocalRuntime]:
    with LocalRuntime(DirectoryStorage(tpch_dir), threads=1) as runtime:
        yield runtime


def drawn(window: Browser, format: Format, lines: list[str]) -> dict[str, Any]:
    """The texts of the nodes of a plan as they are to be read, by their numbers, and how many arrows there are."""
    (source,) = plan_table(lines, format)["plan"].to_pylist()
    found: dict[str, Any] = window.run_to_end(_DRAWS, format.value, source)
    return found


def wanted(lines: list[str]) -> dict[str, str]:
    """The texts of the nodes, by their numbers."""
    found: list[str] = []

    def visit(node: PlanNode) -> None:
        found.append(node.text)
        for child in node.inputs:
            visit(child)

    for root in PlanNode.of(lines):
        visit(root)
    return {str(number): text for number, text in enumerate(found)}


def checked(window: Browser, format: Format, lines: list[str]) -> None:
    """Draw a plan, and see that each line of it stands there, and each arrow."""
    picture = drawn(window, format, lines)
    assert "failed" not in picture, picture["failed"]
    texts = {number: text.replace("\N{NO-BREAK SPACE}", " ") for number, text in picture["texts"].items()}
    assert texts == wanted(lines)
    assert picture["edges"] >= len(texts) - len(PlanNode.of(lines))


@pytest.mark.parametrize("format", [Format.MERMAID, Format.GRAPHVIZ])
@pytest.mark.parametrize("text", _TEXTS)
def test_a_text_is_shown_as_it_is(window: Browser, format: Format, text: str) -> None:
    checked(window, format, [f"ProjectExec {text}", f"  FilterExec {text} here", f"    {text}"])


@pytest.mark.parametrize("format", [Format.MERMAID, Format.GRAPHVIZ])
def test_plans_of_tpch_are_drawn(window: Browser, format: Format, local: LocalRuntime, tpch_dir: Path) -> None:
    for number in QUERIES[::4]:
        text = query_text(number).strip().removesuffix(";")
        checked(window, format, local.sql(f"EXPLAIN {text}").read_all()["plan"].to_pylist())
        checked(window, format, explain_stages(tpch_dir, text).splitlines())
