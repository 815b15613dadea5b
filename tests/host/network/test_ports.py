"""A port belongs to the component that took it, whatever others ask the system for."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from typing import Any

import pytest

from airssys.host.network.resolve import FixedResolver
from airssys.hostcalls.call import Standing

from ...relay import relay
from .guest import LOOPBACK, Guest, Offered, at, grants, on_network

pytestmark = pytest.mark.guest

ALL_PORTS = grants(inbound=["*"], outbound=["127.0.0.1:*"])
TCP, UDP = "socket#[method]tcp-socket.", "socket#[method]udp-socket."


async def made(guest: Guest, kind: str, **options: bool) -> Any:
    end = await (guest.tcp() if kind == "tcp" else guest.udp())
    await guest.options(end, **options)
    return end


async def bound(guest: Guest, kind: str, port: int = 0, **options: bool) -> Any:
    end = await made(guest, kind, **options)
    await guest(f"socket#[method]{kind}-socket.bind", end, at(port))
    return end


async def opened(guest: Guest, kind: str, port: int = 0, **options: bool) -> Any:
    """Open what gets all that comes to a port."""
    end = await bound(guest, kind, port, **options)
    if kind == "tcp":
        await guest(f"{TCP}listen", end, 8)
    return end


SHARING = [
    ("tcp", {"reuse_port": True}),
    ("udp", {"reuse_port": True}),
    ("udp", {"reuse_address": True}),
    ("udp", {"reuse_port": True, "reuse_address": True}),
]


@pytest.mark.parametrize(("kind", "options"), SHARING)
async def test_a_second_component_takes_no_part_of_a_port(
    kind: str, options: dict[str, bool]
) -> None:
    # The second has other interfaces, and so could be of another system.
    async with (
        on_network(ALL_PORTS) as first,
        on_network(ALL_PORTS, over=Offered.over(FixedResolver({}))) as second,
    ):
        end = await opened(first, kind, **options)
        port = end.raw.getsockname()[1]
        thief = await made(second, kind, **options)

        bind = f"socket#[method]{kind}-socket.bind"
        assert await second.case(bind, thief, at(port)) == "address-in-use"
        everywhere = at(port, "0.0.0.0")  # noqa: S104 - to be refused
        assert await second.case(bind, thief, everywhere) == "address-in-use"

        # All that comes is the first one's.
        for number in range(20):
            with socket.socket(type=end.raw.type) as client:
                client.connect((LOOPBACK, port))
                client.send(b"%d" % number)
                if kind == "tcp":
                    accepted = await first(f"{TCP}accept", end)
                    got = await first(f"{TCP}receive", accepted, 10)
                    await first(f"{TCP}close-socket", accepted)
                else:
                    got = await first(f"{UDP}receive-from", end, 10)
                assert got.data == b"%d" % number


@pytest.mark.parametrize("kind", ["tcp", "udp"])
async def test_sockets_of_one_component_share_a_port_where_both_ask_for_it(
    kind: str,
) -> None:
    bind = f"socket#[method]{kind}-socket.bind"
    async with on_network(ALL_PORTS) as guest:
        one = await opened(guest, kind, reuse_port=True)
        port = one.raw.getsockname()[1]
        alone = await made(guest, kind)

        await opened(guest, kind, port, reuse_port=True)
        assert await guest.case(bind, alone, at(port)) == "address-in-use"
        assert one.raw.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1


@pytest.mark.parametrize("own", [1, 2])
async def test_who_listens_first_has_the_port(own: int) -> None:
    async with on_network(ALL_PORTS) as first, on_network(ALL_PORTS) as second:
        # The system lets sockets be bound to one port as long as none listens.
        mine = [await bound(first, "tcp", reuse_port=True)]
        port = mine[0].raw.getsockname()[1]
        other = await bound(second, "tcp", port, reuse_port=True)
        if own > 1:
            mine.append(await bound(first, "tcp", port, reuse_port=True))
        await second(f"{TCP}listen", other, 8)

        for end in mine:
            assert await first.case(f"{TCP}listen", end, 8) == "address-in-use"


async def test_in_a_system_actors_share_ports_of_their_component() -> None:
    over = Offered.over(FixedResolver({}))
    async with AsyncExitStack() as stack:

        async def actor(id_: str, namespace: str = "") -> Guest:
            standing = Standing(ALL_PORTS, namespace=namespace)
            entered = await stack.enter_async_context(
                relay(
                    over.interfaces,
                    grants=standing,
                    recorder=over.recorder,
                    guard=over.gate,
                    name="acme/web",
                    actor=id_,
                )
            )
            return Guest(entered, standing, over.recorder)

        one = await opened(await actor("web#1"), "tcp", reuse_port=True)
        port = one.raw.getsockname()[1]
        two = await opened(await actor("web#2"), "tcp", port, reuse_port=True)
        # The host gave this one a namespace, and so says that it is another component.
        other = await actor("other", "acme/other")
        end = await made(other, "tcp", reuse_port=True)

        assert await other.case(f"{TCP}bind", end, at(port)) == "address-in-use"
        for each in (one, two, end):
            each.close()
