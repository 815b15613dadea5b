"""Send and receive datagrams through UDP."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

import anyio.lowlevel
from attrs import define

from .addresses import Peer, socket_name
from .errors import failure
from .owned import OwnedSocket, Way, opened, readable, system_name, writable
from .shares import Share

__all__ = ("HEADER_BYTES", "UdpSocket")

HEADER_BYTES: Final = 28
"""What a datagram is charged beside its bytes: else empty ones would cost nothing."""


@define(eq=False)
class UdpSocket(OwnedSocket):
    """What sends and receives datagrams."""

    peer: Peer | None = None
    """The one peer that was chosen."""
    bound: bool = False
    """Whether it was bound, and so receives from anybody."""
    used: bool = False
    """Whether it has sent anything, and so has a port to receive at."""

    def choose(self, way: Way) -> None:
        """Send to this peer, and receive from it only."""
        self.raw.connect(system_name(way.peer))
        self.peer = way.peer
        self.lead(way)

    def part(self, local: Peer, settle: Callable[[socket.socket], object]) -> None:
        """Have no chosen peer any more.

        Python has no word for that, so another socket takes its place at its address;
        what has come and was not received is lost.

        Args:
            local: The address, and the port that it has.
            settle: Sets for a fresh socket what was set for this one.

        Raises:
            OSError: Another has taken the port meanwhile. The socket is closed.
        """
        fresh = opened(self.family, "udp-datagram", self.options)
        try:
            settle(fresh)
            self.raw.close()
            fresh.bind(system_name(local))
        except BaseException:
            fresh.close()
            self.close()
            raise
        self.become(fresh)
        self.peer = None
        self.way: Way | None = None

    async def send(self, share: Share, piece: bytes, to: Peer | None) -> int:
        """Send a datagram, all of it or nothing, to the chosen peer or to another."""
        await share.pay()
        await share.take(len(piece) + HEADER_BYTES)

        def attempt() -> int:
            if to is None:
                return self.raw.send(piece)
            return self.raw.sendto(piece, system_name(to))

        count = await self.ready(attempt, writable, share.again)
        self.used = True
        return count

    async def receive(
        self, share: Share, most: int, wanted: Callable[[Peer], bool]
    ) -> tuple[bytes, Peer]:
        """Receive the next datagram that is wanted, and who sent it.

        Args:
            share: What may be received.
            most: Bytes; the rest of a longer one is cut off.
            wanted: Tells whether one from there is; others are thrown away.
        """
        if not (self.bound or self.used or self.peer):
            words = "the socket has no port yet: bind it, or send first"
            raise failure("invalid-argument", words)
        while True:
            await share.pay()
            got, name = await self.ready(
                lambda: self.raw.recvfrom(most), readable, share.again
            )
            share.charge(len(got) + HEADER_BYTES)
            sender = socket_name(name)
            if wanted(sender):
                return got, sender
            await anyio.lowlevel.checkpoint()
