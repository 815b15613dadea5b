"""Let guests use paths below a directory: ``wasi:filesystem/types``, by its names."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any, ClassVar, Final, TypeVar

from attrs import define

from ...core.errors import WitError
from ...host.filesystem.access import Access, Action
from ...host.filesystem.names import (
    entry,
    hard_link,
    make_folder,
    make_symlink,
    read_symlink,
    remove_file,
    remove_folder,
    rename,
)
from ...host.filesystem.resolve import LONGEST, Folder, Place
from ...host.filesystem.tree import in_unicode
from ...host.handles import hold_handle
from ...hostcalls.call import Call
from ...hostcalls.declare import Inside, operation
from ...witmodel.types import Variant
from ..context import context_of
from ..outside import Outside
from .about import Times, hash_of, look_at, stat_of, touch
from .codes import coded, told
from .descriptor import Descriptor, Directory, SharedFile
from .listing import DirectoryEntryStream, Listing, open_listing
from .opening import Opened, Wanted, open_below, undo

__all__ = ("PathOperations",)

_T = TypeVar("_T")
_NEW: Final = 0o777
"""The permissions of a new directory, less the host's umask."""
_FOLLOW: Final = "symlink-follow"


def _inside(*actions: Action, how: str = "on the path as it is resolved") -> Inside:
    return Inside(tuple(f"filesystem.{action}" for action in actions), how)


_LOOK: Final = _inside(
    *("read", "list"),
    how="one of them, on the path as it is resolved; none of them for a directory that "
    "grants lead through",
)


