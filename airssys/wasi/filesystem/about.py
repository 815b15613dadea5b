"""Tell what is known of a file as WASI has it, and change its times."""

from __future__ import annotations

import errno
import os
import stat
from hashlib import blake2b
from typing import Any, Final

from attrs import frozen

from ...core.errors import WitError
from ...host.filesystem.about import nanoseconds, touchable
from ...host.filesystem.access import Access
from ...host.filesystem.resolve import Folder, Moved, Place
from ...witmodel.records import timestamp
from ...witmodel.types import Variant
from .codes import coded

__all__ = ("Times", "hash_of", "kind_of", "look_at", "stat_of", "touch")

_KINDS: Final = {
    stat.S_IFREG: "regular-file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "symbolic-link",
    stat.S_IFBLK: "block-device",
    stat.S_IFCHR: "character-device",
    stat.S_IFIFO: "fifo",
    stat.S_IFSOCK: "socket",
}


def kind_of(mode: int) -> str:
    """Return WASI's word for a file's type."""
    return _KINDS.get(stat.S_IFMT(mode), "unknown")


def stat_of(found: os.stat_result) -> dict[str, object]:
    """Return a ``descriptor-stat`` record."""
    return {
        "type": kind_of(found.st_mode),
        "link_count": found.st_nlink,
        "size": found.st_size,
        "data_access_timestamp": timestamp(found.st_atime_ns),
        "data_modification_timestamp": timestamp(found.st_mtime_ns),
        "status_change_timestamp": timestamp(found.st_ctime_ns),
    }


def hash_of(found: os.stat_result, secret: bytes) -> dict[str, int]:
    """Return a ``metadata-hash-value``: the same for one file, whatever is in it.

    Guests of the preview1 adapter have it as the number of an inode, so that the time
    and the size, which WASI would allow, are not in it.

    Args:
        found: What is known of the file: its device and number are hashed.
        secret: So that these two cannot be found out.
    """
    whole = b"%d %d" % (found.st_dev, found.st_ino)
    digest = blake2b(whole, digest_size=16, key=secret).digest()
    return {
        "lower": int.from_bytes(digest[:8], "little"),
        "upper": int.from_bytes(digest[8:], "little"),
    }


def look_at(access: Access, path: str, folder: Folder, *, follow: bool) -> Any:
    """Return what the system knows of what a path leads to. In a thread.

    Raises:
        WitError: No grant covers it, or it leads out.
        Moved: It is another than it was a moment ago.
        OSError: There is nothing, or the host may not look.
    """
    place = access.ask(
        path, "read", "list", either=True, folders=True, follow=follow, beneath=folder
    )
    with access.held(place) as (directory, name):
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        access.check_folder(place, found, path)
        _check_kind(found, place, follow=follow)
        return found


def _check_kind(found: os.stat_result, place: Place, *, follow: bool) -> None:
    if stat.S_ISLNK(found.st_mode) and (follow or place.folder):
        raise Moved(place.path)
    if place.folder and not stat.S_ISDIR(found.st_mode):
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))


@frozen
class Times:
    """When a file is to have been used and changed last, in nanoseconds."""

    accessed: int | None
    """None: when it was."""
    modified: int | None

    @classmethod
    def of(cls, accessed: Variant, modified: Variant, now: int) -> Times:
        """Return what a guest gives as ``new-timestamp``.

        Raises:
            WitError: The system has no such moment.
        """
        try:
            return cls(_moment(accessed, now), _moment(modified, now))
        except WitError as error:
            raise coded(error) from error

    def over(self, found: os.stat_result) -> tuple[int, int]:
        """Return both, those of a file where they are not to change."""
        return (
            found.st_atime_ns if self.accessed is None else self.accessed,
            found.st_mtime_ns if self.modified is None else self.modified,
        )


def _moment(given: Variant, now: int) -> int | None:
    match given.case:
        case "no-change":
            return None
        case "now":
            return now
        case _:
            moment: Any = given.value
            return nanoseconds(moment)


def touch(
    access: Access, path: str, folder: Folder, times: Times, *, follow: bool
) -> None:
    """Change the times of what a path leads to. In a thread.

    Raises:
        WitError: No grant covers it, it leads out, or it may not be changed.
        Moved: It is another than it was a moment ago.
        OSError: There is nothing, or the host may not.
    """
    place = access.ask(path, "write", follow=follow, beneath=folder)
    if not follow:
        with access.held(place) as (directory, name):
            found = os.stat(name, dir_fd=directory, follow_symlinks=False)
            _check_kind(found, place, follow=follow)
            if stat.S_ISLNK(found.st_mode):
                os.utime(
                    name, ns=times.over(found), dir_fd=directory, follow_symlinks=False
                )
                return
    with touchable(access, place, path) as (target, found):
        os.utime(target, ns=times.over(found))
