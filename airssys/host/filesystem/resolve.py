"""Find out where a path leads, as the kernel would go, and open nothing.

Links and ``..`` are followed on the disk. What comes out is text for a check; what is
done afterwards is done through `pinned`, since the disk may have changed meanwhile.

Nothing is opened here, as to open can have effects (a device, a pipe, an automount) and
the path is not known to be granted yet. Nor does an error leave before the check: that
there is no such file is no business of a guest that may not look. So the walk goes on
as text where the disk ends, and a `Place` keeps the problem for later.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from typing import Final

from attrs import define, field, frozen

from .spelling import spelled

__all__ = (
    "LONGEST",
    "Folder",
    "InvalidPath",
    "Moved",
    "Place",
    "check_path",
    "resolve",
)

LONGEST: Final = 4095
"""Bytes of a path: what Linux takes."""
_MOST_LINKS: Final = 40
"""Symbolic links in one path: Linux's limit."""
_MOST_NAMES: Final = 2048
"""Names that are looked up for one path, those in links with it: more than any path
has. Each takes as long as what is before it, which the kernel walks again."""
_MAGIC: Final = "/proc"


class Moved(Exception):
    """A path changed between its check and its use: it is to be resolved again."""


class InvalidPath(ValueError):
    """A text that cannot be a path."""


