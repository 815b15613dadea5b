"""Connect, listen, send and receive through TCP, with TLS where it was agreed on."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal, TypeAlias

import anyio
import anyio.lowlevel
import anyio.to_thread
from attrs import define, field

from .addresses import Peer, peer_value, socket_name
from .errors import failure
from .owned import OwnedSocket, opened, readable, system_name, writable
from .shares import Share
from .tls import Agreed

__all__ = ("How", "State", "TcpSocket")

State: TypeAlias = Literal[
    "created", "connecting", "connected", "listening", "closing", "closed", "error"
]
How: TypeAlias = Literal["read", "write", "both"]

_SIDES: Final = {
    "read": socket.SHUT_RD,
    "write": socket.SHUT_WR,
    "both": socket.SHUT_RDWR,
}
_TCP_INFO: Final = (
    getattr(socket, "TCP_INFO", None) if sys.platform == "linux" else None
)
# struct tcp_info of Linux: eight bytes, then 32-bit numbers; the smoothed round trip is
# the 16th, all that was sent again the 24th.
_ROUND_TRIP, _SENT_AGAIN, _INFO_SIZE = 68, 100, 104


@define(eq=False)
class TcpSocket(OwnedSocket):
    """One end of a TCP connection, or what waits for connections."""

    state: State = "created"
    name: str = ""
    """The name it was connected by, or the address in words."""
    bound_to: Peer | None = None
    """What it was bound to, as it was asked for."""
    agreed: Agreed | None = None
    """What was agreed on in the TLS handshake; None without TLS."""
    ended: bool = False
    """Whether the peer has ended the stream, in TLS's own words."""
    idle_limit: float | None = None
    """Seconds without a byte after which it is closed."""
    on_close: Callable[[TcpSocket], object] | None = None
    """Called when it is closed, for the pool that it came from."""
    sent: int = 0
    received: int = 0
    sends: int = 0
    receives: int = 0
    since: float = field(default=0.0, init=False)
    """When it was connected, by the event loop's clock."""
    used: float = field(default=0.0, init=False)
    """When it was used last, by the same clock."""
    established: int | None = field(default=None, init=False)
    """When it was connected, by the wall clock, in seconds since 1970."""

    # Connect.

    async def open_to(self, peer: Peer) -> None:
        """Connect to an address, once.

        Raises:
            OSError: It failed. The socket is as new, and can try another.
        """
        try:
            if not self.start_to(peer):
                await writable(self.raw)
                self.check_connected()
        except BaseException:
            with suppress(OSError):  # why it failed counts
                self.renew()
            raise
        self.begin()

    def start_to(self, peer: Peer) -> bool:
        """Begin to connect to an address, and tell whether that was all.

        Once the socket is writable `check_connected` tells what came of it.

        Raises:
            OSError: It failed.
        """
        self.state = "connecting"
        try:
            self.raw.connect(system_name(peer))
        except (BlockingIOError, InterruptedError):
            return False
        return True

    def check_connected(self) -> None:
        """See what came of connecting.

        Raises:
            OSError: It failed.
        """
        number = self.raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if number:
            raise OSError(number, os.strerror(number))

    def begin(self) -> None:
        """Note that it is connected from now on."""
        self.state = "connected"
        self.since = self.used = anyio.current_time()
        self.established = int(time.time())

    def renew(self) -> None:
        """Take a fresh socket of the system's: one that failed is not used again.

        Raises:
            OSError: There is none, or its address is taken. It is of no use then.
        """
        self.raw.close()
        self.state = "error"
        fresh = opened(self.family, "tcp-stream", self.options)
        try:
            if self.bound_to is not None:
                fresh.bind(system_name(self.bound_to))
        except BaseException:
            fresh.close()
            raise
        self.become(fresh)

    async def begin_tls(
        self,
        context: ssl.SSLContext,
        hostname: str,
        again: Callable[[], object],
        *,
        verified: bool,
    ) -> None:
        """Shake hands as a client. The socket is closed where that fails.

        Raises:
            OSError: It failed.
        """
        try:
            secured = context.wrap_socket(
                self.raw,
                server_hostname=hostname,
                do_handshake_on_connect=False,
                # A stream that breaks off is no stream that ended (RFC 8446, 6.1).
                suppress_ragged_eofs=False,
            )
            self.become(secured)
            await self._shake_hands(secured, again)
        except BaseException:
            self.close()
            raise
        self.agreed = Agreed(hostname, verified)

    async def _shake_hands(
        self, secured: ssl.SSLSocket, again: Callable[[], object]
    ) -> None:
        """Shake hands, each step in a thread.

        The peer chooses numbers that it can take a second to compute with. No thread is
        left behind: whoever closes the socket has waited for it.
        """
        alone = anyio.CapacityLimiter(1)
        while True:
            waiting = readable
            try:
                await anyio.to_thread.run_sync(secured.do_handshake, limiter=alone)
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLWantWriteError:
                waiting = writable
            else:
                return
            await waiting(secured)
            again()

    # Listen.

    def listen(self, backlog: int) -> None:
        """Wait for connections."""
        self.raw.listen(backlog)
        self.state = "listening"

    async def accept(
        self, give_back: Callable[[], object], again: Callable[[], object]
    ) -> TcpSocket:
        """Return the next connection.

        Args:
            give_back: Of the handle that the connection is.
            again: Raises where the caller may not go on.

        Raises:
            OSError: There is none.
        """
        raw, name = await self.ready(self.raw.accept, readable, again)
        try:
            raw.settimeout(0)
            self.options.apply(raw)
        except BaseException:
            raw.close()
            raise
        made = TcpSocket(raw, self.family, give_back, self.options, self.need)
        made.name = str(socket_name(name).address)
        made.begin()
        return made

    # Send and receive.

    def check_stream(self) -> None:
        """Refuse to send or receive without a connection, or after too long.

        Raises:
            WitError: There is none, or nothing went through it for too long.
        """
        if self.state not in {"connected", "closing"}:
            raise failure("invalid-argument", f"the socket is {self.state}")
        if self.idle_left() <= 0:
            self.close()
            raise failure("connection-timeout", "nothing went through for too long")

    def idle_left(self) -> float:
        """Return the seconds until the connection counts as idle."""
        if self.idle_limit is None:
            return float("inf")
        return self.used + self.idle_limit - anyio.current_time()

    async def send(self, share: Share, piece: bytes | memoryview) -> int:
        """Send what goes out at once and return how much that was."""
        await share.pay()
        piece = piece[: share.piece]
        await share.take(len(piece))
        count = await self.ready(lambda: self.raw.send(piece), writable, share.again)
        self.used = anyio.current_time()
        self.sent += count
        self.sends += 1
        return count

    def send_nowait(self, piece: bytes | memoryview) -> int:
        """Send what goes out at once and return how much that was, if anything.

        It is taken from the sender's share already.

        Raises:
            OSError: It failed.
        """
        try:
            count = self.raw.send(piece)
        except BlockingIOError:
            return 0
        self.used = anyio.current_time()
        self.sent += count
        self.sends += 1
        return count

    async def send_all(self, share: Share, whole: bytes) -> None:
        """Send all of it, in pieces."""
        left = memoryview(whole)
        while left:
            left = left[await self.send(share, left) :]
            await anyio.lowlevel.checkpoint()

    async def receive(self, share: Share, most: int) -> bytes:
        """Receive what is there; empty is the end of the stream."""
        await share.pay()
        if self.ended:
            return b""
        count = min(most, share.piece)
        try:
            got = await self.ready(lambda: self.raw.recv(count), readable, share.again)
        except ssl.SSLZeroReturnError:  # both sides have said goodbye
            got, self.ended = b"", True
        share.charge(len(got))
        self.used = anyio.current_time()
        self.received += len(got)
        self.receives += 1
        return got

    async def receive_all(self, share: Share, most: int) -> bytes:
        """Receive to the end of the stream, or so many bytes."""
        got = bytearray()
        while len(got) < most and (more := await self.receive(share, most - len(got))):
            got += more
            await anyio.lowlevel.checkpoint()
        return bytes(got)

    def shutdown(self, how: How) -> None:
        """End one direction, or both; with TLS the peer is told in its words too."""
        if self.agreed is not None and how != "read":
            self._say_goodbye()
        # Not SSLSocket's own, which would go on without TLS.
        socket.socket.shutdown(self.raw, _SIDES[how])
        self.state = "closing"

    def _say_goodbye(self) -> None:
        """Send TLS's close_notify, without waiting for the peer's."""
        secured = self.raw
        assert isinstance(secured, ssl.SSLSocket)
        # It asks to wait for the peer's answer, once its own is sent.
        with suppress(OSError, ValueError):
            secured.unwrap()
            self.ended = True  # the peer had ended already; what follows is no TLS

    # State and statistics.

    def alive(self) -> bool:
        """Tell whether the peer has not ended the connection, as far as one can see."""
        if self.state != "connected" or self.ended:
            return False
        try:
            # The class's own: SSLSocket refuses to peek.
            return socket.socket.recv(self.raw, 1, socket.MSG_PEEK) != b""
        except BlockingIOError:
            return True
        except OSError:
            return False

    def quiet(self) -> bool:
        """Tell whether the connection stands and has nothing unread, to use it again.

        Something that is unread is lost: it is an answer nobody waited for.
        """
        if self.state != "connected" or self.ended:
            return False
        try:
            self.raw.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return True
        except OSError:
            return False
        return False

    def to_record(self) -> dict[str, object]:
        """Write a ``connection-info``."""
        local = None if self.closed else self.local
        remote = None if self.closed else self.remote
        return {
            "local-address": None if local is None else peer_value(local),
            "remote-address": None if remote is None else peer_value(remote),
            "state": self.state,
            "established-time": self.established,
            "bytes-sent": self.sent,
            "bytes-received": self.received,
        }

    def statistics(self) -> dict[str, object]:
        """Write a ``connection-statistics``."""
        now = anyio.current_time()
        round_trip = sent_again = None
        if _TCP_INFO is not None:
            with suppress(OSError, struct.error):
                known = self.raw.getsockopt(socket.IPPROTO_TCP, _TCP_INFO, _INFO_SIZE)
                (round_trip,) = struct.unpack_from("=I", known, _ROUND_TRIP)
                (sent_again,) = struct.unpack_from("=I", known, _SENT_AGAIN)
        return {
            "bytes-sent": self.sent,
            "bytes-received": self.received,
            "sends": self.sends,
            "receives": self.receives,
            "age-ms": int((now - self.since) * 1000),
            "idle-ms": int((now - self.used) * 1000),
            "round-trip-us": round_trip,
            "retransmits": sent_again,
        }

    def close(self) -> None:
        """Close it, with TLS's goodbye. Does nothing when it is closed."""
        if self.closed:
            return
        if self.agreed is not None and self.state == "connected":
            self._say_goodbye()
        self.state = "closed"
        super().close()
        if self.on_close is not None:
            self.on_close(self)
