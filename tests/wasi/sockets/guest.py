"""A guest with sockets of WASI, and peers on loopback that it talks to."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, cast

import anyio
import pytest
from attrs import define, field

from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import NetworkGrants
from airssys.core.limits import Quota
from airssys.host.network import FixedResolver, Resolver
from airssys.host.offered import Facilities
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder
from airssys.wasi import open_interfaces
from airssys.wasi.sockets.datagrams import UdpEnd
from airssys.wasi.sockets.tcp import TcpEnd
from airssys.witmodel.types import Record, Variant

from ...host.network.guest import listening
from ...relay import Relay, relay

LOOPBACK: Final = {"ipv4": "127.0.0.1", "ipv6": "::1"}
ANY: Final = {"ipv4": "0.0.0.0", "ipv6": "::"}  # noqa: S104 - of the tests' own guest
FAMILIES: Final = ("ipv4", "ipv6")
NETWORK, LOOKUP, TCP, TCP_CREATE, UDP, UDP_CREATE, INSTANCE = (
    f"wasi:sockets/{name}@0.2.12"
    for name in (
        *("network", "ip-name-lookup", "tcp", "tcp-create-socket", "udp"),
        *("udp-create-socket", "instance-network"),
    )
)
STREAMS: Final = "wasi:io/streams@0.2.12"
USED: Final = (
    *("wasi:io/error@0.2.12", "wasi:io/poll@0.2.12", STREAMS),
    *("wasi:clocks/monotonic-clock@0.2.12",),
    *(NETWORK, LOOKUP, TCP, TCP_CREATE, UDP, UDP_CREATE, INSTANCE),
)
NAMES: Final = {
    "peer.example.com": ["127.0.0.1"],
    "out.example.com": ["192.0.43.8", "2606:4700::8"],
    "both.example.com": ["10.0.0.1", "192.0.43.8"],
}
ALL: Final = Grants(
    network=NetworkGrants(
        outbound=["127.0.0.0/8:*", "[::1]:*"],
        inbound=["*"],
        resolve=["*.example.com"],
    )
)


def grants(**network_grants: Sequence[Any]) -> Grants:
    return Grants(network=NetworkGrants(**network_grants))


def at(port: int, host: str = "127.0.0.1", *, scope: int = 0, flow: int = 0) -> Variant:
    """Write an ``ip-socket-address``."""
    if ":" not in host:
        address = tuple(socket.inet_aton(host))
        return Variant("ipv4", Record(port=port, address=address))
    packed = socket.inet_pton(socket.AF_INET6, host)
    pairs = zip(packed[::2], packed[1::2], strict=True)
    address = tuple(a << 8 | b for a, b in pairs)
    return Variant(
        "ipv6", Record(port=port, flow_info=flow, address=address, scope_id=scope)
    )


def here(family: str, port: int = 0) -> Variant:
    """Write an ``ip-socket-address`` of loopback."""
    return at(port, LOOPBACK[family])


def sent(data: bytes, to: Variant | None = None) -> Record:
    """Write an ``outgoing-datagram``."""
    return Record(data=data, remote_address=to)


@define(eq=False)
class Guest:
    """A guest that passes calls on, with what it was granted."""

    relay: Relay
    standing: Standing
    gate: Gate
    network: Any = None
    made: list[Any] = field(factory=list)
    """What came of all calls: a result gives its handles up, and is to live on."""

    async def __call__(self, function: str, *args: Any) -> Any:
        made = await self.relay(function, *args)
        self.made.append(made)
        return made

    async def tcp_(self, method: str, end: Any, *args: Any) -> Any:
        return await self(f"{TCP}#[method]tcp-socket.{method}", end, *args)

    async def udp_(self, method: str, end: Any, *args: Any) -> Any:
        return await self(f"{UDP}#[method]udp-socket.{method}", end, *args)

    def close(self) -> None:
        """Close all sockets that there are."""
        for each in self.made:
            for one in each if isinstance(each, tuple) else (each,):
                if isinstance(one, TcpEnd | UdpEnd):
                    one.socket.close()
        self.made.clear()

    async def fails(self, function: str, *args: Any) -> Any:
        """Return the error of a call that fails."""
        with pytest.raises(WitError) as caught:
            await self.relay(function, *args)
        return caught.value.value

    async def tcp_fails(self, method: str, end: Any, *args: Any) -> Any:
        return await self.fails(f"{TCP}#[method]tcp-socket.{method}", end, *args)

    async def udp_fails(self, method: str, end: Any, *args: Any) -> Any:
        return await self.fails(f"{UDP}#[method]udp-socket.{method}", end, *args)

    async def tcp(self, family: str = "ipv4") -> Any:
        return await self(f"{TCP_CREATE}#create-tcp-socket", family)

    async def udp(self, family: str = "ipv4") -> Any:
        return await self(f"{UDP_CREATE}#create-udp-socket", family)

    async def block(self, waited: Any, kind: str) -> None:
        """Subscribe to something and wait for it."""
        pollable = await self(f"{kind}.subscribe", waited)
        await self("poll#[method]pollable.block", pollable)
        await self.relay.drop(pollable)

    async def bound(self, end: Any, address: Variant) -> Any:
        """Bind a socket of either kind."""
        bind = self.tcp_ if isinstance(end, TcpEnd) else self.udp_
        await bind("start-bind", end, self.network, address)
        await bind("finish-bind", end)
        return end

    async def listening(self, family: str = "ipv4") -> tuple[Any, Variant]:
        """Listen on loopback, and return where."""
        end = await self.bound(await self.tcp(family), here(family))
        await self.tcp_("start-listen", end)
        await self.tcp_("finish-listen", end)
        return end, address(await self.tcp_("local-address", end))

    async def connecting(self, where: Variant) -> Any:
        end = await self.tcp(where.case)
        await self.tcp_("start-connect", end, self.network, where)
        return end

    async def finish(self, end: Any) -> tuple[Any, Any]:
        """Finish connecting, as soon as that is over."""
        await self.block(end, f"{TCP}#[method]tcp-socket")
        streams: tuple[Any, Any] = await self.tcp_("finish-connect", end)
        return streams

    async def connected(self, where: Variant) -> tuple[Any, Any, Any]:
        """Connect to a listener; return the socket and its streams."""
        end = await self.connecting(where)
        return end, *await self.finish(end)

    async def accepted(self, listener: Any) -> tuple[Any, Any, Any]:
        await self.block(listener, f"{TCP}#[method]tcp-socket")
        made: tuple[Any, Any, Any] = await self.tcp_("accept", listener)
        return made

    async def pair(self, family: str = "ipv4") -> tuple[Any, Any]:
        """Return both ends of a connection, each a socket and its streams."""
        listener, where = await self.listening(family)
        mine = await self.connected(where)
        return mine, await self.accepted(listener)

    async def outside(self, end: socket.socket) -> tuple[Any, socket.socket]:
        """Connect to a listener of the test's; return both ends."""
        mine = await self.connected(at(end.getsockname()[1]))
        peer, _ = end.accept()
        peer.settimeout(5)
        return mine, peer

    async def stuffed(self) -> tuple[Any, socket.socket, bytes]:
        """Connect to a peer that does not read, and write until no more goes out.

        Returns:
            The guest's end, the peer, and what was written.
        """
        with listening() as (server, _):
            # A fixed size, else the system makes room for more and more.
            server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 10_000)
            mine, peer = await self.outside(server)
        await self.tcp_("set-send-buffer-size", mine[0], 1)
        output, written, quiet = f"{STREAMS}#[method]output-stream", b"", 0
        while quiet < 3:
            room = await self(f"{output}.check-write", mine[2])
            if room:
                await self(
                    f"{output}.write", mine[2], bytes(range(256)) * (room // 256)
                )
                written += bytes(range(256)) * (room // 256)
                quiet = 0
            else:  # unless what was acknowledged late makes room again
                await anyio.sleep(0.05)
                quiet += 1
        return mine, peer, written

    async def read(self, stream: Any, most: int = 100) -> bytes:
        got: bytes = await self(
            f"{STREAMS}#[method]input-stream.blocking-read", stream, most
        )
        return got

    async def read_all(self, stream: Any) -> bytes:
        got, closed = b"", None
        while closed is None:
            try:
                got += await self.read(stream, 2**20)
            except WitError as error:
                closed = cast("Variant", error.value).case
        assert closed == "closed"
        return got

    async def write(self, stream: Any, data: bytes) -> None:
        await self(
            f"{STREAMS}#[method]output-stream.blocking-write-and-flush", stream, data
        )

    async def stream_fails(self, method: str, stream: Any, *args: Any) -> Any:
        """Return why a call of a stream fails: ``closed``, or the network's code."""
        error = await self.fails(f"{STREAMS}#[method]{method}", stream, *args)
        if error.case == "closed":
            return "closed"
        assert error.case == "last-operation-failed"
        return await self(f"{NETWORK}#network-error-code", error.value)

    async def resolved(self, name: str) -> list[Any]:
        """Look a name up, and return its addresses."""
        found = await self(f"{LOOKUP}#resolve-addresses", self.network, name)
        await self.block(found, f"{LOOKUP}#[method]resolve-address-stream")
        told = []
        while (one := await self.next(found)) is not None:
            told.append(one)
        await self.relay.drop(found)
        return told

    async def next(self, found: Any) -> Any:
        stream = f"{LOOKUP}#[method]resolve-address-stream"
        return await self(f"{stream}.resolve-next-address", found)

    @property
    def denied(self) -> list[str]:
        return [f"{event.needed}: {event.reason}" for event in self.relay.denied]

    @property
    def operations(self) -> list[str]:
        """The function of each refusal."""
        return [event.operation for event in self.relay.denied]

    def held(self) -> int:
        """Return the handles that count against the quota."""
        assert self.standing.budget is not None
        return self.standing.budget.held("handles")


def address(told: Any) -> Variant:
    """Return an ``ip-socket-address`` as it can be passed on."""
    fields = {name: getattr(told.value, name) for name in ("port", "address")}
    if told.case == "ipv6":
        fields |= {"flow_info": 0, "scope_id": 0}
    return Variant(told.case, Record(**fields))


@asynccontextmanager
async def on_sockets(
    granted: Grants = ALL,
    *,
    names: Mapping[str, Any] | Resolver = NAMES,
    quota: Quota | None = None,
    **options: Any,
) -> AsyncIterator[Guest]:
    """Run a guest that may do what it was granted; by default much on loopback."""
    resolver = FixedResolver(names) if isinstance(names, Mapping) else names
    recorder = Recorder()
    gate = Gate(recorder)
    budget = None if quota is None else Budget("acme/guest", quota)
    standing = Standing(granted, budget)
    facilities = Facilities(resolver=resolver, longest_wait=5.0)
    with anyio.fail_after(20):
        async with open_interfaces(gate, facilities) as offered:
            used = [each for each in offered if each.name in USED]
            async with relay(
                used, grants=standing, recorder=recorder, guard=gate, **options
            ) as made:
                guest = Guest(made, standing, gate)
                guest.network = await guest(f"{INSTANCE}#instance-network")
                try:
                    yield guest
                finally:
                    guest.close()
