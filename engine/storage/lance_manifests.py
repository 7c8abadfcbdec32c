"""The versions of a Lance dataset by the names of its manifests, without opening one."""

from __future__ import annotations

import os
import re

__all__ = ["count_versions", "manifest_identity", "manifest_names", "manifests", "newest_manifest"]

_TURNED = len("18446744073709551612.manifest")
_MANIFEST = re.compile(r"([0-9]{1,20})\.manifest")


def newest_manifest(path: str) -> tuple[int, str] | None:
    """The newest version and its identity by the names of the manifests, without opening one; None where none is there.

    Version 3 is in the file ``3.manifest`` or, so that the newest comes first, ``18446744073709551612.manifest``.
    """
    folder = f"{path}/_versions"
    try:
        names = os.listdir(folder)  # noqa: PTH208 (a thousand names in a tenth of the time)
        least = min(names, default="")
        names = [least] if len(least) == _TURNED else names
        found = [match for name in names if (match := _MANIFEST.fullmatch(name))]
        versions = {_version_of(int(match[1])): match[0] for match in found}
        if not versions:
            return None
        newest = max(versions)
        return newest, _identity(f"{folder}/{versions[newest]}")
    except OSError:
        return None


def manifests(path: str) -> frozenset[str]:
    """The names of the manifests that there are."""
    return frozenset(os.listdir(f"{path}/_versions"))  # noqa: PTH208 (as in `newest_manifest`)


def count_versions(path: str, first: int) -> int:
    """How many versions there are from the first on."""
    names = os.listdir(f"{path}/_versions")  # noqa: PTH208 (as in `newest_manifest`)
    found = (match for name in names if (match := _MANIFEST.fullmatch(name)))
    return sum(_version_of(int(match[1])) >= first for match in found)


def _version_of(number: int) -> int:
    return 2**64 - 1 - number if number >= 2**63 else number


def manifest_names(version: int) -> tuple[str, str]:
    """What the file of a version is called, and what older releases of Lance call it."""
    return f"{2**64 - 1 - version}.manifest", f"{version}.manifest"


def manifest_identity(path: str, version: int) -> str:
    """Tells this version from one of the same number in another dataset at the same path; empty where it is gone."""
    for manifest in manifest_names(version):
        try:
            return _identity(f"{path}/_versions/{manifest}")
        except OSError:
            continue
    return ""


def _identity(manifest: str) -> str:
    """Its time of change. Raises OSError where it is gone."""
    return str(os.stat(manifest).st_mtime_ns)  # noqa: PTH116 (in a third of the time, and each query asks)
