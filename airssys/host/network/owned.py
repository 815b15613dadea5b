"""Own a socket of the system for a guest: wait on it, and close it in any event."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Literal, TypeAlias, TypeVar

import anyio
from attrs import define, field, frozen

from ...core.grants.capabilities import Network
from .addresses import Family, Peer, family_of, socket_name
from .errors import failure
from .options import SocketOptions

__all__ = (
    "Kind",
    "OwnedSocket",
    "Waiting",
    "Way",
    "opened",
    "readable",
    "system_name",
    "writable",
)

_T = TypeVar("_T")

Kind: TypeAlias = Literal["tcp-stream", "udp-datagram"]
Waiting: TypeAlias = Callable[[socket.socket], Awaitable[None]]
"""Waits until a socket can go on; never more than one task for one socket, since an
instance runs one call at a time and lends its sockets to nobody."""

readable: Final[Waiting] = anyio.wait_readable
writable: Final[Waiting] = anyio.wait_writable

_FAMILIES: Final = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}
_KINDS: Final = {
    "tcp-stream": socket.SOCK_STREAM,
    "udp-datagram": socket.SOCK_DGRAM,
}


def opened(family: Family, kind: Kind, options: SocketOptions) -> socket.socket:
    """Open a socket of the system's that never blocks.

    One for IPv6 is for nothing else: what goes to an IPv4 address goes through a
    socket for IPv4.

    Raises:
        OSError: The system gives none.
    """
    raw = socket.socket(_FAMILIES[family], _KINDS[kind])
    try:
        raw.settimeout(0)
        if family == "ipv6":
            raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        options.apply(raw)
    except BaseException:
        raw.close()
        raise
    return raw


def system_name(peer: Peer) -> tuple[str, int]:
    """Return an address as the system takes it."""
    return str(peer.address), peer.port


@frozen
class Way:
    """An address that may be connected to, and what allows it."""

    peer: Peer
    need: Network
    by: str
    """What the guest had asked for: the name, or the address."""


@define(eq=False)
class OwnedSocket:
    """A socket of the system's that belongs to a guest.

    It counts as a handle until it is closed, and is closed at the latest when nobody
    has it any more: a call that is cancelled can lose one between guest and host.
    """

    raw: socket.socket
    family: Family
    give_back: Callable[[], object]
    """Called once, when it is closed: it is no handle any more."""
    options: SocketOptions
    need: Network | None = None
    """The capability that it was connected, bound or opened to listen under; None until
    then."""
    way: Way | None = None
    """How it was connected."""
    closed: bool = field(default=False, init=False)

    def lead(self, way: Way) -> None:
        """Note how it is connected, and under which grant."""
        self.need, self.way = way.need, way

    def become(self, raw: socket.socket) -> None:
        """Go on with another socket of the system's in place of its own."""
        self.raw = raw

    async def ready(
        self,
        attempt: Callable[[], _T],
        wait: Waiting,
        again: Callable[[], object],
    ) -> _T:
        """Try until the socket does not ask to wait, and return what comes of it.

        Args:
            attempt: What to try; it never blocks.
            wait: What to wait for where TLS does not say what.
            again: Called after each wait; raises where the caller may not go on.

        Raises:
            WitError: It would have to wait, and may not; or its grant is gone.
            OSError: The attempt failed.
        """
        while True:
            try:
                return attempt()
            except ssl.SSLWantReadError:
                waiting = readable
            except ssl.SSLWantWriteError:
                waiting = writable
            except BlockingIOError:
                waiting = wait
            if self.options.non_blocking:
                raise failure("would-block", "the socket is set not to wait")
            await waiting(self.raw)
            again()

    @property
    def local(self) -> Peer | None:
        """Its own address and port; None before it has any."""
        name = socket_name(self.raw.getsockname())
        return name if name.port else None

    @property
    def remote(self) -> Peer | None:
        """The peer's address and port; None where there is no peer."""
        try:
            return socket_name(self.raw.getpeername())
        except OSError:
            return None

    def bind(self, peer: Peer, need: Network | None) -> None:
        """Take a local address and port.

        Raises:
            WitError: The address is of the other family, or of a group.
            OSError: The system refuses it.
        """
        if family_of(peer.address) != self.family:
            raise failure("invalid-address", f"{peer.address} is not {self.family}")
        if peer.address.is_multicast:
            raise failure("invalid-address", f"{peer.address} is a group's")
        self.raw.bind(system_name(peer))
        self.need = need or self.need

    def close(self) -> None:
        """Close it. Does nothing when it is closed, and never waits."""
        if not self.closed:
            self.closed = True
            with suppress(OSError):
                self.raw.close()
            self.give_back()

    def __del__(self) -> None:
        self.close()
