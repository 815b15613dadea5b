"""Send and receive through a TCP connection: what its socket and streams share.

What does not go out at once waits here, up to a piece, and goes on by itself: so a
stream can be written to and shut down at once, as WASI says, and nothing is lost.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from typing import Final

import anyio
from attrs import define, evolve, field

from ...core.errors import WitError
from ...host.network.shares import Share
from ...host.network.tcp import TcpSocket
from ...hostcalls.call import Call
from ..outside import Outside
from ..polling import Source, on, wait_first
from ..readiness import is_readable
from ..streams import InputStream, OutputStream, StreamClosed, StreamFailed
from .errors import SocketFailure, explained

__all__ = ("LINGER", "Connection", "ConnectionInput", "ConnectionOutput")

LINGER: Final = 5.0
"""Seconds for which what was written still goes out when the guest has let go."""
_READ: Final = "wasi:io/streams@0.2.12#[method]input-stream.read"
_WRITE: Final = "wasi:io/streams@0.2.12#[method]output-stream.write"
_RESETS: Final = struct.pack("ii", 1, 0)
"""Has a socket break its connection off when it is closed (``SO_LINGER``)."""


@define(eq=False)
class Connection:
    """A TCP socket, for the guest's handle of it and for the two streams.

    The streams know it and it does not know them, so that what a cancelled call has
    lost is closed at once.
    """

    outside: Outside
    socket: TcpSocket
    readable: Source = field(init=False)
    drained: Source = field(factory=Source, init=False)
    """Touched when all that was written has gone out, or never will."""
    ended: bool = field(default=False, init=False)
    """Whether nothing is read any more."""
    _closed: bool = field(default=False, init=False)
    """Whether nothing is written any more."""
    _left: memoryview = field(factory=lambda: memoryview(b""), init=False)
    """What was written and has not gone out."""
    _failure: StreamFailed | None = field(default=None, init=False)
    """Why the last of it did not, until the guest is told."""
    _holders: int = field(default=1, init=False)
    """The guest's handles: of the socket, and of the streams."""
    _lasting: anyio.CancelScope = field(factory=anyio.CancelScope, init=False)
    """Of what sends the rest."""

    def __attrs_post_init__(self) -> None:
        self.readable = self.outside.readiness.reading(self.socket)

    def streams(self, call: Call) -> tuple[ConnectionInput, ConnectionOutput]:
        """Return the streams of a connection that is made, for who has made it."""
        self._holders += 2
        return (
            ConnectionInput(self, evolve(call, function=_READ)),
            ConnectionOutput(self, evolve(call, function=_WRITE)),
        )

    def let_go(self) -> None:
        """Note that a handle is gone; the last one closes, once all has gone out."""
        self._holders -= 1
        if self._holders:
            return
        if self._left:
            self._lasting.deadline = anyio.current_time() + LINGER
        else:
            self.socket.close()

    # Receive.

    async def receive(self, call: Call, most: int) -> bytes:
        """Return what is there; empty: nothing is.

        Raises:
            StreamClosed: The peer has ended, or the guest does not read any more.
            StreamFailed: The connection, or the grant, is gone.
        """
        if self.ended:
            raise StreamClosed
        try:
            got = await self.socket.receive(self._share(call), most)
        except (OSError, WitError) as error:
            failure = self._failed(call, "receiving", error)
            if failure.code == SocketFailure("would-block"):
                return b""
            self.ended = True
            raise failure from error
        if not got:
            self.ended = True
            raise StreamClosed
        return got

    def stop_receiving(self) -> None:
        """Have nothing more come, nor what has come already."""
        if not self.ended:
            self.ended = True
            with suppress(OSError):  # the peer has ended the connection before
                self.socket.shutdown("read")

    # Send.

    def room(self, call: Call) -> int:
        """Return the bytes that can be written now.

        Raises:
            StreamClosed: Nothing is written any more.
            StreamFailed: What was written last did not go out.
        """
        self.check_sending()
        return 0 if self._left else self._share(call).piece

    def check_sending(self) -> None:
        """Raise why nothing can be written, if so: a failure once."""
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        if self._closed:
            raise StreamClosed

    @property
    def waiting(self) -> bool:
        """Whether something has not gone out yet."""
        return bool(self._left)

    async def send(self, call: Call, content: bytes) -> None:
        """Send, or have it sent, what there is room for; wait for the guest's share.

        Raises:
            StreamClosed: The peer does not listen any more.
            StreamFailed: The connection, or the grant, is gone.
        """
        share = self._share(call)
        try:
            await share.pay()
            await share.take(len(content))
            sent = self.socket.send_nowait(content) if content else 0
        except (OSError, WitError) as error:
            self._closed = True
            if isinstance(error, BrokenPipeError):
                raise StreamClosed from error
            raise self._failed(call, "sending", error) from error
        if sent < len(content):
            self._left = memoryview(content)[sent:]
            self._lasting = anyio.CancelScope()
            self.outside.work.start_soon(self._drain, call, share)

    async def flushed(self) -> None:
        """Wait until all has gone out.

        Raises:
            StreamClosed: Nothing is written any more.
            StreamFailed: It did not.
        """
        while self._left:
            await wait_first((on(self.drained, lambda: not self._left),))
        self.check_sending()

    def stop_sending(self) -> None:
        """Tell the peer, once all has gone out, that nothing more comes."""
        if not self._closed:
            self._closed = True
            if not self._left:
                self._say_end()

    async def _drain(self, call: Call, share: Share) -> None:
        """Send what is left, for as long as somebody waits for it."""
        try:
            with self._lasting:
                while self._left:
                    await anyio.wait_writable(self.socket.raw)
                    share.again()
                    self._left = self._left[self.socket.send_nowait(self._left) :]
        except (OSError, WitError) as error:
            self._failure = self._failed(call, "sending", error)
            self._closed = True
        finally:
            self._end_draining()

    def _end_draining(self) -> None:
        broken_off, self._left = bool(self._left), memoryview(b"")
        if broken_off:
            # Half of something must not look like all of it.
            with suppress(OSError):
                self.socket.raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)
        elif self._closed:
            self._say_end()
        if not self._holders:
            self.socket.close()
        self.drained.touch()

    def _say_end(self) -> None:
        with suppress(OSError):  # the peer has ended the connection before
            self.socket.shutdown("write")

    def _share(self, call: Call) -> Share:
        permits = self.outside.permits
        return Share(permits.gate, call, permits.again(call, self.socket))

    def _failed(
        self, call: Call, doing: str, error: OSError | WitError
    ) -> StreamFailed:
        code, words = explained(self.outside.gate, call, doing, error)
        return StreamFailed(words, SocketFailure(code))


@define(eq=False)
class ConnectionInput(InputStream):
    """What comes from the peer."""

    connection: Connection
    call: Call
    """Who has the connection, for its grants at each use."""

    def __attrs_post_init__(self) -> None:
        self.source: Source = self.connection.readable

    def ready(self) -> bool:
        return self.connection.ended or is_readable(self.connection.socket.raw)

    def ended(self) -> bool:
        return self.connection.ended

    async def read(self, most: int) -> bytes:
        return await self.connection.receive(self.call, most)

    def drop(self) -> None:
        self.connection.let_go()


@define(eq=False)
class ConnectionOutput(OutputStream):
    """What goes to the peer."""

    connection: Connection
    call: Call
    """As of the input."""

    def __attrs_post_init__(self) -> None:
        self.source: Source = self.connection.drained

    def ready(self) -> bool:
        return not self.connection.waiting

    def room(self) -> int:
        return self.connection.room(self.call)

    async def write(self, content: bytes) -> None:
        await self.connection.send(self.call, content)

    async def begin_flush(self) -> None:
        self.connection.check_sending()

    async def flush(self) -> None:
        await self.connection.flushed()

    def drop(self) -> None:
        self.connection.let_go()
