"""Go through what is below a directory by descriptors; no link is entered."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from attrs import define, field, frozen

from ...core.errors import WitError
from .access import Access
from .errors import failure
from .limits import FileLimits
from .pin import open_folder

__all__ = (
    "Branch",
    "Counted",
    "Entry",
    "branch",
    "clear",
    "in_unicode",
    "kind_of",
    "walk",
)

_KINDS: Final = {
    stat.S_IFREG: "regular",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symlink",
    stat.S_IFBLK: "block-device",
    stat.S_IFCHR: "char-device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


@frozen
class Entry:
    """Something below a directory."""

    name: str
    """Its path below the directory that was asked for."""
    kind: str
    directory: int
    """The descriptor of the directory it is in, as long as the walk stands there."""

    @property
    def last(self) -> str:
        """Its own name."""
        return self.name.rpartition("/")[2]


def kind_of(mode: int) -> str:
    """Return the WIT word for a file's type."""
    return _KINDS.get(stat.S_IFMT(mode), "unknown")


def in_unicode(name: str) -> bool:
    """Tell whether a name can be written in WIT, whose strings are Unicode."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


@define
class Counted:
    """Counts the entries of a listing or a tree against the limits."""

    limits: FileLimits
    count: int = field(default=0, init=False)
    size: int = field(default=0, init=False)

    def entries(self, directory: int, before: int = 0) -> list[tuple[str, str]]:
        """Return names and types in a directory, sorted.

        Args:
            directory: Its descriptor.
            before: Characters of the path before each name in the listing.

        Raises:
            WitError: There are more than the limits allow.
            OSError: The system could not.
        """
        found: list[tuple[str, str]] = []
        with os.scandir(directory) as listing:
            for entry in listing:
                self.count += 1
                self.size += before + len(entry.name)
                if self.count > self.limits.entries:
                    raise _too_much(f"{self.limits.entries} entries")
                if self.size > self.limits.names:
                    raise _too_much(f"{self.limits.names} characters of names")
                found.append((entry.name, _kind(entry)))
        return sorted(found)


def _kind(entry: os.DirEntry[str]) -> str:
    # These three need no look at the file: the directory holds them.
    if entry.is_symlink():
        return "symlink"
    if entry.is_dir(follow_symlinks=False):
        return "directory"
    if entry.is_file(follow_symlinks=False):
        return "regular"
    try:
        return kind_of(entry.stat(follow_symlinks=False).st_mode)
    except OSError:
        return "unknown"


def _too_much(limit: str) -> WitError:
    return failure("resource-exhausted", f"there are more than {limit}")


def walk(
    access: Access,
    directory: int,
    path: str,
    depth: int | None = None,
    before: int = 0,
) -> Iterator[Entry]:
    """Go through what is below a directory, into what the caller may list.

    Args:
        access: The call's way.
        directory: Its descriptor.
        path: Its canonical path.
        depth: So many levels; None: all, and those beyond the limit are an error.
        before: Characters of the path before each name in the listing.

    Raises:
        WitError: There is more than the limits allow.
        OSError: The system could not list the directory itself.
    """
    counted = Counted(access.limits)
    yield from _walk(access, directory, path, "", depth, counted, before)


def _walk(
    access: Access,
    directory: int,
    path: str,
    prefix: str,
    depth: int | None,
    counted: Counted,
    before: int,
) -> Iterator[Entry]:
    if depth == 0:
        return
    if prefix.count("/") == access.limits.depth:
        raise _too_much(f"{access.limits.depth} levels")
    for name, kind in counted.entries(directory, before + len(prefix)):
        access.go_on()
        yield Entry(prefix + name, kind, directory)
        below = f"{path.rstrip('/')}/{name}"
        if kind != "directory" or depth == 1 or not access.may("list", below):
            continue
        try:
            opened = open_folder(directory, name)
        except OSError:
            # It is gone, or another thing now, or the host may not: not entered.
            continue
        try:
            if not access.may_enter(below, opened):
                continue
            deeper = None if depth is None else depth - 1
            yield from _walk(
                access, opened, below, f"{prefix}{name}/", deeper, counted, before
            )
        finally:
            os.close(opened)


# --- all of it --------------------------------------------------------------------


@frozen
class Branch:
    """A directory of which every entry was checked."""

    identity: tuple[int, int]
    """Device and number, so that another one in its place is noticed."""
    entries: Mapping[str, Branch | None]
    """What is in it; None for what is no directory."""


def branch(access: Access, directory: int, check: Callable[[str], object]) -> Branch:
    """Check what is below a directory, all of it.

    Args:
        access: The call's way.
        directory: Its descriptor.
        check: Called with the path of each entry below it, such as ``/a/b``; raises
            where the caller may not do what it is about to do.

    Raises:
        WitError: Something is not granted, or there is more than the limits allow.
        OSError: The system could not list it.
    """
    return _branch(access, directory, check, "", Counted(access.limits))


def _branch(
    access: Access,
    directory: int,
    check: Callable[[str], object],
    prefix: str,
    counted: Counted,
) -> Branch:
    if prefix.count("/") == access.limits.depth:
        raise _too_much(f"{access.limits.depth} levels")
    found: dict[str, Branch | None] = {}
    for name, kind in counted.entries(directory, len(prefix)):
        access.go_on()
        below = f"{prefix}/{name}"
        check(below)
        found[name] = None
        if kind == "directory":
            opened = open_folder(directory, name)
            try:
                found[name] = _branch(access, opened, check, below, counted)
            finally:
                os.close(opened)
    now = os.fstat(directory)
    return Branch((now.st_dev, now.st_ino), found)


def clear(access: Access, directory: int, checked: Branch) -> None:
    """Remove what was checked, and nothing that has come since.

    Args:
        access: The call's way.
        directory: The descriptor of the directory to empty.
        checked: What was in it.

    Raises:
        OSError: The system could not, or something has come or changed.
    """
    for name, below in checked.entries.items():
        access.go_on()
        if below is None:
            os.unlink(name, dir_fd=directory)
            continue
        opened = open_folder(directory, name)
        try:
            now = os.fstat(opened)
            if (now.st_dev, now.st_ino) != below.identity:
                raise failure("io-error", "a directory was replaced meanwhile")
            clear(access, opened, below)
        finally:
            os.close(opened)
        os.rmdir(name, dir_fd=directory)
