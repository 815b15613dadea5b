"""Speak HTTP/1.1 over a socket of a guest's, both ways at the same time."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import anyio
import h11
from attrs import define, field, frozen

from ...host.network.addresses import Target
from ...host.network.shares import LARGEST_PIECE, Share
from ...host.network.tcp import TcpSocket
from ...hostcalls.call import Standing
from .framing import LARGEST_SECTION, Chunks, Section

__all__ = ("Connection", "Event", "Route")

Event: TypeAlias = (
    h11.InformationalResponse | h11.Response | h11.Data | h11.EndOfMessage
)
_FRAMED: Final = b"transfer-encoding"
_FIRST_OF_LINE: Final = 0x21
"""The least byte that a head can begin with."""


@frozen
class Route:
    """Where a connection leads, how, and for whom."""

    owner: Standing
    """Whose it is: nobody else's grants or credentials ever go through it."""
    target: Target
    tls: bool


@define(eq=False)
class Connection:
    """One connection, for one request after the other."""

    route: Route
    socket: TcpSocket
    heard: bool = field(default=False, init=False)
    """Whether anything has come back for the request that it is used for."""
    ended: bool = field(default=False, init=False)
    """Whether the other side has ended it."""
    _http: h11.Connection = field(init=False)
    _unread: memoryview = field(default=memoryview(b""), init=False)
    """What was received and is still to be read."""
    _section: Section = field(factory=Section, init=False)
    """The head, or the trailers, that are coming."""
    _chunks: Chunks | None = field(default=None, init=False)
    """Those of the body; None: it does not come in chunks."""

    def __attrs_post_init__(self) -> None:
        self._http = h11.Connection(
            h11.CLIENT, max_incomplete_event_size=LARGEST_SECTION
        )

    async def send(self, share: Share, event: Any) -> None:
        """Send a part of a request.

        Raises:
            OSError: The other side does not take it.
            WitError: The guest may not any more, or its quota is used up.
            h11.LocalProtocolError: It does not fit what was sent before.
        """
        if data := self._http.send(event):
            await self.socket.send_all(share, data)

    def read(self) -> Event | None:
        """Return the next part of the answer that is there; None: more has to come.

        Raises:
            h11.RemoteProtocolError: What came is no HTTP, or ended too early.
            FieldsTooLarge: A head, or trailers, are too much to be read.
        """
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                assert isinstance(event, Event), event
                if isinstance(event, h11.Response) and any(
                    name == _FRAMED for name, _ in event.headers
                ):
                    self._chunks = Chunks()
                return event
            if not self._unread:
                return None
            if step := self._next():
                self._http.receive_data(step)

    def _next(self) -> bytes:
        """Take what is to be read next; empty: it has not come whole."""
        step, chunks = self._unread, self._chunks
        begins = self._http.their_state is h11.SEND_RESPONSE
        if begins and not self._section.begun and step[0] < _FIRST_OF_LINE:
            taken = 1  # it is no HTTP at all, and h11 says so at once
        elif begins or (chunks is not None and chunks.ended):
            taken, section = self._section.gather(step)
            self._unread = step[taken:]
            return section
        else:
            taken = len(step) if chunks is None else chunks.pass_over(step)
        self._unread = step[taken:]
        return bytes(step[:taken])

    async def fill(self, share: Share, limit: float) -> None:
        """Wait for more.

        Args:
            share: What is received is charged to it.
            limit: Seconds that the other side may be silent.

        Raises:
            TimeoutError: It was silent for longer.
            OSError: The connection broke.
            WitError: As of `send`.
        """
        with anyio.fail_after(limit):
            got = await self.socket.receive(share, LARGEST_PIECE)
        if got:
            self.heard = True
            self._unread = memoryview(got)
        else:
            self.ended = True
            self._http.receive_data(b"")

    def renew(self) -> bool:
        """Make ready for another request; False: there can be none."""
        rest, ended = self._http.trailing_data
        whole = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if not whole or rest or ended or self._unread:
            return False
        self._http.start_next_cycle()
        self._chunks = None
        self.heard = False
        return True

    def close(self) -> None:
        """Close it. Does nothing when it is closed."""
        self.socket.close()
