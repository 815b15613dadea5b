"""Tell what else a path is called that the host forbids by another name.

A hard link gives a file a second name, and a bind mount a directory. Both are known by
their device and number, which are those of what a forbidden path leads to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...core.grants.grants import Grants
from ...core.grants.pattern import Pattern

__all__ = ("other_names",)


def other_names(
    grants: Grants, section: str, action: str, path: str, found: os.stat_result | None
) -> Iterator[str]:
    """Yield the names by which the host may forbid what is at a path.

    A pattern is known by what it names before its first wildcard: a file, or the
    directory that all it matches is below.

    Args:
        grants: Their forbidden patterns are looked at.
        section: Of the capability.
        action: Of the capability.
        path: Canonical.
        found: What is there; None where there is nothing yet.
    """
    if grants.forbidden is None:
        return
    named: dict[tuple[int, int], list[str]] = {}
    for pattern in grants.forbidden.patterns(section, action):
        assert isinstance(pattern, Pattern)
        for name, _ in pattern.fronts:
            if name and (known := _identity(name)) is not None:
                named.setdefault(known, []).append(name)
    if not named:
        return
    at, rest = path, ""
    here = None if found is None else (found.st_dev, found.st_ino)
    while at:
        for name in named.get(here, ()) if here is not None else ():
            if name != at:
                yield name + rest
        at, _, last = at.rpartition("/")
        rest = f"/{last}{rest}"
        here = _identity(at) if at else None


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - once for each name of a path
    except OSError:
        return None
    return found.st_dev, found.st_ino