@frozen
class Folder:
    """A directory that paths begin at and may not lead out of."""

    path: str
    """Canonical."""
    identity: tuple[int, int] | None = None
    """Its device and number; None: whatever directory is there."""

    def is_there(self) -> bool:
        """Tell whether it is still what its path leads to. It blocks."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        return self.identity in {None, (found.st_dev, found.st_ino)}


@frozen
class Place:
    """Where a path leads."""

    path: str
    """Absolute, without links, ``.``, ``..`` and doubled slashes. Where the path leads
    nowhere, its rest is added as it is written."""
    problem: int = 0
    """The error number for which the kernel would not go there; 0: it would. A missing
    last name is no problem."""
    folder: bool = False
    """Whether the path ended in a slash, so that it must be a directory."""
    left: tuple[str, ...] = ()
    """Directories that were named only to be left again by ``..``."""
    magic: bool = False
    """Whether it goes through a link of a process in ``/proc``; a problem, too."""
    outside: bool = False
    """Whether it leads out of the folder it must stay in; then it ends where it would
    leave."""
    through: bool = False
    """Whether the caller may know of it only as a directory on the way to others."""

    def check(self) -> None:
        """Raise the problem, if there is one.

        Raises:
            OSError: There is.
        """
        if self.problem:
            raise OSError(self.problem, os.strerror(self.problem))


def check_path(path: str) -> None:
    """Refuse what no path can be.

    Raises:
        InvalidPath: It is empty, too long, holds a NUL or is no Unicode.
    """
    if not path:
        raise InvalidPath("it is empty")
    if "\0" in path:
        raise InvalidPath("it holds a NUL")
    try:
        path.encode()
        size = len(os.fsencode(path))
    except UnicodeEncodeError as error:
        raise InvalidPath("it cannot be written as a file name") from error
    if size > LONGEST:
        raise InvalidPath(f"it has {size} bytes (at most {LONGEST})")


def resolve(
    path: str,
    *,
    start: str = "/",
    follow: bool = True,
    leads: Callable[[str], bool] | None = None,
    beneath: Folder | None = None,
) -> Place:
    """Follow a path on the disk. It blocks, so it belongs into a thread.

    Args:
        path: Absolute, or relative to ``start``.
        start: An absolute path.
        follow: Whether a link in the last place is followed too. It is anyway where a
            slash comes after it.
        leads: Tells whether grants lead through a directory. The first that is left
            again and that none does is where this ends: the path is not allowed, and
            how long the rest took would tell of it.
        beneath: Where it starts instead of ``start``, and must stay: neither ``..`` nor
            a link leads out of it, and no absolute path or link is followed.

    Raises:
        InvalidPath: The text cannot be a path.
        Moved: Something on the way changes at this moment.
    """
    check_path(path)
    if beneath is not None:
        return _resolve_beneath(path, beneath, follow, leads)
    walk = _Walk(leads)
    if not path.startswith("/"):
        walk.go(start, follow=True, ends=False)
        walk.begin(start)
    walk.go(path, follow=follow)
    return walk.place


def _resolve_beneath(
    path: str,
    folder: Folder,
    follow: bool,  # noqa: FBT001 - as of `resolve`
    leads: Callable[[str], bool] | None,
) -> Place:
    names = [name for name in folder.path.split("/") if name]
    walk = _Walk(leads, at=names, proved=len(names), floor=len(names))
    if path.startswith("/"):
        walk.outside = True
        return walk.place
    if not folder.is_there():
        walk.problem = errno.ENOENT
    walk.go(path, follow=follow)
    return walk.place


@define
class _Walk:
    leads: Callable[[str], bool] | None = None
    at: list[str] = field(factory=list)
    proved: int = 0
    """How many of the names in `at` the guest knows to exist already, so that leaving
    them again by ``..`` gives nothing away."""
    names: int = 0
    links: int = 0
    problem: int = 0
    folder: bool = False
    dot: bool = False
    """Whether the path ends in ``.``: what that is in must be there, then."""
    left: list[str] = field(factory=list)
    proc: int | None = None
    """The device of ``/proc``, where the path goes through it."""
    magic: bool = False
    floor: int | None = None
    """How many names of `at` are never left; None: it may lead anywhere."""
    outside: bool = False

    @property
    def place(self) -> Place:
        left = tuple(dict.fromkeys(self.left))
        path = "/" + "/".join(self.at)
        return Place(path, self.problem, self.folder, left, self.magic, self.outside)

    def begin(self, start: str) -> None:
        """Go on from the start: the guest knows its names, unless one is a link."""
        self.folder = self.dot = False
        if self.place.path == start:
            self.proved, self.left = len(self.at), []

    def go(self, path: str, *, follow: bool, ends: bool = True) -> None:
        pending = self._pending(path)
        while pending and not self.outside:
            name = pending.pop()
            if name == "..":
                if len(self.at) == self.floor:
                    self.outside = True
                    return
                # ``/secret/../public`` tells, by working, that there is a ``/secret``.
                # So directories that are left again are kept for a check of their own,
                # but for those that the start, or a link on the way, has shown already.
                if len(self.at) > self.proved:
                    self.left.append(left := "/" + "/".join(self.at))
                    if self.leads is not None and not self.leads(left):
                        return
                del self.at[-1:]
                self.proved = min(self.proved, len(self.at))
            elif self.problem:
                self.at.append(name)
            else:
                last = ends and not pending and not self.dot
                self._enter(name, pending, last=last, follow=follow)

    def _pending(self, text: str) -> list[str]:
        """Return the names of a text that ends the path, the first one last."""
        names = text.split("/")
        self.folder = self.folder or names[-1] in {"", ".", ".."}
        self.dot = self.dot or text.rstrip("/").endswith("/.")
        return [name for name in reversed(names) if name not in {"", "."}]

    def _enter(
        self, name: str, pending: list[str], *, last: bool, follow: bool
    ) -> None:
        self.at.append(name)
        self.names += 1
        if self.names > _MOST_NAMES:
            self.problem = errno.ENAMETOOLONG
            return
        here = "/" + "/".join(self.at)
        try:
            found = os.lstat(here)
            self.at[-1] = spelled(here[: -len(name) - 1], name, found)
        except OSError as error:
            if not (last and error.errno == errno.ENOENT):
                self.problem = error.errno or errno.EIO
            return
        if self.at[-1] != name:
            here = "/" + "/".join(self.at)
        if here == _MAGIC:
            self.proc = found.st_dev
        if stat.S_ISLNK(found.st_mode):
            if not last or follow or self.folder:
                self._follow(here, pending, found)
        elif not last and not stat.S_ISDIR(found.st_mode):
            self.problem = errno.ENOTDIR

    def _follow(self, here: str, pending: list[str], found: os.stat_result) -> None:
        self.links += 1
        # A magic link leads to what a process holds, whatever its text says.
        self.magic = found.st_dev == self.proc and len(self.at) > 2
        if self.magic or self.links > _MOST_LINKS:
            self.problem = errno.ELOOP
            return
        try:
            target = os.readlink(here)  # noqa: PTH115 - its text as it is
        except OSError as error:
            if error.errno in {errno.EINVAL, errno.ENOENT}:
                raise Moved(here) from error
            self.problem = error.errno or errno.EIO
            return
        if self.floor is not None and target.startswith("/"):
            self.outside = True
            return
        # The target's names go before what is left of the path; a relative target is
        # relative to where the link is, which is canonical already.
        self.at = [] if target.startswith("/") else self.at[:-1]
        self.proved = len(self.at)
        before, folder, dot = list(pending), self.folder, self.dot
        pending[:] = [*before, *self._pending(target)]
        if before:
            self.folder, self.dot = folder, dot
