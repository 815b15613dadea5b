"""List a directory in pieces, however much is in it."""

from __future__ import annotations

import errno
import os
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from threading import Lock
from typing import Final, TypeAlias

from attrs import define, field

from ...core.errors import WitError
from ...core.grants.capabilities import Filesystem
from ...host.filesystem.access import Access, Disk
from ...host.filesystem.pin import look, open_folder
from ...host.filesystem.resolve import Folder
from ...host.filesystem.tree import in_unicode
from ...hostcalls.call import Call
from .about import kind_of
from .codes import NOT_PERMITTED, told

__all__ = ("DirectoryEntryStream", "Listing", "open_listing")

_PIECE: Final = 256
"""Entries that are read at a time."""
_Entry: TypeAlias = tuple[str, str]


@define(eq=False)
class Listing:
    """A directory that is being read, in one thread at a time.

    A thread of a cancelled call may still be at it when it is closed: then that thread
    closes it.
    """

    path: str
    entries: Iterator[os.DirEntry[str]]
    end: Callable[[], None]
    """Closes it."""
    _lock: Lock = field(factory=Lock, init=False)
    _busy: bool = field(default=False, init=False)
    _closed: bool = field(default=False, init=False)

    def piece(self) -> list[_Entry]:
        """Return some more names and types; nothing: these were all.

        Names that are no Unicode are left out: WIT has no strings for them.

        Raises:
            OSError: The system could not.
        """
        with self._lock:
            if self._closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self._busy = True
        try:
            while some := list(islice(self.entries, _PIECE)):
                found = [(one.name, _kind(one)) for one in some if in_unicode(one.name)]
                if found:
                    return found
            return []
        finally:
            self._leave()

    def _leave(self) -> None:
        with self._lock:
            self._busy = False
            if self._closed:
                self.end()

    def close(self) -> None:
        """Close it, now or when the thread that is at it has done."""
        with self._lock:
            if not self._closed and not self._busy:
                self.end()
            self._closed = True

    def __del__(self) -> None:
        self.close()  # made, and never handed to a guest


def _kind(entry: os.DirEntry[str]) -> str:
    # These three need no look at the file: the directory holds them.
    if entry.is_symlink():
        return "symbolic-link"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    if entry.is_file(follow_symlinks=False):
        return "regular-file"
    try:
        return kind_of(entry.stat(follow_symlinks=False).st_mode)
    except OSError:
        return "unknown"


def open_listing(access: Access, folder: Folder) -> Listing:
    """Begin to list a directory. In a thread.

    Raises:
        WitError: No grant covers it.
        OSError: It is gone, or the host may not.
    """
    place = access.ask(".", "list", beneath=folder)
    with access.held(place) as (directory, name), ExitStack() as opened:
        look(directory, name)
        descriptor = open_folder(directory, name)
        # Entries of a type that the directory does not hold are looked up by it.
        opened.callback(os.close, descriptor)
        entries = opened.enter_context(os.scandir(descriptor))
        return Listing(place.path, entries, opened.pop_all().close)


@define(eq=False)
class DirectoryEntryStream:
    """The resource ``directory-entry-stream``."""

    disk: Disk
    listing: Listing
    shown: str
    """What the guest calls the directory."""
    give_back: Callable[[], object]
    """Takes it off its owner's quota of handles."""
    _ahead: deque[_Entry] = field(factory=deque, init=False)
    _dropped: bool = field(default=False, init=False)

    async def next(self, call: Call) -> dict[str, str] | None:
        """Return the next entry; None: there is none.

        Raises:
            WitError: The caller may not any more, or the system could not.
        """
        self._check(call)
        if not self._ahead:
            self._ahead.extend(await told(self._read(call)))
        if not self._ahead:
            return None
        name, kind = self._ahead.popleft()
        return {"type": kind, "name": name}

    async def _read(self, call: Call) -> list[_Entry]:
        def again() -> None:
            self._check(call)

        with self.disk.errors(call, self.shown):
            return await self.disk.use(call, again, self.listing.piece)

    def _check(self, call: Call) -> None:
        need = Filesystem("list", self.listing.path)
        if self.disk.gate.allowed(call, need, self.shown):
            raise WitError(NOT_PERMITTED)

    def drop(self) -> None:
        """Close it: the guest has no handle of it any more."""
        if not self._dropped:
            self._dropped = True
            self.give_back()
            self.listing.close()
