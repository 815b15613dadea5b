"""Call what Linux can do with files and Python cannot: openat2, statx and fstatfs."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, Final

__all__ = (
    "created",
    "is_at_hand",
    "is_local",
    "open_canonical",
    "openat2",
    "openat2_works",
)

_OPENAT2: Final = 437
"""The same on every architecture (Linux 5.6 and newer)."""
_HOW: Final = struct.Struct("=QQQ")
"""``struct open_how``: flags, mode, resolve."""
_RESOLVE: Final = 0x02 | 0x04 | 0x08
"""RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH."""
_RESOLVE_WHOLE: Final = 0x02 | 0x04
"""RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS."""
_RESOLVE_CACHED: Final = 0x02 | 0x04 | 0x20
"""RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_CACHED (Linux 5.12)."""
_NOFOLLOW: Final = 0x100
_BTIME: Final = 0x800
_BTIME_PLACE: Final = struct.Struct("=80xqI")
_STATX: Final = 256
_Statfs: Final = ctypes.c_ulong * 32
"""What ``struct statfs`` surely fits in; its first number is the kind."""
_LOCAL: Final = frozenset(
    {
        0xEF53,  # ext2, ext3, ext4
        0x58465342,  # XFS
        0x9123683E,  # Btrfs
        0xF2F52010,  # F2FS
        0x2FC12FC1,  # ZFS
        0x01021994,  # tmpfs
        0x794C7630,  # overlayfs
    }
)
"""File systems of this machine's own disks and memory: no network, no program."""


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


@cache
def _openat2() -> Any:
    # Of its own, as ``syscall`` takes other things for other calls.
    call = _libc()["syscall"]
    call.restype, call.argtypes = (
        ctypes.c_long,
        (
            *(ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p),
            ctypes.c_size_t,
        ),
    )
    return call


@cache
def _fstatfs() -> Any:
    call = _libc()["fstatfs"]
    call.restype, call.argtypes = ctypes.c_int, (ctypes.c_int, ctypes.c_void_p)
    return call


def openat2(directory: int, path: str, flags: int, resolve: int = _RESOLVE) -> int:
    """Open a path below a directory without following any link, in one step.

    Args:
        directory: The descriptor it is below.
        path: Relative, without ``..``.
        flags: As for `os.open`, without those that make files.
        resolve: How the kernel follows it.

    Raises:
        OSError: As the kernel says; ``ELOOP`` where any part is a link.
    """
    how = _HOW.pack(flags | os.O_CLOEXEC, 0, resolve)
    found: int = _openat2()(_OPENAT2, directory, os.fsencode(path), how, _HOW.size)
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return found


def open_canonical(path: str, flags: int) -> int:
    """Open an absolute path that has no ``..``, without following any link.

    Raises:
        OSError: As `openat2`.
    """
    return openat2(0, path, flags, _RESOLVE_WHOLE)


def is_at_hand(path: str) -> bool:
    """Tell whether the kernel has all of a path in memory, of a disk of this machine.

    Then to follow it, and to look at what is there, takes no wait for the disk.

    Args:
        path: Absolute, without links: where the last name is one, it is not at hand.
    """
    if not openat2_works():
        return False
    try:
        found = openat2(0, path, os.O_PATH | os.O_NOFOLLOW, _RESOLVE_CACHED)
    except OSError:
        return False  # an old kernel refuses the flag, a new one says what it lacks
    except UnicodeEncodeError:
        return False  # no file has such a name in this locale
    try:
        return is_local(found) and not stat.S_ISLNK(os.fstat(found).st_mode)
    finally:
        os.close(found)


@cache
def openat2_works(
    system: str = sys.platform, ask: Callable[[int, str, int], int] = openat2
) -> bool:
    """Tell whether openat2 is there: old kernels lack it, and some sandboxes refuse it.

    A sandbox may refuse it as ``EPERM``, which nothing else does for ``/``.

    Args:
        system: As `sys.platform` says. Elsewhere the number is of another call.
        ask: How it is called.
    """
    if system != "linux":
        return False
    root = os.open("/", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.close(ask(root, ".", os.O_PATH | os.O_DIRECTORY))
    except OSError as error:
        if error.errno in {errno.ENOSYS, errno.EPERM}:
            return False
        raise
    else:
        return True
    finally:
        os.close(root)


def created(directory: int, name: str, system: str = sys.platform) -> int | None:
    """Return when a file came to be, in nanoseconds; None where nobody knows.

    Args:
        directory: The descriptor of the directory it is in.
        name: Its name there; a link is not followed.
        system: As `sys.platform` says.
    """
    statx = getattr(_libc(), "statx", None) if system == "linux" else None
    if statx is None:
        return None
    found = ctypes.create_string_buffer(_STATX)
    where = ctypes.c_char_p(os.fsencode(name))
    if statx(directory, where, _NOFOLLOW, ctypes.c_uint(_BTIME), found) != 0:
        return None
    (mask,) = struct.unpack_from("=I", found)
    seconds, nanoseconds = _BTIME_PLACE.unpack_from(found)
    return seconds * 10**9 + nanoseconds if mask & _BTIME else None


def is_local(descriptor: int, system: str = sys.platform) -> bool:
    """Tell whether a file is surely on a disk of this machine, or in its memory.

    Args:
        descriptor: Of the file.
        system: As `sys.platform` says. Elsewhere nobody knows.
    """
    if system != "linux":
        return False
    found = _Statfs()
    return _fstatfs()(descriptor, found) == 0 and found[0] in _LOCAL
