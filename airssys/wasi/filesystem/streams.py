"""Let bytes flow from and to an open file."""

from __future__ import annotations

from attrs import define, field

from ...core.errors import WitError
from ...hostcalls.call import Call
from ..streams import InputStream, OutputStream, StreamClosed, StreamFailed
from .codes import FileError
from .content import read_later, read_now, write_later, write_now
from .descriptor import SharedFile

__all__ = ("FileReader", "FileWriter")


@define(eq=False)
class FileReader(InputStream):
    """Reads a file from somewhere on."""

    call: Call
    """Who opened the stream: asked for at each read, as grants may change."""
    shared: SharedFile
    at: int
    """From which byte on it reads next."""
    _dropped: bool = field(default=False, init=False)

    def ready(self) -> bool:
        return True

    async def read(self, most: int) -> bytes:
        try:
            data = read_now(self.call, self.shared, most, self.at)
            if data is None:
                data = await read_later(self.call, self.shared, most, self.at)
        except WitError as error:
            raise _failed(error, "read", self.shared) from error
        if not data:
            raise StreamClosed
        self.at += len(data)
        return data

    def drop(self) -> None:
        if not self._dropped:
            self._dropped = True
            self.shared.let_go()


@define(eq=False)
class FileWriter(OutputStream):
    """Writes into a file from somewhere on, or at its end."""

    call: Call
    """As of `FileReader`."""
    shared: SharedFile
    at: int | None
    """At which byte it writes next; None: at the end, wherever that is."""
    _dropped: bool = field(default=False, init=False)

    async def write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            try:
                done = write_now(self.call, self.shared, left, self.at)
                if done is None:
                    done = await write_later(self.call, self.shared, left, self.at)
                written, end = done
            except WitError as error:
                raise _failed(error, "written", self.shared) from error
            if self.at is not None:
                self.at = end
            left = left[written:]

    def drop(self) -> None:
        if not self._dropped:
            self._dropped = True
            self.shared.let_go()


def _failed(error: WitError, what: str, shared: SharedFile) -> StreamFailed:
    code = str(error.value)
    shown = shared.file.shown
    return StreamFailed(f"{shown!r} cannot be {what}: {code}", FileError(code))
