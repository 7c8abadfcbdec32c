"""Environments of Python for tools that people bring, each made once for its pins in `clients/python/requirements`."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from tests.real_clients.programs import CACHE, SOURCES

__all__ = ["install"]


def install(name: str) -> Path:
    """The folder of the programs of an environment, which is made once for its pins."""
    pins = SOURCES / "python" / "requirements" / f"{name}.txt"
    mark = hashlib.sha256(pins.read_bytes() + sys.version.encode()).hexdigest()[:16]
    folder = CACHE / f"python-{name}-{mark}"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "-r", str(pins)], check=True)
        (folder / "complete").touch()
    return folder / "bin"