@define(eq=False)
class PathOperations:
    """Those of ``wasi:filesystem/types`` that begin at a directory."""

    interface: ClassVar[str] = "wasi:filesystem/types@0.2.12"
    outside: Outside

    # Open.

    @operation(
        "[method]descriptor.open-at",
        needs=_inside(
            *("read", "write", "list"),
            how="by the flags, on the path as it is resolved; of a directory `read` or "
            "`list`, or that grants lead through it",
        ),
    )
    async def open_at(
        self,
        call: Call,
        self_: Descriptor,
        path_flags: AbstractSet[str],
        path: str,
        open_flags: AbstractSet[str],
        flags: AbstractSet[str],
    ) -> Descriptor:
        directory = self_.directory
        _check_path(path)
        wanted = Wanted(_FOLLOW in path_flags, frozenset(open_flags), frozenset(flags))
        wanted.check()
        if "mutate-directory" in flags and not self._changes(call, directory):
            folder = directory.folder.path
            reason = "nothing in it may be written or deleted"
            attempt = f"change what is in {folder!r}"
            self.outside.gate.refused(call, attempt, reason, path)
            raise WitError("read-only")
        give_back = self._handle(call, "open another file")
        work = partial(open_below, path=path, folder=directory.folder, wanted=wanted)
        try:
            opened = await self._run(
                call,
                path,
                work,
                undo,
                changes=(directory,),
                looks=None if wanted.changes else directory,
            )
        except BaseException:
            give_back()
            raise
        return self._descriptor(call, directory, path, opened, wanted, give_back)

    def _descriptor(
        self,
        call: Call,
        directory: Directory,
        path: str,
        opened: Opened,
        wanted: Wanted,
        give_back: Callable[[], object],
    ) -> Descriptor:
        shown = _shown(directory.shown, path)
        if opened.file is None:
            folder = Folder(opened.path, opened.identity)
            return Descriptor(Directory(folder, shown), give_back)
        opened.file.shown = shown
        opened.file.release, opened.file.owner = give_back, call.standing
        flags = wanted.flags - {"mutate-directory"}
        if opened.file.mode.reads:
            flags |= {"read"}
        return Descriptor(
            SharedFile(self.outside.disk, opened.file, opened.identity, flags)
        )

    @operation(
        "[method]descriptor.read-directory",
        needs=_inside("list", how="on the directory"),
    )
    async def read_directory(
        self, call: Call, self_: Descriptor
    ) -> DirectoryEntryStream:
        directory = self_.directory
        give_back = self._handle(call, "list another directory")
        work = partial(open_listing, folder=directory.folder)
        try:
            listing = await self._run(call, ".", work, Listing.close)
        except BaseException:
            give_back()
            raise
        return DirectoryEntryStream(
            self.outside.disk, listing, directory.shown, give_back
        )

    @operation(
        "[method]directory-entry-stream.read-directory-entry",
        needs=_inside("list", how="on the directory it was opened for"),
    )
    async def read_directory_entry(
        self, call: Call, self_: DirectoryEntryStream
    ) -> dict[str, str] | None:
        return await self_.next(call)

    # Look.

    @operation("[method]descriptor.stat-at", needs=_LOOK)
    async def stat_at(
        self, call: Call, self_: Descriptor, path_flags: AbstractSet[str], path: str
    ) -> dict[str, object]:
        return stat_of(await self._look(call, self_, path_flags, path))

    @operation("[method]descriptor.metadata-hash-at", needs=_LOOK)
    async def metadata_hash_at(
        self, call: Call, self_: Descriptor, path_flags: AbstractSet[str], path: str
    ) -> dict[str, int]:
        found = await self._look(call, self_, path_flags, path)
        return hash_of(found, self.outside.secret)

    async def _look(
        self, call: Call, self_: Descriptor, path_flags: AbstractSet[str], path: str
    ) -> Any:
        directory = self_.directory
        work = partial(
            look_at, path=path, folder=directory.folder, follow=_FOLLOW in path_flags
        )
        return await self._run(call, path, work, looks=directory)

    @operation(
        "[method]descriptor.readlink-at",
        needs=_inside("read", "list", how="one of them, on the link"),
    )
    async def readlink_at(self, call: Call, self_: Descriptor, path: str) -> str:
        directory = self_.directory
        work = partial(_read_link, path=path, folder=directory.folder)
        return await self._run(call, path, work)

    # Change.

    @operation("[method]descriptor.set-times-at", needs=_inside("write"))
    async def set_times_at(
        self,
        call: Call,
        self_: Descriptor,
        path_flags: AbstractSet[str],
        path: str,
        accessed: Variant,
        modified: Variant,
    ) -> None:
        directory = self_.directory
        times = Times.of(accessed, modified, context_of(call).clock.wall())
        work = partial(
            touch,
            path=path,
            folder=directory.folder,
            times=times,
            follow=_FOLLOW in path_flags,
        )
        await self._run(call, path, work, changes=(directory,))

    @operation("[method]descriptor.create-directory-at", needs=_inside("write"))
    async def create_directory_at(
        self, call: Call, self_: Descriptor, path: str
    ) -> None:
        folder = self_.directory.folder

        def work(access: Access) -> None:
            make_folder(access, entry(access, path, "write", beneath=folder), _NEW)

        await self._run(call, path, work, changes=(self_.directory,))

    @operation("[method]descriptor.remove-directory-at", needs=_inside("delete"))
    async def remove_directory_at(
        self, call: Call, self_: Descriptor, path: str
    ) -> None:
        folder = self_.directory.folder
        _check_path(path)
        _check_name(path, "invalid")

        def work(access: Access) -> None:
            remove_folder(access, entry(access, path, "delete", beneath=folder))

        await self._run(call, path, work, changes=(self_.directory,))

    @operation("[method]descriptor.unlink-file-at", needs=_inside("delete"))
    async def unlink_file_at(self, call: Call, self_: Descriptor, path: str) -> None:
        folder = self_.directory.folder

        def work(access: Access) -> None:
            remove_file(access, entry(access, path, "delete", beneath=folder))

        await self._run(call, path, work, changes=(self_.directory,))

    @operation(
        "[method]descriptor.rename-at",
        needs=_inside(
            *("read", "write", "delete", "list"),
            how="`delete` and `write` on the old path, `write` on the new one, and "
            "`delete` where something is there that `write` could not empty; what else "
            "is granted on the new one, on the old one too",
        ),
    )
    async def rename_at(
        self,
        call: Call,
        self_: Descriptor,
        old_path: str,
        new_descriptor: Descriptor,
        new_path: str,
    ) -> None:
        before, after = self_.directory, new_descriptor.directory
        _check_path(old_path)
        _check_path(new_path)
        _check_name(old_path, "busy")
        _check_name(new_path, "busy")

        def work(access: Access) -> None:
            source = entry(access, old_path, "delete", "write", beneath=before.folder)
            target = entry(access, new_path, "write", beneath=after.folder)
            rename(access, source, target, old=old_path, new=new_path)

        await self._run(call, old_path, work, changes=(before, after))

    @operation(
        "[method]descriptor.link-at",
        needs=_inside(
            *("read", "write", "list"),
            how="`write` on both paths; what else is granted on the new one, on the "
            "old one too",
        ),
    )
    async def link_at(
        self,
        call: Call,
        self_: Descriptor,
        old_path_flags: AbstractSet[str],
        old_path: str,
        new_descriptor: Descriptor,
        new_path: str,
    ) -> None:
        before, after = self_.directory, new_descriptor.directory
        _check_path(new_path)
        if _FOLLOW in old_path_flags:
            raise WitError("invalid")  # no host of WASI does that

        def work(access: Access) -> None:
            source = access.ask(old_path, "write", follow=False, beneath=before.folder)
            target = entry(access, new_path, "write", beneath=after.folder)
            hard_link(access, source, target, old=old_path)

        await self._run(call, old_path, work, changes=(before, after))

    @operation("[method]descriptor.symlink-at", needs=_inside("write"))
    async def symlink_at(
        self, call: Call, self_: Descriptor, old_path: str, new_path: str
    ) -> None:
        directory = self_.directory
        _check_path(old_path)
        work = partial(
            _make_link, target=old_path, path=new_path, folder=directory.folder
        )
        await self._run(call, new_path, work, changes=(directory,))

    # How it is done.

    def _handle(self, call: Call, needed: str) -> Callable[[], object]:
        try:
            return hold_handle(self.outside.gate, call, needed)
        except WitError as error:
            raise coded(error) from error

    def _changes(self, call: Call, directory: Directory) -> bool:
        return directory.changes(call.grants, self.outside.gate.clock())

    async def _run(
        self,
        call: Call,
        path: str,
        work: Callable[[Access], _T],
        undone: Callable[[_T], object] | None = None,
        *,
        changes: Sequence[Directory] = (),
        looks: Directory | None = None,
    ) -> _T:
        """Do something with a path in a thread.

        Args:
            call: Who asks.
            path: As the guest gave it.
            work: What is done.
            undone: As of `Disk.run`.
            changes: The directories below which something is to change. Where nothing
                below one of them may, WASI's word for a denial is ``read-only``.
            looks: The directory that the path begins at, where nothing is to change.

        Raises:
            WitError: What to tell the guest.
        """
        _check_path(path)
        disk = self.outside.disk
        if looks is not None:
            whole = posixpath.join(looks.folder.path, path)
            return await told(disk.look(call, work, undone, path=whole))
        read_only = not all(self._changes(call, each) for each in changes)
        return await told(disk.run(call, work, undone), read_only=read_only)


