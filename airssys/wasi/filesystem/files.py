"""Let guests use what they have opened: ``wasi:filesystem/types``, without paths."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Final, TypeVar

from attrs import define

from ...core.errors import WitError
from ...host.filesystem.access import Access
from ...host.filesystem.open_file import relied_on
from ...host.filesystem.resolve import Folder
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, operation
from ...witmodel.types import Variant
from ..context import context_of
from ..outside import Outside
from ..streams import InputStream, IoError, OutputStream
from .about import Times, hash_of, look_at, stat_of, touch
from .codes import NOT_PERMITTED, FileError, told
from .content import LAST, read_at, use, write_at
from .descriptor import Descriptor, Directory, SharedFile
from .streams import FileReader, FileWriter

__all__ = ("FileOperations",)

_T = TypeVar("_T")

_OPENED: Final = "on the path it was opened by"
_READ: Final = Inside(("filesystem.read",), _OPENED)
_WRITE: Final = Inside(("filesystem.write",), _OPENED)
_AS_OPENED: Final = Inside(
    ("filesystem.read", "filesystem.write", "filesystem.list"),
    f"one of those it was opened for, {_OPENED}",
)
_LOOK: Final = Inside(
    ("filesystem.read", "filesystem.list", "filesystem.write"),
    f"one of them, {_OPENED}; `write` for a file that was opened to be written; none "
    "of them for a directory that grants lead through",
)
_CHANGE: Final = Inside(("filesystem.write",), _OPENED)
_SAID: Final = Free("it says what went wrong in the guest's own call")
_KNOWN: Final = Free("it was found when the descriptor was opened")
_ADVICE: Final = {
    "normal": "POSIX_FADV_NORMAL",
    "sequential": "POSIX_FADV_SEQUENTIAL",
    "random": "POSIX_FADV_RANDOM",
    "will-need": "POSIX_FADV_WILLNEED",
    "dont-need": "POSIX_FADV_DONTNEED",
    "no-reuse": "POSIX_FADV_NOREUSE",
}


@define(eq=False)
class FileOperations:
    """Those of ``wasi:filesystem/types`` that take no path."""

    interface: ClassVar[str] = "wasi:filesystem/types@0.2.12"
    outside: Outside

    # What is in a file.

    @operation("[method]descriptor.read-via-stream", needs=_READ)
    def read_via_stream(
        self, call: Call, self_: Descriptor, offset: int
    ) -> InputStream:
        shared = _readable(self_, offset)
        shared.check(call, "read")
        return FileReader(call, shared.hold(), offset)

    @operation("[method]descriptor.write-via-stream", needs=_WRITE)
    def write_via_stream(
        self, call: Call, self_: Descriptor, offset: int
    ) -> OutputStream:
        shared = _writable(self_, offset)
        shared.check(call, "write")
        return FileWriter(call, shared.hold(), offset)

    @operation("[method]descriptor.append-via-stream", needs=_WRITE)
    def append_via_stream(self, call: Call, self_: Descriptor) -> OutputStream:
        shared = _writable(self_)
        shared.check(call, "write")
        return FileWriter(call, shared.hold(), None)

    @operation("[method]descriptor.read", needs=_READ)
    async def read(
        self, call: Call, self_: Descriptor, length: int, offset: int
    ) -> tuple[bytes, bool]:
        data = await read_at(call, _readable(self_, offset), length, offset)
        return data, bool(length) and not data

    @operation("[method]descriptor.write", needs=_WRITE)
    async def write(
        self, call: Call, self_: Descriptor, buffer: bytes, offset: int
    ) -> int:
        return (await write_at(call, _writable(self_, offset), buffer, offset))[0]

    @operation("[method]descriptor.set-size", needs=_WRITE)
    async def set_size(self, call: Call, self_: Descriptor, size: int) -> None:
        shared = _writable(self_, size)
        shared.check(call, "write")
        most = self.outside.disk.limits.file_size
        if most is not None and size > most:
            raise WitError("file-too-large")

        def work() -> None:
            with shared.file.used() as descriptor:
                os.ftruncate(descriptor, size)

        await use(call, shared, partial(shared.check, call, "write"), work)

    @operation("[method]descriptor.advise", needs=_AS_OPENED)
    async def advise(
        self, call: Call, self_: Descriptor, offset: int, length: int, advice: str
    ) -> None:
        shared = self_.file
        shared.check_one(call)
        if offset > LAST or length > LAST:
            raise WitError("invalid")
        number = getattr(os, _ADVICE[advice], None)
        if number is None:
            return  # it is advice: a system may do without

        def work() -> None:
            with shared.file.used() as descriptor:
                os.posix_fadvise(descriptor, offset, length, number)

        await use(call, shared, partial(shared.check_one, call), work)

    @operation("[method]descriptor.sync", needs=_AS_OPENED)
    async def sync(self, call: Call, self_: Descriptor) -> None:
        await self._sync(call, self_, os.fsync)

    @operation("[method]descriptor.sync-data", needs=_AS_OPENED)
    async def sync_data(self, call: Call, self_: Descriptor) -> None:
        await self._sync(call, self_, getattr(os, "fdatasync", os.fsync))

    async def _sync(
        self, call: Call, self_: Descriptor, sync: Callable[[int], object]
    ) -> None:
        if isinstance(self_.of, Directory):
            folder = self_.of.folder
            await told(self._run(call, partial(_sync_folder, folder=folder)))
            return
        shared = self_.of
        shared.check_one(call)

        def work() -> None:
            with shared.file.used() as descriptor:
                sync(descriptor)

        await use(call, shared, partial(shared.check_one, call), work)

    # What is known of a file or directory.

    @operation("[method]descriptor.get-flags", needs=_KNOWN)
    def get_flags(self, call: Call, self_: Descriptor) -> frozenset[str]:
        if isinstance(self_.of, SharedFile):
            return self_.of.flags
        changes = self_.of.changes(call.grants, self.outside.gate.clock())
        return frozenset({"read", "mutate-directory"} if changes else {"read"})

    @operation("[method]descriptor.get-type", needs=_KNOWN)
    def get_type(self, _: Call, self_: Descriptor) -> str:
        return "regular-file" if isinstance(self_.of, SharedFile) else "directory"

    @operation("[method]descriptor.is-same-object", needs=_KNOWN)
    def is_same_object(self, _: Call, self_: Descriptor, other: Descriptor) -> bool:
        return self_.identity == other.identity

    @operation("[method]descriptor.stat", needs=_LOOK)
    async def stat(self, call: Call, self_: Descriptor) -> dict[str, object]:
        return stat_of(await self._found(call, self_))

    @operation("[method]descriptor.metadata-hash", needs=_LOOK)
    async def metadata_hash(self, call: Call, self_: Descriptor) -> dict[str, int]:
        found = await self._found(call, self_)
        return hash_of(found, self.outside.secret)

    async def _found(self, call: Call, self_: Descriptor) -> os.stat_result:
        if isinstance(self_.of, Directory):
            work = partial(look_at, path=".", folder=self_.of.folder, follow=False)
            return await told(self._run(call, work))
        shared = self_.of
        shared.check_one(call, "read", "list")

        def look() -> os.stat_result:
            with shared.file.used() as descriptor:
                return os.fstat(descriptor)

        if shared.file.at_hand:
            return look()
        return await use(
            call, shared, partial(shared.check_one, call, "read", "list"), look
        )

    @operation("[method]descriptor.set-times", needs=_CHANGE)
    async def set_times(
        self, call: Call, self_: Descriptor, accessed: Variant, modified: Variant
    ) -> None:
        times = Times.of(accessed, modified, context_of(call).clock.wall())
        if isinstance(self_.of, Directory):
            directory = self_.of
            read_only = not directory.changes(call.grants, self.outside.gate.clock())
            work = partial(
                touch, path=".", folder=directory.folder, times=times, follow=True
            )
            await told(self._run(call, work), read_only=read_only)
            return
        shared = self_.of
        shared.check(call, "write")

        def change() -> str:
            with shared.file.used() as descriptor:
                found = os.fstat(descriptor)
                reason = relied_on(found)
                if not reason:
                    os.utime(descriptor, ns=times.over(found))
                return reason

        reason = await use(call, shared, partial(shared.check, call, "write"), change)
        if reason:
            shown = shared.file.shown
            self.outside.gate.refused(call, f"write {shown!r}", reason, shown)
            raise WitError(NOT_PERMITTED)

    # What went wrong.

    @operation(needs=_SAID)
    def filesystem_error_code(self, _: Call, error: IoError) -> str | None:
        return error.code.code if isinstance(error.code, FileError) else None

    # How it is done.

    async def _run(self, call: Call, work: Callable[[Access], _T]) -> _T:
        return await self.outside.disk.run(call, work)


def _readable(of: Descriptor, offset: int) -> SharedFile:
    """Return a file that is open to be read, from somewhere on.

    Raises:
        WitError: It is none, or no file reaches that far.
    """
    shared = of.file
    if not shared.file.mode.reads:
        raise WitError("bad-descriptor")
    if offset > LAST:
        raise WitError("invalid")
    return shared


def _writable(of: Descriptor, offset: int = 0) -> SharedFile:
    """Return a file that is open to be written, from somewhere on; as `_readable`."""
    shared = of.file
    if not shared.file.mode.writes:
        raise WitError("bad-descriptor")
    if offset > LAST:
        raise WitError("file-too-large")
    return shared


def _sync_folder(access: Access, folder: Folder) -> None:
    place = access.ask(".", "read", "list", either=True, folders=True, beneath=folder)
    with access.inside(place) as opened:
        os.fsync(opened)
