"""Tell which directories the grants themselves name, or lead through.

To leave another one by ``..`` would tell whether it exists, by how the call ends or by
how long it takes. So a path is judged by its text before it is followed, and is not
followed any further than to the first of these.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Final

from attrs import define, field

from ...core.grants.capabilities import Capability, Denial, Filesystem, Process
from ...core.grants.grants import Grants
from ...core.grants.pattern import Pattern

__all__ = ("FILES", "PROGRAMS", "Leads", "first_left", "leading")

Leads = Callable[[str], bool]
"""Tells whether grants lead through a directory."""
FILES: Final[tuple[Callable[[str], Capability], ...]] = (
    lambda path: Filesystem("read", path),
    lambda path: Filesystem("write", path),
    lambda path: Filesystem("delete", path),
    lambda path: Filesystem("list", path),
)
PROGRAMS: Final[tuple[Callable[[str], Capability], ...]] = (
    *FILES,
    lambda path: Process("spawn", path),
)
"""What paths of files, and of programs, can be granted for."""
_WILD: Final = frozenset("*?[{")


def leading(
    grants: Grants,
    judge: Callable[[Capability], Denial | None],
    needs: Iterable[Callable[[str], Capability]] = FILES,
) -> Leads:
    """Return what tells whether grants lead through a directory."""
    return _Leading(grants, judge, tuple(needs))


@define(eq=False)
class _Leading:
    grants: Grants
    judge: Callable[[Capability], Denial | None]
    needs: tuple[Callable[[str], Capability], ...]
    _known: dict[str, bool] = field(factory=dict, init=False)

    def __call__(self, directory: str) -> bool:
        known = self._known.get(directory)
        if known is None:
            below = f"{directory}/"
            known = self._known[directory] = any(
                each.startswith(below) for each in self._fixed
            ) or any(self.judge(need(directory)) is None for need in self.needs)
        return known

    @cached_property
    def _fixed(self) -> tuple[str, ...]:
        # Not before it is asked for: most paths leave no directory again.
        return tuple(
            f"{_fixed(pattern)}/"
            for need in map(_any, self.needs)
            for pattern in self.grants.patterns(need.section, need.action)
            if isinstance(pattern, Pattern)
        )


def first_left(path: str, leads: Leads, start: str = "/") -> str | None:
    """Return the first directory that a path leaves and that no grant leads through.

    That is as the text has it. What the path begins at is known. Where it is a link the
    text does not say what is left, so nothing is returned: that a link leads to what is
    granted can be seen without leaving it again.
    """
    if ".." not in path:
        return None
    at: list[str] = []
    known = 0
    if not path.startswith("/"):
        at = [name for name in start.split("/") if name]
        known = len(at)
    for name in path.split("/"):
        if name == "..":
            if len(at) > known and not leads(left := "/" + "/".join(at)):
                return None if os.path.islink(left) else left  # noqa: PTH114 - text
            del at[-1:]
            known = min(known, len(at))
        elif name not in {"", "."}:
            at.append(name)
    return None


def _any(need: Callable[[str], Capability]) -> Capability:
    return need("/")


def _fixed(pattern: Pattern) -> str:
    """Return the directory that all matches of a pattern are below, or in."""
    text = pattern.text
    end = next((at for at, char in enumerate(text) if char in _WILD), len(text))
    return text[: text.rfind("/", 0, end)]
