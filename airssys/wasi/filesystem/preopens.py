"""Tell guests which folders they have from the start: ``wasi:filesystem/preopens``.

A preopen only says where a guest's paths begin. What it may do there is asked of its
grants at each use, so that one for which nothing is granted is of no use.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from typing import ClassVar, Final

from attrs import define

from ...core.grants.grants import Grants
from ...core.grants.pattern import Pattern
from ...host.filesystem.resolve import Folder, InvalidPath, Moved, resolve
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, operation
from ..context import context_of
from ..outside import Outside
from .codes import told
from .descriptor import Descriptor, Directory

__all__ = ("PreopenOperations", "granted_folders")

_ACTIONS: Final = ("read", "write", "delete", "list")
_WHERE = Free("it says where paths begin; each use of one is asked of the grants")


def granted_folders(grants: Grants) -> dict[str, str]:
    """Return the folders that grants name, each under its own path.

    That of ``/srv/data/**`` is ``/srv/data``, and so is that of the single file
    ``/srv/data/a.txt``. Where only the listing of a folder itself is granted it is that
    folder.
    """
    found = {folder: folder for folder in _folders(grants)}
    return dict(sorted(found.items()))


def _folders(grants: Grants) -> Iterator[str]:
    for action in _ACTIONS:
        for pattern in grants.patterns("filesystem", action):
            assert isinstance(pattern, Pattern)
            for name, rest in pattern.fronts:
                # Without a wildcard it is the file itself, or a folder to be listed.
                whole = bool(rest) or action == "list"
                yield (name if whole else name.rpartition("/")[0]) or "/"


@define(eq=False)
class PreopenOperations:
    """The operations of ``wasi:filesystem/preopens``."""

    interface: ClassVar[str] = "wasi:filesystem/preopens@0.2.12"
    outside: Outside

    @operation(needs=_WHERE)
    async def get_directories(self, call: Call) -> list[tuple[Descriptor, str]]:
        given = context_of(call).preopens
        wanted = granted_folders(call.grants) if given is None else given
        if not wanted:
            return []
        work = self.outside.disk.workers.run(
            lambda: list(_opened(wanted)), owner=call.standing
        )
        return [
            (Descriptor(Directory(folder, name)), name)
            for name, folder in await told(work)
        ]


def _opened(wanted: Mapping[str, str]) -> Iterator[tuple[str, Folder]]:
    """Find those that are there. In a thread."""
    for name, host in wanted.items():
        try:
            place = resolve(host)
            found = os.lstat(place.path)
        except (InvalidPath, Moved, OSError):
            continue
        if not place.problem and stat.S_ISDIR(found.st_mode):
            yield name, Folder(place.path, (found.st_dev, found.st_ino))
