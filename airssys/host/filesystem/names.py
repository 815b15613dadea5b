"""Make, remove and rename what is at places that were asked for; in a thread."""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

from attrs import evolve

from .access import Access, Action
from .open_file import check_changeable, relied_on
from .pin import open_folder
from .resolve import Folder, Place
from .tree import branch

__all__ = (
    "entry",
    "hard_link",
    "make_folder",
    "make_symlink",
    "read_symlink",
    "remove_file",
    "remove_folder",
    "rename",
)

_VISIBLE: Final[tuple[Action, ...]] = ("read", "list")


def entry(
    access: Access,
    path: str,
    *actions: Action,
    beneath: Folder | None = None,
    named: bool = False,
) -> Place:
    """Ask for an entry of a directory, which is to be made, removed or renamed.

    A link is not followed: also before a slash it is the link that is meant, or that is
    in the way, and never what it leads to.

    Args:
        access: The call's way.
        path: As of `Access.ask`.
        actions: As of `Access.ask`.
        beneath: As of `Access.ask`.
        named: Whether the path must end in a name: nothing is removed or renamed by
            ``.`` or ``..``.

    Raises:
        WitError: As of `Access.ask`.
        OSError: As of `Access.ask`; or it ends in no name (``EINVAL``).
    """
    bare = path.rstrip("/") or path
    place = access.ask(bare, *actions, follow=False, beneath=beneath)
    if named and bare.rpartition("/")[2] in {".", ".."}:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
    return place if bare == path else evolve(place, folder=True)


def remove_file(access: Access, place: Place) -> None:
    """Remove what is no directory, after a check that the caller may delete it.

    Raises:
        OSError: It is a directory, or the system could not.
    """
    with access.held(place) as (directory, name):
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if place.folder:
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        os.unlink(name, dir_fd=directory)


def make_folder(access: Access, place: Place, mode: int) -> None:
    """Make a directory, after a check that the caller may write there.

    Raises:
        OSError: There is something, or the system could not.
    """
    with access.held(place) as (directory, name):
        os.mkdir(name, mode, dir_fd=directory)


def remove_folder(access: Access, place: Place) -> None:
    """Remove an empty directory, after a check that the caller may delete it.

    Raises:
        OSError: It is none, it is not empty, or the system could not.
    """
    with access.held(place) as (directory, name):
        os.rmdir(name, dir_fd=directory)


def make_symlink(access: Access, place: Place, target: str) -> None:
    """Make a link, after a check that the caller may write there.

    Raises:
        OSError: There is something, or the system could not.
    """
    with access.held(place) as (directory, name):
        _check_new(directory, name, place)
        os.symlink(target, name, dir_fd=directory)


def _check_new(directory: int, name: str, place: Place) -> None:
    """Check that nothing has the name; for what will be no directory, as Linux does.

    Raises:
        OSError: Something has it, or there is a slash at its end.
    """
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        if place.folder:
            raise
    else:
        raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))


def read_symlink(access: Access, place: Place) -> str:
    """Return a link's text, after a check that the caller may read or list it.

    Raises:
        OSError: It is no link, or the system could not.
    """
    with access.held(place) as (directory, name):
        return os.readlink(name, dir_fd=directory)


def rename(access: Access, source: Place, target: Place, *, old: str, new: str) -> None:
    """Give something another name, after a check of all that is below it.

    Args:
        access: The call's way.
        source: What the caller may write and delete.
        target: Where it may write.
        old: The path of the source as the guest gave it.
        new: That of the target.

    Raises:
        WitError: Something below may not be moved.
        OSError: The system could not.
    """

    def check(below: str) -> None:
        before, after = source.path + below, target.path + below
        shown = access.named(source, old, below)
        access.demand_all(
            (
                ("delete", before, shown),
                ("write", before, shown),
                ("write", after, access.named(target, new, below)),
                *_also_visible(access, before, after, shown),
            )
        )

    check("")
    with access.held(source) as (before, name), access.held(target) as (after, other):
        found = os.stat(name, dir_fd=before, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            opened = open_folder(before, name)
            try:
                branch(access, opened, check)
            finally:
                os.close(opened)
        elif source.folder or target.folder:
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        _check_replaced(access, after, other, target, new)
        os.rename(name, other, src_dir_fd=before, dst_dir_fd=after)


def _also_visible(
    access: Access, before: str, after: str, shown: str
) -> list[tuple[Action, str, str]]:
    """Return what must be allowed by an old name, as it is by the new one."""
    return [(action, before, shown) for action in _VISIBLE if access.may(action, after)]


def _check_replaced(
    access: Access, directory: int, name: str, place: Place, shown: str
) -> None:
    """Check that a caller may remove what it puts something in the place of.

    A file that it could empty by writing to it, it may replace as well. Links, devices,
    sockets, directories and what others rely on are removed by that: as `delete-file`
    does.
    """
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    plain = stat.S_ISREG(found.st_mode) and not relied_on(found)
    if not plain or not os.access(name, os.W_OK, dir_fd=directory):
        access.demand("delete", place.path, shown)


def hard_link(access: Access, source: Place, target: Place, *, old: str) -> None:
    """Give a file a second name, after a check that the caller may write by both.

    While it has two names nobody may write to it by this package. Once the old one is
    removed the new one is all that its content is judged by, so that whoever may read
    or write by the new name must have been allowed to by the old one.

    Args:
        access: The call's way.
        source: The file, which the caller may write to.
        target: Where it may write; nothing is there.
        old: The path of the source as the guest gave it.

    Raises:
        WitError: The caller may not, or others rely on the file.
        OSError: It is a directory (``EPERM``), or the system could not.
    """
    access.demand_all(_also_visible(access, source.path, target.path, old))
    with access.held(source) as (before, name), access.held(target) as (after, other):
        found = os.stat(name, dir_fd=before, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))
        if source.folder:
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        _check_new(after, other, target)
        check_changeable(access, found, old, source)
        os.link(name, other, src_dir_fd=before, dst_dir_fd=after, follow_symlinks=False)
