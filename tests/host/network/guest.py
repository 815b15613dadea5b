"""A guest on the network, and peers on loopback that it talks to."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import cache
from typing import Any, cast

import anyio
import pytest
from anyio.abc import SocketStream
from attrs import define, field, frozen

from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import NetworkGrants
from airssys.core.limits import Quota
from airssys.host.network import FixedResolver, Resolver, Tls, network_interfaces
from airssys.host.network.tcp import TcpSocket
from airssys.host.network.udp import UdpSocket
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.testing import Recorder
from airssys.witmodel.types import Record, Variant

from ...relay import Relay, relay

SOCKET = "airssys:ext-network/socket@1.0.0"
CONNECTION = "airssys:ext-network/connection@1.0.0"
LOOPBACK = "127.0.0.1"
ALL = Grants(
    network=NetworkGrants(
        outbound=["127.0.0.0/8:*", "[::1]:*", "*.example.com:*"],
        inbound=["*"],
        resolve=["*.example.com", "127.0.0.0/8"],
    )
)
NAMES = {"peer.example.com": [LOOPBACK], "both.example.com": ["::1", LOOPBACK]}


def grants(**network_grants: Sequence[str]) -> Grants:
    return Grants(network=NetworkGrants(**cast("Any", network_grants)))


def at(port: int, host: str = LOOPBACK) -> Record:
    """Write a ``socket-address``."""
    if ":" in host:
        packed = socket.inet_pton(socket.AF_INET6, host)
        pairs = zip(packed[::2], packed[1::2], strict=True)
        address = Variant("ipv6", tuple(a << 8 | b for a, b in pairs))
    else:
        address = Variant("ipv4", tuple(socket.inet_aton(host)))
    return Record(address=address, port=port)


def to(port: int, host: str = LOOPBACK) -> Variant:
    """Write an ``endpoint`` by address."""
    return Variant("address", at(port, host))


def named(name: str, port: int) -> Variant:
    """Write an ``endpoint`` by name."""
    return Variant("name", (name, port))


@contextmanager
def listening(family: int = socket.AF_INET) -> Iterator[tuple[socket.socket, int]]:
    """Listen on loopback, on a port of the system's choice."""
    host = "::1" if family == socket.AF_INET6 else LOOPBACK
    with socket.socket(family) as server:
        server.bind((host, 0))
        server.listen(8)
        server.settimeout(2)
        yield server, server.getsockname()[1]


async def reached(port: int) -> SocketStream:
    """Connect to a port on loopback, as soon as somebody listens there."""
    while True:
        try:
            return await anyio.connect_tcp(LOOPBACK, port)
        except OSError:
            await anyio.sleep(0.01)


@contextmanager
def receiving() -> Iterator[tuple[socket.socket, int]]:
    """Receive datagrams on loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((LOOPBACK, 0))
        peer.settimeout(2)
        yield peer, peer.getsockname()[1]


def nobody(server: socket.socket) -> bool:
    """Tell whether nobody connected, or sent a datagram."""
    server.settimeout(0)
    try:
        if server.type == socket.SOCK_STREAM:
            server.accept()[0].close()
        else:
            server.recv(1)
    except BlockingIOError:
        return True
    return False


@define(eq=False)
class Guest:
    """A guest that passes calls on, with what it was granted."""

    relay: Relay
    standing: Standing
    recorder: Recorder
    made: list[Any] = field(factory=list)

    async def __call__(self, function: str, *args: Any) -> Any:
        made = await self.relay(function, *args)
        self.made.append(made)
        return made

    async def fails(self, function: str, *args: Any) -> Variant:
        with pytest.raises(WitError) as caught:
            await self(function, *args)
        return cast("Variant", caught.value.value)

    async def case(self, function: str, *args: Any) -> str:
        return str((await self.fails(function, *args)).case)

    async def tcp(self, family: str = "ipv4") -> TcpSocket:
        made = await self("socket#create-socket", family, "tcp-stream", "tcp")
        self.made.append(made.value)
        assert isinstance(made.value, TcpSocket)
        return made.value

    async def udp(self, family: str = "ipv4") -> UdpSocket:
        made = await self("socket#create-socket", family, "udp-datagram", "udp")
        self.made.append(made.value)
        assert isinstance(made.value, UdpSocket)
        return made.value

    async def connected(self, server: socket.socket) -> tuple[TcpSocket, socket.socket]:
        """Connect to a listening peer, and return both ends."""
        end = await self.tcp()
        await self("connection#connect", end, to(server.getsockname()[1]))
        peer, _ = server.accept()
        peer.settimeout(2)
        self.made.append(peer)
        return end, peer

    async def secure(self, end: Any, host: str, *, verify: bool = True) -> None:
        """Begin TLS."""
        await self("connection#upgrade-to-tls", end, host, verify)

    async def insecure(self, end: Any, host: str, *, verify: bool = True) -> Variant:
        """Begin TLS, which fails."""
        return await self.fails("connection#upgrade-to-tls", end, host, verify)

    async def options(self, end: Any, **changes: object) -> None:
        """Change some options of a socket."""
        kind = "tcp" if isinstance(end, TcpSocket) else "udp"
        found = await self(f"socket#[method]{kind}-socket.get-socket-options", end)
        values = {name: getattr(found, name.replace("-", "_")) for name in OPTIONS}
        values |= {name.replace("_", "-"): value for name, value in changes.items()}
        await self(f"socket#[method]{kind}-socket.set-socket-options", end, values)

    @property
    def denied(self) -> list[str]:
        return [f"{event.needed}: {event.reason}" for event in self.relay.denied]


OPTIONS = (
    *("reuse-address", "reuse-port", "tcp-no-delay", "tcp-keep-alive"),
    *("keep-alive-interval", "send-buffer-size", "receive-buffer-size"),
    *("connect-timeout", "read-timeout", "write-timeout", "non-blocking"),
)


@frozen
class Offered:
    """The interfaces of a host, with the recorder of their events."""

    interfaces: tuple[HostInterface, ...]
    gate: Gate
    recorder: Recorder

    @classmethod
    def over(
        cls, resolver: Resolver, tls: Tls | None = None, longest: float = 5.0
    ) -> Offered:
        recorder = Recorder()
        gate = Gate(recorder)
        made = network_interfaces(gate, resolver=resolver, tls=tls, longest=longest)
        return cls(made, gate, recorder)


@cache
def _usual(tls: Tls | None, longest: float) -> Offered:
    """Offer the interfaces once: linking a guest with new ones takes 30 ms."""
    return Offered.over(FixedResolver(NAMES), tls, longest)


@asynccontextmanager
async def on_network(
    granted: Grants = ALL,
    *,
    names: Mapping[str, Any] | Resolver = NAMES,
    tls: Tls | None = None,
    quota: Quota | None = None,
    longest: float = 5.0,
    over: Offered | None = None,
) -> AsyncIterator[Guest]:
    """Run a guest that may do what it was granted; by default much on loopback."""
    if over is None and names is NAMES:
        over = _usual(tls, longest)
    elif over is None:
        resolver = FixedResolver(names) if isinstance(names, Mapping) else names
        over = Offered.over(resolver, tls, longest)
    over.recorder.events.clear()
    budget = None if quota is None else Budget("acme/guest", quota)
    standing = Standing(granted, budget)
    with anyio.fail_after(10):
        async with relay(
            over.interfaces, grants=standing, recorder=over.recorder, guard=over.gate
        ) as made:
            guest = Guest(made, standing, over.recorder)
            try:
                yield guest
            finally:
                for each in guest.made:
                    if hasattr(each, "close"):
                        each.close()
