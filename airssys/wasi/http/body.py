"""Stream bodies: the resources that a guest reads and writes them by."""

from __future__ import annotations

from typing import ClassVar, Literal

from attrs import define, field

from ...core.errors import WitError
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, operation
from ...witmodel.types import Err, Ok, Variant
from ..polling import Pollable, Source, on
from ..streams import InputStream, OutputStream, StreamClosed
from .fields import TYPES, Fields
from .pipe import Pipe

__all__ = (
    "BodyOperations",
    "FutureTrailers",
    "IncomingBody",
    "OutgoingBody",
    "PipeInput",
    "PipeOutput",
)

_OPENED = Free("the message that it belongs to was allowed")


class PipeInput(InputStream):
    """What a guest reads a body from."""

    def __init__(self, pipe: Pipe) -> None:
        super().__init__()
        self._pipe = pipe
        self.source: Source = pipe.source

    def ready(self) -> bool:
        return self._pipe.readable

    async def read(self, most: int) -> bytes:
        piece = self._pipe.take(most)
        if not piece and self._pipe.ended:
            if self._pipe.failure is not None:
                raise self._pipe.failed()
            raise StreamClosed
        return piece


class PipeOutput(OutputStream):
    """What a guest writes a body to, no more of it than its message says."""

    def __init__(self, body: OutgoingBody) -> None:
        super().__init__()
        self._body = body
        self.source: Source = body.pipe.source

    def room(self) -> int:
        if self._body.pipe.ended:
            raise StreamClosed
        return self._body.pipe.room

    async def write(self, content: bytes) -> None:
        body = self._body
        if body.pipe.ended:
            raise StreamClosed
        # What is too much counts as well: the end says the same of it.
        body.written += len(content)
        if body.length is not None and body.written > body.length:
            body.pipe.end(body.wrong_size(body.written))
            raise body.pipe.failed()
        body.pipe.put_nowait(content)

    async def flush(self) -> None:
        # What was written goes on its way by itself. To wait for it would be to wait
        # for ever where the guest has not sent the message yet.
        if self._body.pipe.ended:
            raise StreamClosed


@define(eq=False)
class IncomingBody:
    """The resource ``incoming-body``."""

    pipe: Pipe
    taken: bool = field(default=False, init=False)
    """Whether its stream was asked for."""
    finished: bool = field(default=False, init=False)

    def drop(self) -> None:
        """Let the other side go: nobody reads the rest."""
        if not self.finished:
            self.pipe.give_up()


@define(eq=False)
class FutureTrailers:
    """The resource ``future-trailers``: what comes after a body."""

    pipe: Pipe
    taken: bool = field(default=False, init=False)

    def drop(self) -> None:
        """Let the other side go, where it has not come to its end."""
        self.pipe.give_up()


@define(eq=False)
class OutgoingBody:
    """The resource ``outgoing-body``."""

    part: Literal["request", "response"]
    length: int | None = None
    """Bytes that the message says it has; None: it does not say."""
    pipe: Pipe = field(factory=Pipe)
    written: int = field(default=0, init=False)
    taken: bool = field(default=False, init=False)

    def wrong_size(self, written: int) -> Variant:
        """Return the ``error-code`` for another length than the message says."""
        return Variant(f"HTTP-{self.part}-body-size", written)

    def drop(self) -> None:
        """End it as not whole, unless it was finished."""
        words = "the guest gave its body up before its end"
        self.pipe.end(Variant("internal-error", words))


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
        body.finished = True
        # What it has not read it does not want, but for what comes after it.
        body.pipe.discard()
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
        return Ok(Ok(pipe.trailers) if pipe.failure is None else Err(pipe.failure))

    @operation("[method]outgoing-body.write", needs=_OPENED)
    def write(self, _: Call, body: OutgoingBody) -> OutputStream:
        if body.taken:
            raise WitError(None)
        body.taken = True
        return PipeOutput(body)

    @operation("[static]outgoing-body.finish", needs=_OPENED)
    def finish_outgoing(
        self, _: Call, body: OutgoingBody, trailers: Fields | None
    ) -> None:
        if body.length is not None and body.written != body.length:
            wrong = body.wrong_size(body.written)
            body.pipe.end(wrong)
            raise WitError(wrong)
        if trailers is not None:
            trailers.fixed = True
        body.pipe.end(trailers=trailers)
