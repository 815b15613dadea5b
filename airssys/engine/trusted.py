"""Open a folder that nobody else can have put anything into, or say why it is none.

Each folder on the way is opened from the one above it and looked at before it is used,
so what was checked is what is opened. A link on the way is followed if nobody else can
have made it.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ("POSIX", "Untrusted", "open_file", "open_folder")

POSIX: Final = hasattr(os, "getuid")
"""Elsewhere, on Windows, a user's profile is private by default."""
_LINKS: Final = 40
"""Links on a way; Linux allows as many."""
_PASS: Final = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


class Untrusted(OSError):
    """Somebody else can have put something there."""


def open_folder(path: Path, *, make: bool = False) -> int:
    """Return a descriptor of a folder.

    Args:
        path: A relative one is relative to the working directory.
        make: Make the folders that are missing, for this user only.

    Raises:
        Untrusted: Another user owns, or can write to, it or one on the way to it.
        OSError: It cannot be opened.
    """
    path = path.absolute()
    parts = deque(path.parts[1:])
    links = 0
    here, where = os.open("/", _PASS), Path("/")
    try:
        _check(os.fstat(here), where, last=False)
        while parts:
            name = parts.popleft()
            where /= name
            target = _link(name, here, where)
            if target is None:
                below = _enter(name, here, make=make)
            else:
                links += 1
                if links > _LINKS:
                    raise Untrusted(f"{str(path)!r} leads through too many links")
                parts.extendleft(reversed(target.parts[target.is_absolute() :]))
                where = Path("/") if target.is_absolute() else where.parent
                below = os.open(
                    "/" if target.is_absolute() else ".", _PASS, dir_fd=here
                )
            os.close(here)
            here = below
            _check(os.fstat(here), where, last=False)
        _check(os.fstat(here), where, last=True)
        return os.open(".", os.O_RDONLY, dir_fd=here)
    finally:
        os.close(here)


def open_file(name: str, folder: int) -> int:
    """Return a descriptor of a file in such a folder, for reading.

    Raises:
        Untrusted: It is a link or no regular file, or another user owns it or can
            write to it.
        OSError: It cannot be opened.
    """
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        _check_file(os.fstat(handle), name)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _check_file(status: os.stat_result, name: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Untrusted(f"{name!r} is no regular file")
    if status.st_uid != os.getuid() or status.st_mode & _OTHERS:
        raise Untrusted(f"another user owns {name!r}, or can write to it")


def _link(name: str, folder: int, where: Path) -> Path | None:
    """Return where a link leads to; None: it is none."""
    try:
        status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None
    if not stat.S_ISLNK(status.st_mode):
        return None
    if status.st_uid not in (0, os.getuid()):
        raise Untrusted(f"{str(where)!r} is a link of another user")
    return Path(os.readlink(name, dir_fd=folder))


def _enter(name: str, folder: int, *, make: bool) -> int:
    if make:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=folder)
    return os.open(name, _PASS, dir_fd=folder)


def _check(status: os.stat_result, where: Path, *, last: bool) -> None:
    mine = status.st_uid == os.getuid()
    if not mine and (last or status.st_uid != 0):
        raise Untrusted(f"{str(where)!r} belongs to another user")
    writers = status.st_mode & _OTHERS
    if not writers or (not last and status.st_mode & stat.S_ISVTX):
        return  # in a folder as /tmp nobody can put anything in another's place
    if not last and writers == stat.S_IWGRP and _is_private(status.st_gid):
        return
    raise Untrusted(f"other users can write to {str(where)!r}")


def _is_private(group: int) -> bool:
    """Tell whether a group has one member, as where each user has a group."""
    import grp  # noqa: PLC0415 - not on Windows
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        me, found = pwd.getpwuid(os.getuid()), grp.getgrgid(group)
    except KeyError:
        return False
    return (
        found.gr_name == me.pw_name
        and group == me.pw_gid
        and set(found.gr_mem) <= {me.pw_name}
    )
