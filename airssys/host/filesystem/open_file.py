"""Hold an open file, and open one without touching what is no regular file."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from mmap import PAGESIZE, mmap
from threading import Lock, local
from typing import Final, Protocol

from attrs import define, field, frozen

from .access import Access, Action
from .errors import failure
from .limits import FileLimits
from .pin import look
from .resolve import Moved, Place
from .workers import Workers

__all__ = (
    "Mode",
    "OpenFile",
    "OpenOptions",
    "check_changeable",
    "drop",
    "open_file",
    "open_or_make",
    "open_regular",
    "relied_on",
)

_QUICK: Final = 64 * 1024
"""Bytes that are read on the event loop's thread where the system has them at hand."""
_MOST: Final = 2**63 - 1
_NEW: Final = 0o666
_WRITING: Final = os.O_WRONLY | os.O_RDWR
_SAFE: Final = (
    getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_CLOEXEC", 0)
)


@frozen
class Mode:
    """What an open mode allows, and how the system says it."""

    actions: tuple[Action, ...]
    flags: int
    reads: bool = False
    writes: bool = False


_MODES: Final = {
    "read": Mode(("read",), os.O_RDONLY, reads=True),
    "write": Mode(("write",), os.O_WRONLY, writes=True),
    "read-write": Mode(("read", "write"), os.O_RDWR, reads=True, writes=True),
    "append": Mode(("write",), os.O_WRONLY | os.O_APPEND, writes=True),
}


class _Room(local):
    """Memory to read into, which takes no time to be made: each thread's own."""

    def __init__(self) -> None:
        # Half a page into a page: some processors copy ten times slower where both ends
        # are nearly as far into theirs, and files begin with one.
        half = PAGESIZE // 2
        self.view: memoryview = memoryview(mmap(-1, _QUICK + half))[half:]


_ROOM: Final = _Room()


class OpenOptions(Protocol):
    """A ``file-open-options`` record as it is lifted."""

    mode: str
    create: bool
    create_new: bool
    truncate: bool


