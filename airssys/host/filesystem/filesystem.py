"""Let guests use files: ``airssys:ext-filesystem/filesystem``."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, ClassVar, Final

from attrs import define

from ...core.errors import WitError
from ...core.grants.capabilities import Filesystem
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, interface_of, operation
from ...hostcalls.interface import HostInterface, HostResource
from ..errors import permission_denied
from ..handles import hold_handle
from .about import NINE, about, check_mode, is_there, touchable
from .access import Access, Action, Disk
from .errors import failure
from .names import (
    entry,
    make_folder,
    make_symlink,
    read_symlink,
    remove_file,
    remove_folder,
    rename,
)
from .open_file import OpenFile, drop, open_file, open_or_make, open_regular
from .pin import open_folder
from .resolve import InvalidPath, check_path
from .tree import branch, clear, in_unicode

__all__ = ("FILESYSTEM", "FilesystemOperations", "filesystem_interface")

FILESYSTEM: Final = "airssys:ext-filesystem/filesystem@1.0.0"
_MOST: Final = 2**63 - 1
_COPIED: Final = 256 * 1024
"""Bytes that a copy moves at a time; a cancelled one stops between two."""
_OWN: Final = 0o600
_OPENED: Final = "on the path it was opened by"
_RESOLVED: Final = "on the path as it is resolved"


def filesystem_interface(disk: Disk) -> HostInterface:
    """Return the interface for all components of a system."""
    file = HostResource("file", OpenFile, partial(drop, disk.workers))
    return interface_of(FilesystemOperations(disk), resources=(file,))


def _inside(*actions: Action, how: str = _RESOLVED) -> Inside:
    return Inside(tuple(f"filesystem.{action}" for action in actions), how)


_BY_MODE: Final = _inside("read", "write", how=f"by the mode, {_RESOLVED}")
_AS_OPENED: Final = _inside("read", "write", how=f"by the mode, {_OPENED}")
_EITHER: Final = _inside("read", "list", how=f"one of them, {_RESOLVED}")


@define(eq=False)
class FilesystemOperations:
    """The operations of ``airssys:ext-filesystem/filesystem``."""

    interface: ClassVar[str] = FILESYSTEM
    disk: Disk

    # Open files.

    @operation(needs=_BY_MODE)
    async def open_(self, call: Call, path: str, options: Any) -> OpenFile:
        work = partial(open_file, path=path, options=options)
        give_back = hold_handle(self.disk.gate, call, "open another file")
        try:
            file = await self.disk.run(call, work, OpenFile.close)
        except BaseException:
            give_back()
            raise
        file.release, file.owner = give_back, call.standing
        return file

    @operation("[method]file.read", needs=_inside("read", how=_OPENED))
    async def read(
        self, call: Call, file: OpenFile, max_bytes: int
    ) -> dict[str, object]:
        self._check(call, file, "read")
        if not file.mode.reads:
            raise failure("invalid-argument", f"{file.shown!r} is open for writing")
        size = min(max_bytes, self.disk.limits.transfer)
        with self.disk.errors(call, file.shown):
            data = file.read_at_once(size)
            if data is None:
                again = partial(self._check, call, file, "read")
                data = await self.disk.use(call, again, partial(file.read, size))
        return {"data": data, "bytes_read": len(data)}

    @operation("[method]file.write", needs=_inside("write", how=_OPENED))
    async def write(self, call: Call, file: OpenFile, data: bytes) -> dict[str, object]:
        self._check(call, file, "write")
        if not file.mode.writes:
            raise failure("invalid-argument", f"{file.shown!r} is open for reading")
        taken = data[: self.disk.limits.transfer]
        again = partial(self._check, call, file, "write")
        with self.disk.errors(call, file.shown):
            written = await self.disk.use(call, again, partial(file.write, taken))
        return {"bytes_written": written}

    @operation("[method]file.seek", needs=_AS_OPENED)
    def seek(self, call: Call, file: OpenFile, position: int) -> int:
        self._check(call, file, *file.mode.actions)
        if position > _MOST:
            raise failure("invalid-argument", f"no file reaches to {position}")
        file.position = position
        return position

    @operation("[method]file.tell", needs=_AS_OPENED)
    def tell(self, call: Call, file: OpenFile) -> int:
        self._check(call, file, *file.mode.actions)
        return file.position

    @operation("[static]file.close", needs=Free("gives up a file of the caller's own"))
    async def close(self, call: Call, file: OpenFile) -> None:
        file.give_back()
        try:
            with self.disk.errors(call, file.shown):
                await self.disk.workers.run(file.close, owner=call.standing)
        finally:
            # Cancelled before the thread began: nobody else has it any more.
            drop(self.disk.workers, file)

    def _check(self, call: Call, file: OpenFile, *actions: Action) -> None:
        """Let a call go on that may still use a file it has opened."""
        for action in actions:
            need = Filesystem(action, file.path)
            if words := self.disk.gate.allowed(call, need, file.shown):
                raise WitError(permission_denied(words))

    # Names.

    @operation(needs=_inside("delete"))
    async def delete_file(self, call: Call, path: str) -> None:
        await self.disk.run(call, partial(_delete_file, path=path))

    @operation(needs=_inside("write"))
    async def create_directory(self, call: Call, path: str, permissions: Any) -> None:
        work = partial(_create_directory, path=path, mode=permissions.mode)
        await self.disk.run(call, work)

    @operation(needs=_inside("delete"))
    async def remove_directory(self, call: Call, path: str) -> None:
        await self.disk.run(call, partial(_remove_directory, path=path))

    @operation(needs=_inside("delete", how="on the directory and all below it"))
    async def remove_directory_recursive(self, call: Call, path: str) -> None:
        await self.disk.run(call, partial(_remove_all, path=path))

    @operation(
        needs=_inside(
            *("read", "write", "delete", "list"),
            how="`delete` and `write` on the old path, `write` on the new one, and "
            "`delete` where something is there that `write` could not empty; what else "
            "is granted on the new one, on the old one too",
        )
    )
    async def rename(self, call: Call, old_path: str, new_path: str) -> None:
        await self.disk.run(call, partial(_rename, old=old_path, new=new_path))

    @operation(needs=_inside("write"))
    async def create_symlink(self, call: Call, target: str, link_path: str) -> None:
        work = partial(_create_symlink, target=target, link=link_path)
        await self.disk.run(call, work)

    @operation(needs=_inside("read", "list", how="one of them, on the link"))
    async def read_symlink(self, call: Call, path: str) -> str:
        return await self.disk.run(call, partial(_read_symlink, path=path))

    # The rest.

    @operation(
        needs=_inside(
            "read", "write", how="`read` on the source, `write` on the destination"
        )
    )
    async def copy(self, call: Call, source: str, destination: str) -> None:
        await self.disk.run(
            call, partial(_copy, source=source, destination=destination)
        )

    @operation(needs=_EITHER)
    async def exists(self, call: Call, path: str) -> bool:
        return await self.disk.run(call, partial(is_there, path=path))

    @operation(needs=_EITHER)
    async def get_metadata(self, call: Call, path: str) -> dict[str, object]:
        return await self.disk.run(call, partial(about, path=path))

    @operation(needs=_inside("write"))
    async def set_permissions(self, call: Call, path: str, permissions: Any) -> None:
        work = partial(_set_permissions, path=path, mode=permissions.mode)
        await self.disk.run(call, work)


# --- how it is done, in a thread ----------------------------------------------------


def _delete_file(access: Access, path: str) -> None:
    remove_file(access, entry(access, path, "delete"))


def _create_directory(access: Access, path: str, mode: int) -> None:
    place = entry(access, path, "write")
    check_mode(access, mode, path)
    make_folder(access, place, mode)


def _remove_directory(access: Access, path: str) -> None:
    remove_folder(access, entry(access, path, "delete", named=True))


def _remove_all(access: Access, path: str) -> None:
    place = entry(access, path, "delete", named=True)
    with access.held(place) as (directory, name):
        opened = open_folder(directory, name)
        try:
            checked = branch(
                access,
                opened,
                lambda below: access.demand(
                    "delete", place.path + below, access.named(place, path, below)
                ),
            )
            clear(access, opened, checked)
        finally:
            os.close(opened)
        os.rmdir(name, dir_fd=directory)


def _rename(access: Access, old: str, new: str) -> None:
    source = entry(access, old, "delete", "write", named=True)
    target = entry(access, new, "write", named=True)
    rename(access, source, target, old=old, new=new)


def _create_symlink(access: Access, target: str, link: str) -> None:
    place = entry(access, link, "write")
    try:
        check_path(target)
    except InvalidPath as error:
        raise access.invalid("link to", target, str(error)) from error
    make_symlink(access, place, target)


def _read_symlink(access: Access, path: str) -> str:
    place = access.ask(path, "read", "list", either=True, follow=False)
    target = read_symlink(access, place)
    if not in_unicode(target):
        raise failure("io-error", f"the target of {path!r} is no Unicode")
    return target


def _copy(access: Access, source: str, destination: str) -> None:
    read, write = access.ask(source, "read"), access.ask(destination, "write")
    with ExitStack() as opened:
        directory, name = opened.enter_context(access.held(read))
        taken = open_regular(access, directory, name, source, read, os.O_RDONLY)
        opened.callback(os.close, taken)
        directory, name = opened.enter_context(access.held(write))
        # A new file is for its owner alone until its permissions are set at the end.
        given, fresh = open_or_make(
            access, directory, name, destination, write, mode=_OWN
        )
        opened.callback(os.close, given)
        found = os.fstat(taken)
        if os.path.samestat(found, os.fstat(given)):
            raise failure("invalid-argument", "both paths lead to one file")
        # Where the copy fails half way, a new file is removed.
        with ExitStack() as undo:
            if fresh:
                undo.callback(_take_back, directory, name, os.fstat(given))
            os.ftruncate(given, 0)
            _pour(access, taken, given)
            if fresh:
                os.fchmod(given, found.st_mode & NINE)
            undo.pop_all()


def _take_back(directory: int, name: str, made: os.stat_result) -> None:
    with suppress(OSError):
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        # Somebody may have put another file there, which is not ours to remove.
        if os.path.samestat(found, made):
            os.unlink(name, dir_fd=directory)


def _pour(access: Access, source: int, destination: int) -> None:
    most = access.limits.file_size
    done = 0
    while data := os.read(source, _COPIED):
        access.go_on()
        done += len(data)
        if most is not None and done > most:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(destination, rest) :]


def _set_permissions(access: Access, path: str, mode: int) -> None:
    place = access.ask(path, "write")
    check_mode(access, mode, path)
    with touchable(access, place, path) as (target, found):
        # The sticky bit of a directory keeps others from its names: it stays.
        more = stat.S_IMODE(found.st_mode) & ~NINE
        os.chmod(target, more | mode)  # noqa: PTH101 - of a descriptor
