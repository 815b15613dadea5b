"""Open files and directories below a directory, as the flags of ``open-at`` say."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack
from typing import Final

from attrs import frozen

from ...core.errors import WitError
from ...host.filesystem.access import Access, Action
from ...host.filesystem.linux import is_local
from ...host.filesystem.open_file import Mode, OpenFile, open_or_make, open_regular
from ...host.filesystem.resolve import Folder, Moved, Place

__all__ = ("Opened", "Wanted", "open_below", "undo")

_SYNC: Final = {
    "file-integrity-sync": os.O_SYNC,
    "data-integrity-sync": getattr(os, "O_DSYNC", os.O_SYNC),
    "requested-write-sync": getattr(os, "O_RSYNC", os.O_SYNC),
}


@frozen
class Wanted:
    """How something is to be opened."""

    follow: bool
    opening: frozenset[str]
    """Of WASI's ``open-flags``."""
    flags: frozenset[str]
    """Of its ``descriptor-flags``."""

    def check(self) -> None:
        """Refuse what no system opens.

        Raises:
            WitError: It is such a combination.
        """
        makes = self.opening & {"create", "exclusive", "truncate"}
        if "directory" in self.opening and makes:
            raise WitError("invalid")

    @property
    def reads(self) -> bool:
        return "read" in self.flags

    @property
    def creates(self) -> bool:
        return "create" in self.opening

    @property
    def new(self) -> bool:
        """Whether it must be there only from now on."""
        return self.creates and "exclusive" in self.opening

    @property
    def truncates(self) -> bool:
        return "truncate" in self.opening

    @property
    def changes(self) -> bool:
        """Whether what is opened, or where it is, changes by that."""
        return "write" in self.flags or self.creates or self.truncates

    @property
    def actions(self) -> tuple[Action, ...]:
        """What it needs of a file; nothing where it is only to be looked at."""
        reads: tuple[Action, ...] = ("read",) if self.reads else ()
        return (*reads, "write") if self.changes else reads

    @property
    def mode(self) -> Mode:
        """The same as the system has it."""
        writes = "write" in self.flags
        flags = os.O_RDONLY
        if writes or self.truncates:  # to empty a file the system wants it so
            flags = os.O_RDWR if self.reads else os.O_WRONLY
        # What is opened for nothing in particular can be read, as with POSIX, which has
        # no flag for that. Whether it may be is asked at each read.
        reads = self.reads or flags == os.O_RDONLY
        for flag in self.flags & _SYNC.keys():
            flags |= _SYNC[flag]
        actions = self.actions or ("read", "list")
        return Mode(actions, flags, reads=reads, writes=writes)


@frozen
class Opened:
    """What was opened."""

    path: str
    """Canonical."""
    identity: tuple[int, int]
    file: OpenFile | None
    """None: it is a directory."""


def undo(opened: Opened) -> None:
    """Close what nobody is there to take."""
    if opened.file is not None:
        opened.file.close()


def open_below(access: Access, path: str, folder: Folder, wanted: Wanted) -> Opened:
    """Open what a path leads to; a directory, or a regular file. In a thread.

    Raises:
        WitError: No grant covers it, it leads out, or it is none of these.
        Moved: It is another than it was a moment ago.
        OSError: The system could not.
    """
    follow = wanted.follow and not wanted.new
    if wanted.changes:
        place = access.ask(path, *wanted.actions, follow=follow, beneath=folder)
    else:
        # What it needs follows from what it is.
        place = access.ask(
            path,
            *("read", "list"),
            either=True,
            folders=True,
            follow=follow,
            beneath=folder,
        )
    with access.held(place) as (directory, name):
        try:
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            if not wanted.creates:
                raise
            found = None
        if found is not None:
            access.check_folder(place, found, path)
            _check(found, place, wanted)
            if stat.S_ISDIR(found.st_mode):
                return Opened(place.path, (found.st_dev, found.st_ino), None)
        if not wanted.changes:
            for action in wanted.actions:
                access.demand(action, place.path, path)
        return _open_file(access, directory, name, path, place, wanted, found)


def _check(found: os.stat_result, place: Place, wanted: Wanted) -> None:
    """Refuse what is there, where it is not what is wanted."""
    if wanted.new:
        raise _error(errno.EEXIST)
    folder = "directory" in wanted.opening
    if stat.S_ISLNK(found.st_mode):
        if wanted.follow or place.folder:
            raise Moved(place.path)
        raise _error(errno.ENOTDIR if folder else errno.ELOOP)
    if stat.S_ISDIR(found.st_mode):
        if wanted.changes:
            raise _error(errno.EISDIR)
    elif folder or place.folder:
        raise _error(errno.ENOTDIR)


def _open_file(
    access: Access,
    directory: int,
    name: str,
    path: str,
    place: Place,
    wanted: Wanted,
    before: os.stat_result | None,
) -> Opened:
    mode = wanted.mode
    with ExitStack() as failed:
        if wanted.creates:
            descriptor, _ = open_or_make(
                access, directory, name, path, place, mode.flags
            )
        else:
            descriptor = open_regular(
                access, directory, name, path, place, mode.flags, before
            )
        failed.callback(os.close, descriptor)
        if wanted.truncates:
            os.ftruncate(descriptor, 0)
        found = os.fstat(descriptor)
        file = OpenFile(descriptor, place.path, path, mode, access.limits)
        file.at_hand = access.near or is_local(descriptor)
        failed.pop_all()
    return Opened(place.path, (found.st_dev, found.st_ino), file)


def _error(number: int) -> OSError:
    return OSError(number, os.strerror(number))
