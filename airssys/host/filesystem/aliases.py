"""Tell what else a path is called that the host forbids by another name.

A hard link gives a file a second name, and a bind mount a directory. Both are known by
their device and number, which are those of what a forbidden path leads to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from ...core.grants.capabilities import KINDS, Capability, Denial
from ...core.grants.grants import Grants
from ...core.grants.pattern import Pattern

__all__ = ("banned",)


def banned(
    grants: Grants, need: Capability, found: os.stat_result | None
) -> Denial | None:
    """Return a denial where the host forbids something by another of its names.

    A pattern is known by what it names before its first wildcard: a file, or the
    directory that all it matches is below.

    Args:
        grants: Their forbidden patterns are looked at.
        need: What is to be done with a file; its target is a canonical path.
        found: What is there; None where there is nothing yet.
    """
    if grants.forbidden is None:
        return None
    for name in _other_names(grants.forbidden, need, found):
        if denial := grants.forbids(KINDS[need.section](need.action, name)):
            return denial
    return None


def _other_names(
    forbidden: Grants, need: Capability, found: os.stat_result | None
) -> Iterator[str]:
    named: dict[tuple[int, int], list[str]] = {}
    for pattern in forbidden.patterns(need.section, need.action):
        assert isinstance(pattern, Pattern)
        for name, _ in pattern.fronts:
            if name and (known := _identity(name)) is not None:
                named.setdefault(known, []).append(name)
    if not named:
        return
    at, rest = need.target, ""
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
