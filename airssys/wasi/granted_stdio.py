"""Let a guest's standard streams be files that its grants cover."""

from __future__ import annotations

from functools import partial
from typing import Final, cast

from attrs import define, field

from ..core.errors import WitError
from ..core.grants.capabilities import Filesystem
from ..host.filesystem import Disk
from ..host.filesystem.access import Action
from ..host.filesystem.open_file import OpenFile, drop, open_file
from ..host.handles import hold_handle
from ..hostcalls.call import Call
from ..witmodel.types import Variant
from .streams import InputStream, OutputStream, StreamClosed, StreamFailed

__all__ = ("GrantedInput", "GrantedOutput", "open_granted_input", "open_granted_output")

_PIECE: Final = 64 * 1024


@define
class _Options:
    """How a file is opened, as a guest would say it."""

    mode: str
    create: bool
    create_new: bool = False
    truncate: bool = False


async def open_granted_input(disk: Disk, call: Call, path: str) -> GrantedInput:
    """Open a file as a guest's input.

    Args:
        disk: Where it is.
        call: Whose grants must cover it.
        path: The file.

    Raises:
        WitError: It may not be read, or cannot; a denial is audited.
    """
    return GrantedInput(
        disk, call, await _opened(disk, call, path, _Options("read", create=False))
    )


async def open_granted_output(disk: Disk, call: Call, path: str) -> GrantedOutput:
    """Open a file as a guest's output, to write at its end; make it where it is not.

    Args:
        disk: Where it is.
        call: Whose grants must cover it.
        path: The file.

    Raises:
        WitError: It may not be written to, or cannot; a denial is audited.
    """
    return GrantedOutput(
        disk, call, await _opened(disk, call, path, _Options("append", create=True))
    )


async def _opened(disk: Disk, call: Call, path: str, options: _Options) -> OpenFile:
    give_back = hold_handle(disk.gate, call, f"open {path!r}")
    try:
        work = partial(open_file, path=path, options=options)
        file = await disk.run(call, work, OpenFile.close)
    except BaseException:
        give_back()
        raise
    file.release, file.owner = give_back, call.standing
    return file


@define(eq=False)
class GrantedInput(InputStream):
    """The bytes of a file, from its begin; made by `open_granted_input`."""

    disk: Disk = field(repr=False)
    call: Call = field(repr=False)
    file: OpenFile

    def ready(self) -> bool:
        return True

    async def read(self, most: int) -> bytes:
        most = min(most, _PIECE)
        check = partial(_check, self.disk, self.call, "read", self.file)
        try:
            check()
            with self.disk.errors(self.call, self.file.shown):
                content = self.file.read_at_once(most)
                if content is None:
                    read = partial(self.file.read, most)
                    content = await self.disk.use(self.call, check, read)
        except WitError as error:
            raise _failed(error) from error
        if not content:
            raise StreamClosed
        return content

    def close(self) -> None:
        """Close the file."""
        drop(self.disk.workers, self.file)


@define(eq=False)
class GrantedOutput(OutputStream):
    """Bytes for the end of a file; made by `open_granted_output`."""

    disk: Disk = field(repr=False)
    call: Call = field(repr=False)
    file: OpenFile

    async def write(self, content: bytes) -> None:
        left = memoryview(content)
        check = partial(_check, self.disk, self.call, "write", self.file)
        while left:
            piece = bytes(left[:_PIECE])
            try:
                check()
                with self.disk.errors(self.call, self.file.shown):
                    write = partial(self.file.write, piece)
                    left = left[await self.disk.use(self.call, check, write) :]
            except WitError as error:
                raise _failed(error) from error

    def close(self) -> None:
        """Close the file; what was written is with the system already."""
        drop(self.disk.workers, self.file)


def _check(disk: Disk, call: Call, action: Action, file: OpenFile) -> None:
    """Let a call go on that may still use the file."""
    if words := disk.gate.allowed(call, Filesystem(action, file.path), file.shown):
        raise WitError(Variant("permission-denied", words))


def _failed(error: WitError) -> StreamFailed:
    value = cast("Variant", error.value)
    return StreamFailed(f"{value.case}: {value.value}")
