"""Open a directory so that what was checked is what is used.

Between the check of a path and its use anybody can put a link where a directory was
(a race of "time of check to time of use"). So a path goes through three steps:

1. `resolve` follows it as the kernel would, links and ``..`` and all. What comes out is
   text without any of these, and that text is matched with the grants.
2. Here the directory of that text is opened, without following any link. If one was put
   in since, opening fails, as nothing in the text was a link: then all is done again.
3. What is done is done to the last name below that descriptor (``dir_fd``), without
   following it either. Whatever is renamed meanwhile, the descriptor stays where it is.

So what was matched is what is used. A path that changes again and again is given up
after a few times (`Access.settle`).
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeAlias

from .linux import open_canonical, openat2_works
from .resolve import Moved

__all__ = (
    "SUPPORTED",
    "Pin",
    "best_pin",
    "look",
    "open_folder",
    "pin_at_once",
    "pin_by_walk",
    "pinned",
)

Pin: TypeAlias = Callable[[str], int]
"""Takes a canonical absolute path of a directory, returns a descriptor of it."""

SUPPORTED: Final = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
"""Whether the system can work relative to descriptors at all."""

_DIRECTORY: Final = (
    getattr(os, "O_PATH", os.O_RDONLY)
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
)
_LISTING: Final = (
    os.O_RDONLY
    | getattr(os, "O_DIRECTORY", 0)
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_CLOEXEC", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_CHANGED: Final = {
    errno.ELOOP,
    errno.ENOTDIR,
    errno.ENOENT,
    errno.EXDEV,
    errno.EAGAIN,
    errno.EINTR,
}


def pin_at_once(path: str) -> int:
    """Open a directory with openat2: one step, whatever the path's length.

    Raises:
        OSError: As the kernel says; ``ELOOP`` where any part is a link.
    """
    # RESOLVE_NO_SYMLINKS: the kernel itself makes step 2 one, with no moment between
    # two names of the path. It begins at the root, and the text has no ``..``.
    return open_canonical(path, _DIRECTORY)


def pin_by_walk(path: str) -> int:
    """Open a directory name by name, where there is no openat2.

    Raises:
        OSError: As the kernel says; ``ENOTDIR`` or ``ELOOP`` where any part is a link.
    """
    # Each name is opened below the descriptor of the one before, with O_NOFOLLOW: a
    # link fails wherever it is, and what is held cannot be swapped, unlike a path. The
    # text has no ``..``, which could lead out of a directory that was moved.
    at = os.open("/", _DIRECTORY)
    for name in path.split("/"):
        if name:
            try:
                below = os.open(name, _DIRECTORY, dir_fd=at)
            finally:
                os.close(at)
            at = below
    return at


def best_pin(*, at_once: bool | None = None) -> Pin:
    """Return the better way that this system has.

    Args:
        at_once: Whether it has openat2; by default it is asked.
    """
    if at_once is None:
        at_once = openat2_works()
    return pin_at_once if at_once else pin_by_walk


@contextmanager
def pinned(pin: Pin, path: str) -> Iterator[tuple[int, str]]:
    """Hold the directory of a path: its descriptor, and the name in it.

    Args:
        pin: How to open it.
        path: Canonical and absolute. Of ``/`` the name is ``.``.

    Raises:
        Moved: The path does not lead where it led.
        OSError: The host may not go there.
    """
    parent, _, name = path.rpartition("/")
    try:
        directory = pin(parent or "/")
    except OSError as error:
        if error.errno in _CHANGED:
            raise Moved(path) from error
        raise
    try:
        yield directory, name or "."
    finally:
        os.close(directory)


def look(directory: int, name: str) -> os.stat_result:
    """Return what is under a name of which every link was followed already.

    Args:
        directory: The descriptor of the directory.
        name: The name in it.

    Raises:
        Moved: It is a link now.
        OSError: There is nothing.
    """
    found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if stat.S_ISLNK(found.st_mode):
        raise Moved(name)
    return found


def open_folder(directory: int, name: str) -> int:
    """Open a directory inside another one, to list it; no link is followed.

    Raises:
        OSError: It is no directory, or the host may not.
    """
    return os.open(name, _LISTING, dir_fd=directory)
