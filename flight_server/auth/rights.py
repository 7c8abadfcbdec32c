"""The rights file: rights by role, in TOML; see `engine.rights`.

::

    [roles.analyst]
    read = ["sales.*", "main.nation"]
    write = ["scratch.*"]
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from engine.rights import BUILT_IN, Action, Grant, Rights, grant

__all__ = ["RightsFileError", "load_rights"]


class RightsFileError(Exception):
    """The rights file cannot be used. The message is one line for the administrator."""


def load_rights(path: Path) -> Rights:
    """The rights in a TOML file, beside the roles that are always there."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RightsFileError(f"The rights file {str(path)!r} cannot be read: {error.strerror}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RightsFileError(f"The rights file {str(path)!r} is not TOML: {error}.") from None
    roles = dict(BUILT_IN)
    unknown = set(document) - {"roles"}
    entries = document.get("roles", {})
    if unknown or not isinstance(entries, dict):
        raise RightsFileError(f"{path}: there are only sections [roles.NAME].")
    for role, grants in entries.items():
        if not isinstance(grants, dict):
            raise RightsFileError(f"{path}: [roles.{role}] is a section; write its rights below it.")
        roles[role] = tuple(_grants(f"{path}: roles.{role}", grants))
    return Rights(roles)


def _grants(where: str, entries: Mapping[str, object]) -> Iterable[Grant]:
    for key, patterns in entries.items():
        if key.upper() not in Action.__members__ or key != key.lower():
            raise RightsFileError(f"{where}: there is no right {key!r}; allowed: read, write, admin.")
        if not isinstance(patterns, list) or not all(isinstance(p, str) and "." in p for p in patterns):
            raise RightsFileError(f'{where}.{key}: takes a list of patterns such as "sales.*".')
        for pattern in patterns:
            yield grant(pattern, Action[key.upper()])
