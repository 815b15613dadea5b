"""Tell what is known of a file, and change it: permissions and times."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Protocol

from ...witmodel.records import SECOND, timestamp
from .access import Access
from .errors import failure
from .linux import created
from .open_file import check_changeable
from .pin import look
from .resolve import Moved, Place
from .tree import kind_of

__all__ = (
    "NINE",
    "Timestamp",
    "about",
    "born_at",
    "check_mode",
    "identity",
    "is_there",
    "nanoseconds",
    "seen",
    "touchable",
)

NINE: Final = 0o777
"""The permission bits that a guest may set."""
_OPENED: Final = Path("/proc/self/fd")


class Timestamp(Protocol):
    """A ``timestamp`` record as it is lifted."""

    seconds: int
    nanoseconds: int


def about(access: Access, path: str) -> dict[str, object]:
    """Return a ``file-metadata`` record.

    Raises:
        WitError: No grant covers it.
        OSError: There is nothing, or the host may not.
    """
    place = access.ask(path, "read", "list", either=True)
    with access.held(place) as (directory, name):
        found = seen(directory, name, place)
        born = created(directory, name)
    born = born_at(found) if born is None else born
    return {
        "path": path,
        "file_type": kind_of(found.st_mode),
        "size": found.st_size,
        "permissions": {"mode": stat.S_IMODE(found.st_mode)},
        "accessed_time": timestamp(found.st_atime_ns),
        "modified_time": timestamp(found.st_mtime_ns),
        "created_time": None if born is None else timestamp(born),
    }


def born_at(found: object) -> int | None:
    """Return when a file came to be, where `os.stat` tells: macOS and the BSDs."""
    seconds = getattr(found, "st_birthtime", None)
    return None if seconds is None else int(seconds * SECOND)


def is_there(access: Access, path: str) -> bool:
    """Tell whether there is something under a path.

    Raises:
        WitError: No grant covers it.
        OSError: The host may not look.
    """
    try:
        identity(access, path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def identity(access: Access, path: str) -> tuple[int, int]:
    """Return device and number of a file, after a check as for its metadata.

    Raises:
        WitError: No grant covers it.
        OSError: There is nothing, or the host may not.
    """
    place = access.ask(path, "read", "list", either=True)
    with access.held(place) as (directory, name):
        found = seen(directory, name, place)
    return found.st_dev, found.st_ino


def seen(directory: int, name: str, place: Place) -> os.stat_result:
    """Return what is at a place, which must be a directory where it ends in a slash.

    Raises:
        Moved: It is another place now.
        OSError: There is nothing, or no directory.
    """
    found = look(directory, name)
    if place.folder and not stat.S_ISDIR(found.st_mode):
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    return found


def check_mode(access: Access, mode: int, shown: str) -> None:
    """Check the mode that a guest wants a file to have.

    Raises:
        WitError: It is more than the nine bits; the audit is told.
    """
    if mode & ~NINE:
        words = f"{mode:#o} has more than the nine bits"
        raise access.malformed(f"give mode {mode:#o} to", shown, words)


def nanoseconds(moment: Timestamp) -> int:
    """Return a moment in nanoseconds.

    Raises:
        WitError: The system has no such moment.
    """
    total = moment.seconds * SECOND + moment.nanoseconds
    if moment.nanoseconds >= SECOND or total >= 2**63:
        raise failure(
            "invalid-argument",
            f"{moment.seconds} s and {moment.nanoseconds} ns are out of range",
        )
    return total


@contextmanager
def touchable(
    access: Access, place: Place, shown: str
) -> Iterator[tuple[str | int, os.stat_result]]:
    """Hold a regular file or directory to change what is known of it.

    Yields:
        What `os.chmod` and `os.utime` take for it, and what is known of it.

    Raises:
        WitError: It may not be changed.
        Moved: It is another file than it was a moment ago.
        OSError: There is nothing, or the host may not.
    """
    with access.held(place) as (directory, name):
        before = seen(directory, name, place)
        if not (stat.S_ISREG(before.st_mode) or stat.S_ISDIR(before.st_mode)):
            raise access.special(shown)
        path_only = getattr(os, "O_PATH", 0) if _OPENED.exists() else 0
        flags = path_only | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        opened = os.open(name, flags, dir_fd=directory)
        try:
            found = os.fstat(opened)
            if not os.path.samestat(found, before):
                raise Moved(place.path)
            check_changeable(access, found, shown, place)
            # What is opened for its path alone can be changed through that link only;
            # to open it for reading would ask for more than is needed.
            yield (f"{_OPENED}/{opened}" if path_only else opened), found
        finally:
            os.close(opened)