@define(eq=False)
class OpenFile:
    """A regular file that a guest has open, with a position of its own.

    A thread of a cancelled call may still be at it when it is closed: then the last to
    leave closes the descriptor, so that its number is not another file's meanwhile.
    """

    descriptor: int
    path: str
    """What was checked: canonical."""
    shown: str
    """What the guest asked for."""
    mode: Mode
    limits: FileLimits
    position: int = 0
    at_hand: bool = field(default=False, init=False)
    """Whether it is known to be on a disk of this system: it was read without a wait,
    or whoever opened it has looked."""
    release: Callable[[], object] | None = field(default=None, init=False)
    """Takes it off its owner's quota of handles."""
    owner: object = field(default=None, init=False)
    """Who has opened it."""
    _lock: Lock = field(factory=Lock, init=False)
    _users: int = field(default=0, init=False)
    closed: bool = field(default=False, init=False)

    def read_at_once(self, size: int) -> bytes | None:
        """Read on where that takes no wait; None where it would, or nobody knows."""
        data = self.at_once(size, self.position)
        if data is not None:
            self.position += len(data)
        return data

    def at_once(self, size: int, at: int) -> bytes | None:
        """Read from somewhere where that takes no wait, as `read_at_once` does.

        Linux reads so from its page cache; elsewhere the answer is always None.
        """
        nowait = getattr(os, "RWF_NOWAIT", None)
        if nowait is None:
            return None
        room = _ROOM.view[:size]
        descriptor = self._enter()
        try:
            got = os.preadv(descriptor, (room,), at, nowait)
            # A file that can be read so has its size at hand, too.
            if got < size and at + got < os.fstat(descriptor).st_size:
                return None
        except OSError:
            return None
        finally:
            self._leave()
        self.at_hand = True
        return bytes(room[:got])

    def read(self, size: int) -> bytes:
        """Read from the position on. It may block.

        Raises:
            OSError: The system could not.
        """
        data = self.read_at(size, self.position)
        self.position += len(data)
        return data

    def read_at(self, size: int, at: int) -> bytes:
        """Read from somewhere. It may block.

        Raises:
            OSError: The system could not.
        """
        with self.used() as descriptor:
            return os.pread(descriptor, size, at)

    def write(self, data: bytes) -> int:
        """Write at the position, or at the end; returns how many bytes. It may block.

        Raises:
            OSError: The system could not, or the file would be larger than allowed.
        """
        appends = bool(self.mode.flags & os.O_APPEND)
        written, self.position = self.write_at(data, None if appends else self.position)
        return written

    def write_at(self, data: bytes | memoryview, at: int | None) -> tuple[int, int]:
        """Write somewhere. It may block.

        Args:
            data: What is written, or its beginning.
            at: From which byte on; None: at the end, wherever that is by then.

        Returns:
            How many bytes were written, and where they end.

        Raises:
            OSError: The system could not, or the file would be larger than allowed.
        """
        most = _MOST if self.limits.file_size is None else self.limits.file_size
        descriptor = self._enter()
        try:
            begin = os.fstat(descriptor).st_size if at is None else at
            if data and begin >= most:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
            room = memoryview(data)[: most - begin]
            if at is not None:
                written = os.pwrite(descriptor, room, at)
                return written, at + written
            if self.mode.flags & os.O_APPEND:
                written = os.write(descriptor, room)
                return written, os.lseek(descriptor, 0, os.SEEK_CUR)
            written = _append(descriptor, room, begin)
            return written, begin + written
        finally:
            self._leave()

    def close(self) -> None:
        """Close the descriptor, now or when the last thread has left it.

        Raises:
            OSError: The system tells of an error of an earlier write.
        """
        with self._lock:
            if self.closed:
                return
            self.closed = True
            unused = self._users == 0
        if unused:
            os.close(self.descriptor)

    def give_back(self) -> None:
        """Count it no longer among the open files; on the event loop's thread."""
        release, self.release = self.release, None
        if release is not None:
            release()

    @contextmanager
    def used(self) -> Iterator[int]:
        """Hold the descriptor, which is not closed meanwhile.

        Raises:
            OSError: It is closed already.
        """
        descriptor = self._enter()
        try:
            yield descriptor
        finally:
            self._leave()

    def _enter(self) -> int:
        with self._lock:
            if self.closed:
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            self._users += 1
        return self.descriptor

    def _leave(self) -> None:
        with self._lock:
            self._users -= 1
            last = self.closed and self._users == 0
        if last:
            os.close(self.descriptor)


def _append(descriptor: int, data: memoryview, end: int) -> int:
    """Write at the end of a file that others may append to, where Linux does so."""
    flag = getattr(os, "RWF_APPEND", None)
    if flag is None:
        return os.pwrite(descriptor, data, end)
    return os.pwritev(descriptor, [data], end, flag)


def drop(workers: Workers, file: OpenFile) -> None:
    """Close a file that its guest has given up, without a wait.

    To close one on the network can take long, and so can one that was written to or
    has no name any more: that is done in a thread.
    """
    file.give_back()
    if file.closed:
        return
    closing = partial(_close, file)
    if file.at_hand and not file.mode.writes and os.fstat(file.descriptor).st_nlink:
        closing()
    else:
        workers.later(closing, file.owner)


def _close(file: OpenFile) -> None:
    # Nobody is there to hear of an error.
    with suppress(OSError):
        file.close()


def open_file(access: Access, path: str, options: OpenOptions) -> OpenFile:
    """Open a file as a guest's options say.

    Raises:
        WitError: No grant covers it, or it is no file that may be opened so.
        OSError: The system could not.
    """
    mode = _MODES[options.mode]
    creates = options.create or options.create_new
    actions = mode.actions
    if creates and not mode.writes:
        actions = (*actions, "write")
    place = access.ask(path, *actions, follow=not options.create_new)
    if options.truncate and not mode.writes:
        raise failure("invalid-argument", f"{options.mode!r} does not write")
    with ExitStack() as undo:
        descriptor = _opened(access, place, path, mode, options)
        undo.callback(os.close, descriptor)
        if options.truncate:
            os.ftruncate(descriptor, 0)
        file = OpenFile(descriptor, place.path, path, mode, access.limits)
        if options.mode == "append":
            file.position = os.fstat(descriptor).st_size
        undo.pop_all()
    return file


