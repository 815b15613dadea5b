"""Open what nobody else can have put somewhere, or say why somebody can have.

Each folder on the way is opened from the one above it and looked at before it is used,
so what was checked is what is opened. A link on the way is followed if nobody else can
have made it.
"""

from __future__ import annotations

import errno
import os
import stat
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = (
    "POSIX",
    "Untrusted",
    "check_file",
    "open_file",
    "open_folder",
    "open_parent",
    "read_file",
)

POSIX: Final = hasattr(os, "getuid")
"""Elsewhere, on Windows, a user's profile is private by default."""
_LINKS: Final = 40
"""Links on a way; Linux allows as many."""
_PASS: Final = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
)
_FIRST_PERSON: Final = 1000
"""Numbers of users below are the system's own, by the custom of Linux."""
_LARGEST: Final = 2**20
"""Bytes of a file that is read as a whole."""
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
    here, _ = _walk(path, whole=True, make=make)
    try:
        return os.open(".", os.O_RDONLY, dir_fd=here)
    finally:
        os.close(here)


def open_parent(path: Path, *, follow: bool = False) -> tuple[int, str]:
    """Return a descriptor of the folder that a file is in, and its name there.

    The folder can be one as /tmp, where each has files of his own: look whose it is.

    Args:
        path: A relative one is relative to the working directory.
        follow: Whether to follow links in the last place.

    Raises:
        Untrusted: Another user owns, or can write to, one on the way to it.
        OSError: It cannot be opened.
    """
    return _walk(path, whole=False, follow=follow)


def _walk(
    path: Path, *, whole: bool, follow: bool = False, make: bool = False
) -> tuple[int, str]:
    """Open a folder, all of a path or all but the last name, and return that name."""
    path = path.absolute()
    parts = deque(path.parts[1:])
    links = 0
    here, where = os.open("/", _PASS), Path("/")
    try:
        _check(os.fstat(here), where, last=False)
        while parts and (whole or follow or len(parts) > 1):
            name = parts.popleft()
            target = _link(name, here, where / name)
            if target is None and not (whole or parts):
                return here, name
            if target is None:
                where /= name
                below = _enter(name, here, make=make)
            else:
                links += 1
                _check_links(links, path)
                parts.extendleft(reversed(target.parts[target.is_absolute() :]))
                where = Path("/") if target.is_absolute() else where
                below = os.open(
                    "/" if target.is_absolute() else ".", _PASS, dir_fd=here
                )
            os.close(here)
            here = below
            _check(os.fstat(here), where, last=False)
        if whole:
            _check(os.fstat(here), where, last=True)
        return here, parts[0] if parts else "."
    except BaseException:
        os.close(here)
        raise


def open_file(name: str, folder: int) -> int:
    """Return a descriptor of a file in such a folder, for reading.

    Raises:
        Untrusted: It is a link or no regular file, or another user owns it or can
            write to it.
        OSError: It cannot be opened.
    """
    handle = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
    try:
        check_file(os.fstat(handle), name)
    except BaseException:
        os.close(handle)
        raise
    return handle


def check_file(status: os.stat_result, name: str, *, roots: bool = False) -> None:
    """Check that nobody else can have written a file, or will.

    Args:
        status: What is known of it.
        name: What to call it.
        roots: Whether it may be root's as well.

    Raises:
        Untrusted: Somebody can.
    """
    if not stat.S_ISREG(status.st_mode):
        raise Untrusted(f"{name!r} is no regular file")
    owners = (os.getuid(), 0) if roots else (os.getuid(),)
    if status.st_uid not in owners or status.st_mode & _OTHERS:
        raise Untrusted(f"another user owns {name!r}, or can write to it")


def read_file(path: Path) -> bytes:
    """Read a small file that nobody but this user and root can have written.

    Links to it are followed where none but these two can have made them.

    Raises:
        Untrusted: Somebody else can have written it.
        OSError: It cannot be read, or is no regular file.
    """
    folder, name = open_parent(path, follow=True)
    try:
        # To open a device can do something already.
        before = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(before.st_mode):
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
        with os.fdopen(os.open(name, flags, dir_fd=folder), "rb") as file:
            check_file(os.fstat(file.fileno()), name, roots=True)
            content = file.read(_LARGEST + 1)
    finally:
        os.close(folder)
    if len(content) > _LARGEST:
        raise OSError(errno.EFBIG, f"it has more than {_LARGEST:_} bytes", str(path))
    return content


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


def _check_links(links: int, path: Path) -> None:
    if links > _LINKS:
        raise Untrusted(f"{str(path)!r} leads through too many links")


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
    if not last and writers == stat.S_IWGRP:
        if _is_private(status.st_gid):
            return
        if status.st_uid == 0 and _is_of_no_person(status.st_gid):
            return  # as /var/log is for the system's own log
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


def _is_of_no_person(group: int) -> bool:
    """Tell whether a group has no members but accounts of the system itself."""
    import grp  # noqa: PLC0415 - not on Windows
    import pwd  # noqa: PLC0415 - not on Windows

    try:
        members = set(grp.getgrgid(group).gr_mem)
    except KeyError:
        return False
    return not any(
        each.pw_uid >= _FIRST_PERSON
        and (each.pw_gid == group or each.pw_name in members)
        for each in pwd.getpwall()
    )
