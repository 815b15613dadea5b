"""Let guests use files: ``airssys:ext-filesystem/filesystem``."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from typing import Any, Final

from ...core.errors import QuotaExceeded, WitError
from ...core.grants.capabilities import Filesystem
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, hold, offer
from ...hostcalls.gate import Gate
from ...hostcalls.interface import HostInterface
from ...witmodel.signatures import SIGNATURES
from .about import NINE, about, is_there, permissions_of, touchable
from .access import Access, Action, Disk
from .errors import denied, failure, from_os
from .open_file import OpenFile, drop, open_file, open_or_make, open_regular
from .pin import open_folder
from .resolve import InvalidPath, check_path
from .tree import branch, clear, told

__all__ = ("FILESYSTEM", "filesystem_interface")

FILESYSTEM: Final = "airssys:ext-filesystem/filesystem@1.0.0"
_TYPES: Final = SIGNATURES[FILESYSTEM]
_MOST: Final = 2**63 - 1
_COPIED: Final = 256 * 1024
"""Bytes that a copy moves at a time; a cancelled one stops between two."""
_OWN: Final = 0o600
_TOLD: Final[tuple[Action, ...]] = ("read", "list")
_OPENED: Final = "on the path it was opened by"
_RESOLVED: Final = "on the path as it is resolved"


def filesystem_interface(disk: Disk) -> HostInterface:
    """Return the interface for all components of a system."""
    interface = HostInterface(FILESYSTEM)
    hold(interface, "file", OpenFile, drop=partial(drop, disk.workers))
    _offer_files(interface, disk)
    _offer_names(interface, disk)
    _offer_rest(interface, disk)
    return interface


def _inside(*actions: Action, how: str = _RESOLVED) -> Inside:
    return Inside(tuple(f"filesystem.{action}" for action in actions), how)


# --- open files -------------------------------------------------------------------


def _offer_files(interface: HostInterface, disk: Disk) -> None:
    by_mode = _inside("read", "write", how=f"by the mode, {_RESOLVED}")
    as_opened = _inside(
        "read", "write", how="by the mode, on the path it was opened by"
    )

    def check(call: Call, file: OpenFile, *actions: Action) -> None:
        for action in actions:
            need = Filesystem(action, file.path)
            if words := disk.gate.allowed(call, need, file.shown):
                raise WitError(denied(words))

    @offer(interface, needs=by_mode, wit=_TYPES["open"])
    async def open_(call: Call, path: str, options: Any) -> OpenFile:
        work = partial(open_file, path=path, options=options)
        with _handle(call, disk.gate) as kept:
            kept.append(await disk.run(call, work, OpenFile.close))
            kept[0].budget, kept[0].owner = call.budget, call.standing
        return kept[0]

    @offer(
        interface,
        name="[method]file.read",
        needs=_inside("read", how=_OPENED),
        wit=_TYPES["[method]file.read"],
    )
    async def read(call: Call, file: OpenFile, max_bytes: int) -> dict[str, object]:
        check(call, file, "read")
        if not file.mode.reads:
            raise failure("invalid-argument", f"{file.shown!r} is open for writing")
        size = min(max_bytes, disk.limits.transfer)
        with _told(file):
            data = file.read_at_once(size)
            if data is None:
                again = partial(check, call, file, "read")
                data = await disk.use(call, again, partial(file.read, size))
        return {"data": data, "bytes_read": len(data)}

    @offer(
        interface,
        name="[method]file.write",
        needs=_inside("write", how=_OPENED),
        wit=_TYPES["[method]file.write"],
    )
    async def write(call: Call, file: OpenFile, data: bytes) -> dict[str, object]:
        check(call, file, "write")
        if not file.mode.writes:
            raise failure("invalid-argument", f"{file.shown!r} is open for reading")
        taken = data[: disk.limits.transfer]
        again = partial(check, call, file, "write")
        with _told(file):
            written = await disk.use(call, again, partial(file.write, taken))
        return {"bytes_written": written}

    @offer(
        interface,
        name="[method]file.seek",
        needs=as_opened,
        wit=_TYPES["[method]file.seek"],
    )
    def seek(call: Call, file: OpenFile, position: int) -> int:
        check(call, file, *file.mode.actions)
        if position > _MOST:
            raise failure("invalid-argument", f"no file reaches to {position}")
        file.position = position
        return position

    @offer(
        interface,
        name="[method]file.tell",
        needs=as_opened,
        wit=_TYPES["[method]file.tell"],
    )
    def tell(call: Call, file: OpenFile) -> int:
        check(call, file, *file.mode.actions)
        return file.position

    @offer(
        interface,
        name="[static]file.close",
        needs=Free("gives up a file of the caller's own"),
        wit=_TYPES["[static]file.close"],
    )
    async def close(call: Call, file: OpenFile) -> None:
        file.give_back()
        try:
            with _told(file):
                await disk.workers.run(file.close, owner=call.standing)
        finally:
            # Cancelled before the thread began: nobody else has it any more.
            drop(disk.workers, file)


@contextmanager
def _handle(call: Call, gate: Gate) -> Iterator[list[OpenFile]]:
    """Count one more open file; the one that is put in the list keeps it."""
    budget = call.budget
    if budget is not None:
        try:
            budget.hold("handles", 1)
        except QuotaExceeded as error:
            gate.refused(call, "open another file", str(error))
            raise failure("resource-exhausted", str(error)) from error
    kept: list[OpenFile] = []
    try:
        yield kept
    finally:
        if budget is not None and not kept:
            budget.release("handles", 1)


@contextmanager
def _told(file: OpenFile) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise from_os(error, repr(file.shown)) from error


# --- names ------------------------------------------------------------------------


def _offer_names(interface: HostInterface, disk: Disk) -> None:
    @offer(interface, needs=_inside("delete"), wit=_TYPES["delete-file"])
    async def delete_file(call: Call, path: str) -> None:
        await disk.run(call, partial(_delete_file, path=path))

    @offer(interface, needs=_inside("write"), wit=_TYPES["create-directory"])
    async def create_directory(call: Call, path: str, permissions: Any) -> None:
        work = partial(_create_directory, path=path, mode=permissions.mode)
        await disk.run(call, work)

    @offer(interface, needs=_inside("delete"), wit=_TYPES["remove-directory"])
    async def remove_directory(call: Call, path: str) -> None:
        await disk.run(call, partial(_remove_directory, path=path))

    @offer(
        interface,
        needs=_inside("delete", how="on the directory and all below it"),
        wit=_TYPES["remove-directory-recursive"],
    )
    async def remove_directory_recursive(call: Call, path: str) -> None:
        await disk.run(call, partial(_remove_all, path=path))

    @offer(
        interface,
        needs=_inside(
            *("read", "write", "delete", "list"),
            how="`delete` and `write` on the old path, `write` on the new one; what "
            "else is granted on the new one, on the old one too",
        ),
        wit=_TYPES["rename"],
    )
    async def rename(call: Call, old_path: str, new_path: str) -> None:
        await disk.run(call, partial(_rename, old=old_path, new=new_path))

    @offer(interface, needs=_inside("write"), wit=_TYPES["create-symlink"])
    async def create_symlink(call: Call, target: str, link_path: str) -> None:
        work = partial(_create_symlink, target=target, link=link_path)
        await disk.run(call, work)

    @offer(
        interface,
        needs=_inside("read", "list", how="one of them, on the link"),
        wit=_TYPES["read-symlink"],
    )
    async def read_symlink(call: Call, path: str) -> str:
        return await disk.run(call, partial(_read_symlink, path=path))


def _delete_file(access: Access, path: str) -> None:
    place = access.ask(path, "delete", follow=False)
    with access.held(place) as (directory, name):
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISDIR(found.st_mode):
            raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
        if place.folder:
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        os.unlink(name, dir_fd=directory)


def _create_directory(access: Access, path: str, mode: int) -> None:
    place = access.ask(path, "write", follow=False)
    permissions_of(mode)
    with access.held(place) as (directory, name):
        os.mkdir(name, mode, dir_fd=directory)


def _remove_directory(access: Access, path: str) -> None:
    place = access.ask(path, "delete", follow=False)
    with access.held(place) as (directory, name):
        os.rmdir(name, dir_fd=directory)


def _remove_all(access: Access, path: str) -> None:
    place = access.ask(path, "delete", follow=False)
    with access.held(place) as (directory, name):
        opened = open_folder(directory, name)
        try:
            checked = branch(
                access,
                opened,
                lambda below: access.demand("delete", place.path + below, path),
            )
            clear(access, opened, checked)
        finally:
            os.close(opened)
        os.rmdir(name, dir_fd=directory)


def _rename(access: Access, old: str, new: str) -> None:
    source = access.ask(old, "delete", "write", follow=False)
    target = access.ask(new, "write", follow=False)

    def check(below: str) -> None:
        before, after = source.path + below, target.path + below
        access.demand("delete", before, old)
        access.demand("write", before, old)
        access.demand("write", after, new)
        # Else a guest could read by another name what it may not read.
        for action in _TOLD:
            if access.may(action, after):
                access.demand(action, before, old)

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
        os.rename(name, other, src_dir_fd=before, dst_dir_fd=after)


def _create_symlink(access: Access, target: str, link: str) -> None:
    place = access.ask(link, "write", follow=False)
    try:
        check_path(target)
    except InvalidPath as error:
        raise access.invalid("link to", target, str(error)) from error
    with access.held(place) as (directory, name):
        if place.folder:
            raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        os.symlink(target, name, dir_fd=directory)


def _read_symlink(access: Access, path: str) -> str:
    place = access.ask(path, "read", "list", either=True, follow=False)
    with access.held(place) as (directory, name):
        target = os.readlink(name, dir_fd=directory)
    if not told(target):
        raise failure("io-error", f"the target of {path!r} is no Unicode")
    return target


# --- the rest ---------------------------------------------------------------------


def _offer_rest(interface: HostInterface, disk: Disk) -> None:
    either = _inside("read", "list", how=f"one of them, {_RESOLVED}")

    @offer(
        interface,
        needs=_inside(
            "read", "write", how="`read` on the source, `write` on the destination"
        ),
        wit=_TYPES["copy"],
    )
    async def copy(call: Call, source: str, destination: str) -> None:
        await disk.run(call, partial(_copy, source=source, destination=destination))

    @offer(interface, needs=either, wit=_TYPES["exists"])
    async def exists(call: Call, path: str) -> bool:
        return await disk.run(call, partial(is_there, path=path))

    @offer(interface, needs=either, wit=_TYPES["get-metadata"])
    async def get_metadata(call: Call, path: str) -> dict[str, object]:
        return await disk.run(call, partial(about, path=path))

    @offer(interface, needs=_inside("write"), wit=_TYPES["set-permissions"])
    async def set_permissions(call: Call, path: str, permissions: Any) -> None:
        work = partial(_set_permissions, path=path, mode=permissions.mode)
        await disk.run(call, work)


def _copy(access: Access, source: str, destination: str) -> None:
    read, write = access.ask(source, "read"), access.ask(destination, "write")
    with ExitStack() as opened:
        directory, name = opened.enter_context(access.held(read))
        taken = open_regular(access, directory, name, source, read, os.O_RDONLY)
        opened.callback(os.close, taken)
        directory, name = opened.enter_context(access.held(write))
        # What it has to say who may read it comes at the end: nobody until then.
        given, fresh = open_or_make(
            access, directory, name, destination, write, mode=_OWN
        )
        opened.callback(os.close, given)
        found = os.fstat(taken)
        if os.path.samestat(found, os.fstat(given)):
            raise failure("invalid-argument", "both paths lead to one file")
        # Where it fails half way nothing is left of a new file.
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
    permissions_of(mode)
    with touchable(access, place, path) as (target, found):
        # The sticky bit of a directory keeps others from its names: it stays.
        more = stat.S_IMODE(found.st_mode) & ~NINE
        os.chmod(target, more | mode)  # noqa: PTH101 - of a descriptor
