"""Let bytes flow between a guest and what is outside: WASI's streams.

A stream of the host's is a class with a few methods: `InputStream` and `OutputStream`.
What WASI makes of them, with and without a wait, is the same for all and stands here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import ClassVar, Final, NoReturn, TypeVar

import anyio.lowlevel
from attrs import define, field

from ..core.errors import WitError
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, operation
from ..witmodel.types import Variant
from .misuse import misuse
from .polling import Pollable, Source, on, wait_first

__all__ = (
    "LARGEST_PIECE",
    "ErrorOperations",
    "InputStream",
    "IoError",
    "OutputStream",
    "StreamClosed",
    "StreamFailed",
    "StreamOperations",
)

_T = TypeVar("_T")
LARGEST_PIECE: Final = 2**20
"""Bytes that one call reads or writes at the most."""
_LARGEST_BLOCK: Final = 4096
"""Zeros that ``blocking-write-zeroes-and-flush`` may write, as WASI says."""
_HELD = Free("whoever opened the stream was asked then")
_NOTHING = Free("it says what went wrong in the guest's own call")


class StreamClosed(Exception):
    """The stream has come to its end, or its other side is gone."""


@define(eq=False)
class StreamFailed(Exception):
    """What the stream is over has failed. It is closed from then on."""

    text: str
    code: object = None
    """What the guest's ``filesystem-error-code`` or ``http-error-code`` makes of it."""


@define(eq=False)
class IoError:
    """The resource ``error``: why a stream failed."""

    text: str
    code: object = None
    """As of `StreamFailed`."""


@define(eq=False)
class InputStream:
    """The resource ``input-stream``: bytes that come from outside."""

    source: Source = field(factory=Source, init=False, repr=False)
    """Touched whenever `ready` may have become true."""
    over: bool = field(default=False, init=False, repr=False)
    """Whether the guest was told that it has ended or failed."""

    def ready(self) -> bool:
        """Tell whether `read` has something to say: bytes, the end, or a failure."""
        raise NotImplementedError

    async def read(self, most: int) -> bytes:
        """Return what is there, at most so many bytes, without a wait for more.

        Raises:
            StreamClosed: All has been read.
            StreamFailed: It cannot be read any more.
        """
        raise NotImplementedError

    def ended(self) -> bool:
        """Tell whether it is known, without a look, that nothing will be read."""
        return False

    def drop(self) -> None:
        """Give up what is held for it: the guest has no handle of it any more."""


@define(eq=False)
class OutputStream:
    """The resource ``output-stream``: bytes that go outside."""

    source: Source = field(factory=Source, init=False, repr=False)
    """Touched whenever `ready` may have become true."""

    def ready(self) -> bool:
        """Tell whether `room` has something to say: a number over 0, or a failure."""
        try:
            return self.room() > 0
        except (StreamClosed, StreamFailed):
            return True

    def room(self) -> int:
        """Return the bytes that can be written now.

        Raises:
            StreamClosed: Nobody reads any more.
            StreamFailed: It cannot be written to any more.
        """
        return LARGEST_PIECE

    async def write(self, content: bytes) -> None:
        """Write all of it. There is room for it.

        Raises:
            StreamClosed: Nobody reads any more.
            StreamFailed: It cannot be written.
        """
        raise NotImplementedError

    async def begin_flush(self) -> None:
        """Have what was written go where it should be; `ready` tells when it is.

        Here it waits, for streams that have nothing to wait for long.

        Raises:
            StreamClosed: Nobody reads any more.
            StreamFailed: It cannot be written.
        """
        await self.flush()

    async def flush(self) -> None:
        """Wait until what was written is where it should be.

        Raises:
            StreamClosed: Nobody reads any more.
            StreamFailed: It cannot be written.
        """

    def drop(self) -> None:
        """Give up what is held for it: the guest has no handle of it any more."""


class ErrorOperations:
    """The operations of ``wasi:io/error``."""

    interface: ClassVar[str] = "wasi:io/error@0.2.12"

    @operation("[method]error.to-debug-string", needs=_NOTHING)
    def to_debug_string(self, _: Call, error: IoError) -> str:
        return error.text


