"""Stream bodies: a pipe between a guest and the other side, with its backpressure."""

from __future__ import annotations

from collections import deque
from typing import ClassVar, Final

from attrs import define, field

from ...core.errors import WitError
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, operation
from ...witmodel.types import Err, Ok, Variant
from ..polling import Pollable, Source, on, wait_first
from ..streams import InputStream, OutputStream, StreamClosed, StreamFailed
from .fields import TYPES, Fields

__all__ = (
    "BodyOperations",
    "FutureTrailers",
    "IncomingBody",
    "OutgoingBody",
    "Pipe",
)

ROOM: Final = 64 * 1024
"""Bytes that wait between a guest and the other side."""
_OPENED = Free("the message that it belongs to was allowed")


@define(eq=False)
class Pipe:
    """Bytes on their way, at most `ROOM` and one piece."""

    source: Source = field(factory=Source)
    ended: bool = field(default=False, init=False)
    """Whether nothing comes any more."""
    failure: str = field(default="", init=False)
    """Why it ended before its end; empty: it did not."""
    trailers: Fields | None = field(default=None, init=False)
    _pieces: deque[bytes] = field(factory=deque, init=False)
    _held: int = field(default=0, init=False)

    @property
    def room(self) -> int:
        """Bytes that can be put in now."""
        return max(ROOM - self._held, 0)

    @property
    def readable(self) -> bool:
        """Whether there is something to take, or it has ended."""
        return bool(self._pieces) or self.ended

    def put_nowait(self, piece: bytes) -> None:
        """Put bytes in, whether or not there is room."""
        if piece and not self.ended:
            self._pieces.append(piece)
            self._held += len(piece)
            self.source.touch()

    async def put(self, piece: bytes) -> bool:
        """Put bytes in when there is room; False: nobody takes them any more."""
        if not self.room and not self.ended:
            await wait_first((on(self.source, lambda: self.room > 0 or self.ended),))
        if self.ended:
            return False
        self.put_nowait(piece)
        return True

    def take(self, most: int = ROOM) -> bytes:
        """Take what is there; empty: nothing is."""
        if not self._pieces:
            return b""
        piece = self._pieces.popleft()
        if len(piece) > most:
            self._pieces.appendleft(piece[most:])
            piece = piece[:most]
        self._held -= len(piece)
        self.source.touch()
        return piece

    async def get(self) -> bytes:
        """Wait for bytes and take them; empty: it has ended.

        Raises:
            StreamFailed: It ended before its end.
        """
        if not self.readable:
            await wait_first((on(self.source, lambda: self.readable),))
        piece = self.take()
        if not piece and self.failure:
            raise StreamFailed(self.failure)
        return piece

    def end(self, failure: str = "", trailers: Fields | None = None) -> None:
        """Let nothing more in."""
        if not self.ended:
            self.ended, self.failure, self.trailers = True, failure, trailers
            self.source.touch()

    def give_up(self) -> None:
        """Forget what is in it: nobody takes it any more."""
        self._pieces.clear()
        self._held = 0
        self.end("nobody reads it any more")


class PipeInput(InputStream):
    """What a guest reads a body from."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe = pipe
        self.source = pipe.source

    def ready(self) -> bool:
        return self._pipe.readable

    async def read(self, most: int) -> bytes:
        piece = self._pipe.take(most)
        if not piece and self._pipe.ended:
            if self._pipe.failure:
                raise StreamFailed(self._pipe.failure)
            raise StreamClosed
        return piece


class PipeOutput(OutputStream):
    """What a guest writes a body to."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe = pipe
        self.source = pipe.source

    def room(self) -> int:
        if self._pipe.ended:
            raise StreamClosed
        return self._pipe.room

    async def write(self, content: bytes) -> None:
        if self._pipe.ended:
            raise StreamClosed
        self._pipe.put_nowait(content)

    async def flush(self) -> None:
        pipe = self._pipe
        await wait_first((on(pipe.source, lambda: pipe.room == ROOM or pipe.ended),))


@define(eq=False)
class IncomingBody:
    """The resource ``incoming-body``."""

    pipe: Pipe
    taken: bool = False

    def drop(self) -> None:
        """Let the other side go: nobody reads the rest."""
        if not self.taken:
            self.pipe.give_up()


@define(eq=False)
class FutureTrailers:
    """The resource ``future-trailers``: what comes after a body."""

    pipe: Pipe
    taken: bool = False


@define(eq=False)
class OutgoingBody:
    """The resource ``outgoing-body``."""

    length: int | None = None
    """Bytes that the message says it has; None: it does not say."""
    pipe: Pipe = field(factory=Pipe)
    written: int = field(default=0, init=False)
    taken: bool = field(default=False, init=False)

    def drop(self) -> None:
        """End it as not whole, unless it was finished."""
        self.pipe.end("the guest gave its body up before its end")


class CountedOutput(PipeOutput):
    """Writes no more than the length that the message says."""

    def __init__(self, body: OutgoingBody) -> None:
        super().__init__(body.pipe)
        self._body = body

    async def write(self, content: bytes) -> None:
        body = self._body
        if body.length is not None and body.written + len(content) > body.length:
            body.pipe.end("the body is longer than its content-length")
            raise StreamFailed("the body is longer than its content-length")
        await super().write(content)
        body.written += len(content)


class BodyOperations:
    """The operations of bodies and trailers in ``wasi:http/types``."""

    interface: ClassVar[str] = TYPES

    @operation("[method]incoming-body.stream", needs=_OPENED)
    def stream(self, _: Call, body: IncomingBody) -> InputStream:
        if body.taken:
            raise WitError(None)
        body.taken = True
        return PipeInput(body.pipe)

    @operation("[static]incoming-body.finish", needs=_OPENED)
    def finish_incoming(self, _: Call, body: IncomingBody) -> FutureTrailers:
        body.taken = True  # or its drop would end the pipe that the trailers come by
        return FutureTrailers(body.pipe)

    @operation("[method]future-trailers.subscribe", needs=_OPENED)
    def subscribe(self, _: Call, trailers: FutureTrailers) -> Pollable:
        pipe = trailers.pipe
        return on(pipe.source, lambda: pipe.ended)

    @operation("[method]future-trailers.get", needs=_OPENED)
    def get(self, _: Call, trailers: FutureTrailers) -> object:
        pipe = trailers.pipe
        if not pipe.ended:
            return None
        if trailers.taken:
            return Err(None)
        trailers.taken = True
        if pipe.failure:
            return Ok(Err(Variant("internal-error", pipe.failure)))
        return Ok(Ok(pipe.trailers))

    @operation("[method]outgoing-body.write", needs=_OPENED)
    def write(self, _: Call, body: OutgoingBody) -> OutputStream:
        if body.taken:
            raise WitError(None)
        body.taken = True
        return CountedOutput(body)

    @operation("[static]outgoing-body.finish", needs=_OPENED)
    def finish_outgoing(
        self, _: Call, body: OutgoingBody, trailers: Fields | None
    ) -> None:
        if body.length is not None and body.written != body.length:
            body.pipe.end("the body is shorter than its content-length")
            raise WitError(Variant("HTTP-request-body-size", body.written))
        if trailers is not None:
            trailers.fixed = True
        body.pipe.end(trailers=trailers)