def _check_path(path: str) -> None:
    """Refuse what POSIX has errors of its own for.

    Raises:
        WitError: It is empty, or too long.
    """
    if not path:
        raise WitError("no-entry")
    if len(path) > LONGEST or len(path.encode()) > LONGEST:
        raise WitError("name-too-long")


def _shown(folder: str, path: str) -> str:
    """Return what a guest calls something below what it calls a folder.

    From folder to folder that grows without an end where a guest goes on by ``./.``, so
    of what is longer than a path can be only the end is left.
    """
    return posixpath.join(folder, path)[-LONGEST:]


def _check_name(path: str, code: str) -> None:
    """Refuse a path that ends in ``.`` or ``..``: nothing is removed or renamed by it.

    Raises:
        WitError: It does, and leads nowhere that would be denied.
    """
    *_, last = path.rstrip("/").split("/")
    inside = not path.startswith("/") and not _is_above(posixpath.normpath(path))
    if last in {".", ".."} and inside:
        raise WitError(code)


def _read_link(access: Access, path: str, folder: Folder) -> str:
    place = access.ask(path, "read", "list", either=True, follow=False, beneath=folder)
    target = read_symlink(access, place)
    if target.startswith("/"):
        reason = "it is a link to an absolute path"
        raise access.refused("read", place.path, path, reason)
    if not in_unicode(target):
        raise WitError("illegal-byte-sequence")
    return target


def _make_link(access: Access, target: str, path: str, folder: Folder) -> None:
    place = entry(access, path, "write", beneath=folder)
    if "\0" in target:
        raise access.invalid("link to", target, "it holds a NUL")
    if target.startswith("/") or _leads_out(target, place, folder):
        reason = "its target leads out of the folder"
        raise access.refused("write", place.path, path, reason)
    make_symlink(access, place, target)


def _leads_out(target: str, place: Place, folder: Folder) -> bool:
    """Tell whether a link would lead out of a folder, as its text has it."""
    below = place.path[len(folder.path.rstrip("/")) + 1 :]
    leads = posixpath.normpath(posixpath.join(posixpath.dirname(below), target))
    return _is_above(leads)


def _is_above(path: str) -> bool:
    """Tell whether a path in normal form begins with ``..``."""
    return path == ".." or path.startswith("../")