class StreamOperations:
    """The operations of ``wasi:io/streams``."""

    interface: ClassVar[str] = "wasi:io/streams@0.2.12"

    @operation("[method]input-stream.read", needs=_HELD)
    async def read(self, _: Call, stream: InputStream, length: int) -> bytes:
        return await _take(stream, min(length, LARGEST_PIECE))

    @operation("[method]input-stream.blocking-read", needs=_HELD)
    async def blocking_read(self, _: Call, stream: InputStream, length: int) -> bytes:
        return await _some(stream, length)

    @operation("[method]input-stream.skip", needs=_HELD)
    async def skip(self, call: Call, stream: InputStream, length: int) -> int:
        return len(await self.read(call, stream, length))

    @operation("[method]input-stream.blocking-skip", needs=_HELD)
    async def blocking_skip(self, _: Call, stream: InputStream, length: int) -> int:
        return len(await _some(stream, length))

    @operation("[method]input-stream.subscribe", needs=_HELD)
    def subscribe_input(self, _: Call, stream: InputStream) -> Pollable:
        return on(stream.source, stream.ready)

    @operation("[method]output-stream.check-write", needs=_HELD)
    def check_write(self, _: Call, stream: OutputStream) -> int:
        return _room(stream)

    @operation("[method]output-stream.write", needs=_HELD)
    async def write(self, call: Call, stream: OutputStream, content: bytes) -> None:
        _check_room(call, stream, len(content))
        await _told(stream.write, content)

    @operation("[method]output-stream.blocking-write-and-flush", needs=_HELD)
    async def blocking_write_and_flush(
        self, _: Call, stream: OutputStream, content: bytes
    ) -> None:
        await _all(stream, content)
        await _told(stream.flush)

    @operation("[method]output-stream.flush", needs=_HELD)
    async def flush(self, _: Call, stream: OutputStream) -> None:
        await _told(stream.begin_flush)

    @operation("[method]output-stream.blocking-flush", needs=_HELD)
    async def blocking_flush(self, _: Call, stream: OutputStream) -> None:
        await _told(stream.flush)

    @operation("[method]output-stream.subscribe", needs=_HELD)
    def subscribe_output(self, _: Call, stream: OutputStream) -> Pollable:
        return on(stream.source, stream.ready)

    @operation("[method]output-stream.write-zeroes", needs=_HELD)
    async def write_zeroes(self, call: Call, stream: OutputStream, length: int) -> None:
        _check_room(call, stream, length)
        await _told(stream.write, bytes(length))

    @operation("[method]output-stream.blocking-write-zeroes-and-flush", needs=_HELD)
    async def blocking_write_zeroes_and_flush(
        self, call: Call, stream: OutputStream, length: int
    ) -> None:
        if length > _LARGEST_BLOCK:
            reason = f"{length:_} zeros at once: {_LARGEST_BLOCK:_} are the most"
            raise misuse(call, reason)
        await _all(stream, bytes(length))
        await _told(stream.flush)

    @operation("[method]output-stream.splice", needs=_HELD)
    async def splice(
        self, _: Call, stream: OutputStream, source: InputStream, length: int
    ) -> int:
        most = min(length, _room(stream))
        content = await _take(source, most) if most else b""
        if content:
            await _told(stream.write, content)
        return len(content)

    @operation("[method]output-stream.blocking-splice", needs=_HELD)
    async def blocking_splice(
        self, _: Call, stream: OutputStream, source: InputStream, length: int
    ) -> int:
        await _wait_for_room(stream)
        content = await _some(source, min(length, _room(stream)))
        await _all(stream, content)
        return len(content)


async def _told(work: Callable[..., Awaitable[_T]], *args: object) -> _T:
    """Do something with a stream; what goes wrong reaches the guest as it should."""
    try:
        return await work(*args)
    except (StreamClosed, StreamFailed) as error:
        _refuse(error)


def _room(stream: OutputStream) -> int:
    try:
        return stream.room()
    except (StreamClosed, StreamFailed) as error:
        _refuse(error)


def _refuse(error: StreamClosed | StreamFailed) -> NoReturn:
    if isinstance(error, StreamClosed):
        raise WitError(Variant("closed")) from error
    value = Variant("last-operation-failed", IoError(error.text, error.code))
    raise WitError(value) from error


def _check_room(call: Call, stream: OutputStream, length: int) -> None:
    room = _room(stream)
    if length > room:
        reason = f"it wrote {length:_} bytes where check-write said {room:_}"
        raise misuse(call, reason)


async def _take(stream: InputStream, most: int) -> bytes:
    """Read what is there; to read nothing tells whether there is an end."""
    if not most:
        if stream.over or stream.ended():
            _refuse(StreamClosed())
        return b""
    try:
        return await stream.read(most)
    except (StreamClosed, StreamFailed) as error:
        stream.over = True
        _refuse(error)


async def _some(stream: InputStream, length: int) -> bytes:
    """Read at least one byte, unless none is wanted."""
    most = min(length, LARGEST_PIECE)
    if not most:
        return await _take(stream, 0)
    try:
        while not (content := await stream.read(most)):
            await wait_first((on(stream.source, stream.ready),))
    except (StreamClosed, StreamFailed) as error:
        stream.over = True
        _refuse(error)
    return content


async def _all(stream: OutputStream, content: bytes) -> None:
    if len(content) <= _room(stream):
        await _told(stream.write, content)
        return
    left = memoryview(content)
    while left:
        await _wait_for_room(stream)
        piece = left[: _room(stream)]
        await _told(stream.write, bytes(piece))
        left = left[len(piece) :]
        if left:
            await anyio.lowlevel.checkpoint()


async def _wait_for_room(stream: OutputStream) -> None:
    while not _room(stream):
        await wait_first((on(stream.source, stream.ready),))