def _opened(
    access: Access, place: Place, path: str, mode: Mode, options: OpenOptions
) -> int:
    with access.held(place) as (directory, name):
        if options.create_new:
            return _made(directory, name, mode.flags, place)
        if options.create:
            return open_or_make(access, directory, name, path, place, mode.flags)[0]
        return open_regular(access, directory, name, path, place, mode.flags)


def open_or_make(
    access: Access,
    directory: int,
    name: str,
    shown: str,
    place: Place,
    flags: int = os.O_WRONLY,
    mode: int = _NEW,
) -> tuple[int, bool]:
    """Open a regular file, or make it; tells whether it is a new one.

    Args:
        access: The call's way.
        directory: The descriptor of its directory.
        name: Its name there.
        shown: The path that the guest gave.
        place: Where that leads.
        flags: How to open it.
        mode: The permissions of a new one, less the host's umask.

    Raises:
        WitError: It may not be opened.
        Moved: It is another file than it was a moment ago.
        OSError: The system could not.
    """
    try:
        return open_regular(access, directory, name, shown, place, flags), False
    except FileNotFoundError:
        pass
    try:
        return _made(directory, name, flags, place, mode), True
    except FileExistsError as error:
        raise Moved(place.path) from error


def _made(directory: int, name: str, flags: int, place: Place, mode: int = _NEW) -> int:
    if place.folder:
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    flags |= os.O_CREAT | os.O_EXCL | _SAFE
    return os.open(name, flags, mode, dir_fd=directory)


def open_regular(
    access: Access,
    directory: int,
    name: str,
    shown: str,
    place: Place,
    flags: int,
    before: os.stat_result | None = None,
) -> int:
    """Open a regular file that exists; for writing only if it has one name.

    Nothing else is opened even for a moment: to open a device can have effects.

    Args:
        access: The call's way.
        directory: The descriptor of its directory.
        name: Its name there.
        shown: The path that the guest gave.
        place: Where that leads.
        flags: How to open it.
        before: What is there, where somebody has just looked; it is no link.

    Raises:
        WitError: It may not be opened.
        Moved: It is another file than it was a moment ago.
        OSError: The system could not.
    """
    before = before or look(directory, name)
    if stat.S_ISDIR(before.st_mode):
        raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
    if place.folder:
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not stat.S_ISREG(before.st_mode):
        raise access.special(shown)
    try:
        descriptor = os.open(name, flags | _SAFE, dir_fd=directory)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.ENXIO}:
            raise Moved(place.path) from error
        raise
    with ExitStack() as undo:
        undo.callback(os.close, descriptor)
        found = os.fstat(descriptor)
        if not os.path.samestat(found, before):
            raise Moved(place.path)
        if flags & _WRITING:
            check_changeable(access, found, shown, place)
        undo.pop_all()
    return descriptor


def check_changeable(
    access: Access, found: os.stat_result, shown: str, place: Place
) -> None:
    """Refuse to change what others rely on: a file with a second name, or more rights.

    The other name may be outside. Who runs a program with its set-uid bit trusts it.

    Raises:
        WitError: It is such a file.
    """
    if stat.S_ISREG(found.st_mode) and (reason := relied_on(found)):
        raise access.refused("write", place.path, shown, reason)


def relied_on(found: os.stat_result) -> str:
    """Say why others rely on what a file holds; empty where they do not."""
    if found.st_nlink > 1:
        return f"the file has {found.st_nlink} names (hard links)"
    if found.st_mode & (stat.S_ISUID | stat.S_ISGID):
        return "the file is set-uid or set-gid"
    return ""
