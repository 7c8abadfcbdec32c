"""The names that `import engine` promises."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import engine


def _declared() -> dict[str, str]:
    """Each name that type checkers see in the package, and the module that it is taken from."""
    tree = ast.parse(Path(engine.__file__).read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    return {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}


def test_all_names_what_is_declared() -> None:
    assert engine.__all__ == sorted(_declared())


@pytest.mark.parametrize("name", engine.__all__)
def test_a_name_is_that_of_its_module(name: str) -> None:
    module = import_module(_declared()[name])
    assert getattr(engine, name) is getattr(module, name)
    assert name in module.__all__


def test_dir_lists_the_names() -> None:
    assert set(engine.__all__) <= set(dir(engine))


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nearest'"):
        engine.nearest  # noqa: B018


def test_the_errors_load_neither_kernel_nor_storage() -> None:
    code = (
        "import sys, engine; engine.CancelledError; print(*sorted({'duckdb', 'lance', 'sqlglot'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    "package", ["engine", "engine.operators", "engine.optimizer", "engine.storage", "local_runtime"]
)
def test_a_package_exports_all_that_it_names(package: str) -> None:
    module = import_module(package)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)
