"""Find the files of an audit log: the current one, those before it, and the head."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys
from pathlib import Path
from typing import Final

from attrs import frozen

from ..core.errors import AuditError
from ..trusted import Untrusted, open_parent
from .record import LONGEST, Head, Record
from .seal import Seal

__all__ = (
    "Tail",
    "archive_of",
    "archives",
    "head_of",
    "last_of",
    "open_locked",
    "open_log",
    "own_archives",
    "read_head",
    "read_tail",
)

_HEAD_SIZE: Final = 4096
"""Bytes read of a head, which has 255."""


def head_of(path: Path) -> Path:
    """Return the file that says how far a log goes."""
    return path.with_name(f"{path.name}.head")


def archive_of(path: Path, last: int) -> Path:
    """Return where a log's file goes when it is full, by its last record's number."""
    return path.with_name(f"{path.name}.{last:012}")


def last_of(archive: Path) -> int:
    """Return the number of the last record of an archive, which its name says."""
    return int(archive.suffix[1:])


def own_archives(path: Path) -> list[Path]:
    """Return those full files that are this user's: others can put some in `/tmp`."""
    mine = os.getuid()
    found = [(file, file.lstat()) for file in archives(path)]
    return [
        file
        for file, status in found
        if stat.S_ISREG(status.st_mode) and status.st_uid == mine
    ]


def archives(path: Path) -> list[Path]:
    """Return the full files of a log that are kept, oldest first."""
    name = re.compile(rf"{re.escape(path.name)}\.[0-9]{{12,18}}")
    found = (path.with_name(each) for each in os.listdir(path.parent))  # noqa: PTH208 - names suffice
    return sorted(filter(lambda file: name.fullmatch(file.name), found), key=last_of)


def open_log(path: Path, *, anew: bool = False) -> int:
    """Open the current file of a log to append to it, and return its descriptor.

    Raises:
        OSError: It cannot be opened; a symbolic link never is.
        AuditError: It is no regular file, or others may write to it.
    """
    return _open(path, os.O_WRONLY | os.O_APPEND | (os.O_EXCL if anew else 0))


def open_locked(path: Path) -> int:
    """Open the head of a log, keep all others out, and return its descriptor.

    Raises:
        OSError: It cannot be opened.
        AuditError: Another process writes to the log.
    """
    if sys.platform == "win32":
        raise AuditError(str(path), "audit logs need a POSIX system")
    import fcntl  # noqa: PLC0415 - it is not everywhere

    descriptor = _open(head_of(path), os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AuditError(str(path), "it is open already; one at a time may") from None
    return descriptor


def _open(path: Path, flags: int) -> int:
    flags |= os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
    try:
        folder, name = open_parent(path)
    except Untrusted as error:
        raise AuditError(str(path), str(error)) from None
    except OSError as error:
        raise _about(path, error) from None
    try:
        descriptor = os.open(name, flags, 0o600, dir_fd=folder)
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EMLINK}:
            raise AuditError(str(path), f"{path.name} is a symbolic link") from None
        raise _about(path, error) from None
    finally:
        os.close(folder)
    status = os.fstat(descriptor)
    problem = ""
    if not stat.S_ISREG(status.st_mode):
        problem = f"{path.name} is no regular file"
    elif status.st_uid != os.getuid():
        problem = f"another user owns {path.name}"
    elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        problem = f"others may write to {path.name} (chmod go-w it)"
    if problem:
        os.close(descriptor)
        raise AuditError(str(path), problem)
    return descriptor


def _about(path: Path, error: OSError) -> OSError:
    """Return an error of the system's that names a whole path."""
    return OSError(error.errno, error.strerror, str(path))


def read_head(content: bytes, seal: Seal) -> tuple[Head | None, str]:
    """Read a head, or say why it cannot be used."""
    if not content:
        return None, "is missing"
    try:
        return Head.parse(content[:_HEAD_SIZE], seal), ""
    except ValueError as error:
        return None, str(error)


@frozen
class Tail:
    """How a file of a log ends."""

    record: Record | None
    """The last whole record."""
    torn: bytes
    """What follows that record: part of another, after a crash."""
    problem: str
    """Why the last line is no record; empty where it is one, and for an empty file."""


def read_tail(path: Path, seal: Seal) -> Tail:
    """Read the end of a log's file, however little of it is whole."""
    window = 2 * LONGEST
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        while True:
            file.seek(max(0, size - window))
            content = file.read()
            found = _last_record(content, seal, whole=window >= size)
            if found.record is not None or window >= size:
                return found
            window *= 8


def _last_record(content: bytes, seal: Seal, *, whole: bool) -> Tail:
    """Find the last record in the end of a file, or in the whole of it."""
    problem = ""
    end = content.rfind(b"\n")
    while end >= 0:
        start = content.rfind(b"\n", 0, end) + 1
        if start or whole:
            try:
                record = Record.parse(content[start:end], seal)
            except ValueError as error:
                problem = problem or str(error)
            else:
                return Tail(record, content[end + 1 :], problem)
        end = start - 1
    return Tail(None, content, problem or ("is no record" if content else ""))
