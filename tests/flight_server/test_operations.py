"""docs/operations.md names every option of `grism serve`, in its section and with its default, and no other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flight_server.cli.main import main
from flight_server.config import ServerConfig, options

TEXT = (Path(__file__).parents[2] / "docs" / "operations.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `(--[a-z-]+)(?: [^`]+)?` \| (?:`([^`]+)`|–|off) \| .+ \|$", TEXT, re.MULTILINE)
SECTIONS = re.split(r"^\| `\[(\w+)\]` \| default \| \|$", TEXT, flags=re.MULTILINE)


def test_the_table_has_each_option_with_its_default() -> None:
    config = ServerConfig()
    defaults = {option.flag: getattr(getattr(config, option.group), option.name) for option in options()}
    parse = {option.flag: option.parse for option in options()}
    assert {flag: parse[flag](text) if text else None for flag, text in ROWS} == {
        flag: default or None for flag, default in defaults.items()
    }


def test_each_option_stands_in_its_section() -> None:
    sections = dict(zip(SECTIONS[1::2], SECTIONS[2::2], strict=True))
    for option in options():
        assert f"| `{option.flag}" in sections[option.group]


def test_the_table_agrees_with_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--help"])
    shown = set(re.findall(r"^ +(--[a-z-]+)", capsys.readouterr().out, re.MULTILINE))
    assert shown - {"--config"} == {flag for flag, _ in ROWS}
