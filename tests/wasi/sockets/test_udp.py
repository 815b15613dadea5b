from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, Final

import anyio.lowlevel
import pytest

from airssys.core.errors import GuestTrapped
from airssys.host.network.addresses import Peer
from airssys.witmodel.types import Variant

from ...host.network.guest import receiving
from .guest import (
    ANY,
    FAMILIES,
    UDP,
    Guest,
    address,
    at,
    grants,
    here,
    on_sockets,
    sent,
)

pytestmark = pytest.mark.guest

INCOMING = f"{UDP}#[method]incoming-datagram-stream"
OUTGOING = f"{UDP}#[method]outgoing-datagram-stream"


async def bound(guest: Guest, family: str = "ipv4") -> tuple[Any, Any]:
    """Return a socket that is bound on loopback, and where."""
    end = await guest.bound(await guest.udp(family), here(family))
    return end, address(await guest.udp_("local-address", end))


async def send(guest: Guest, stream: Any, *datagrams: Any) -> int:
    await guest(f"{OUTGOING}.check-send", stream)
    count: int = await guest(f"{OUTGOING}.send", stream, list(datagrams))
    return count


async def send_fails(guest: Guest, stream: Any, *datagrams: Any) -> Any:
    await guest(f"{OUTGOING}.check-send", stream)
    return await guest.fails(f"{OUTGOING}.send", stream, list(datagrams))


async def receive(guest: Guest, stream: Any, most: int = 10) -> list[bytes]:
    await guest.block(stream, INCOMING)
    return [each.data for each in await guest(f"{INCOMING}.receive", stream, most)]


@pytest.mark.parametrize("family", FAMILIES)
async def test_datagrams_go_both_ways(family: str) -> None:
    async with on_sockets() as guest:
        server, where = await bound(guest, family)
        requests, answers = await guest.udp_("stream", server, None)
        client, home = await bound(guest, family)
        incoming, outgoing = await guest.udp_("stream", client, where)
        assert await send(guest, outgoing, sent(b"one"), sent(b"two", where)) == 2
        await guest.block(requests, INCOMING)
        got = await guest(f"{INCOMING}.receive", requests, 2**64 - 1)
        assert [each.data for each in got] == [b"one", b"two"]
        assert [address(each.remote_address) for each in got] == [home, home]
        assert await guest(f"{INCOMING}.receive", requests, 1) == []
        assert await send(guest, answers, sent(b"three", home)) == 1

        assert await receive(guest, incoming) == [b"three"]
        assert address(await guest.udp_("remote-address", client)) == where


async def test_a_pollable_waits_for_a_datagram() -> None:
    async with on_sockets() as guest:
        server, where = await bound(guest)
        incoming, outgoing = await guest.udp_("stream", server, None)
        waiting = await guest(f"{INCOMING}.subscribe", incoming)
        sending = await guest(f"{OUTGOING}.subscribe", outgoing)
        assert not await guest("poll#[method]pollable.ready", waiting)
        assert await guest("poll#[method]pollable.ready", sending)

        async with anyio.create_task_group() as tasks:

            async def later() -> None:
                await anyio.lowlevel.checkpoint()
                with socket.socket(type=socket.SOCK_DGRAM) as peer:
                    peer.sendto(b"now", ("127.0.0.1", where.value.port))

            tasks.start_soon(later)
            assert await guest("poll#poll", [waiting]) == [0]
        assert await guest(f"{INCOMING}.receive", incoming, 0) == []
        assert await receive(guest, incoming) == [b"now"]


async def test_only_the_chosen_peer_is_heard() -> None:
    async with on_sockets() as guest:
        with receiving() as (chosen, port), receiving() as (other, _):
            end, where = await bound(guest)
            incoming, outgoing = await guest.udp_("stream", end, at(port))
            home = ("127.0.0.1", where.value.port)
            other.sendto(b"listen to me", home)
            chosen.sendto(b"rather to me", home)
            assert await receive(guest, incoming) == [b"rather to me"]
            elsewhere = at(other.getsockname()[1])

            said = await send_fails(guest, outgoing, sent(b"x", elsewhere))
            assert said == "invalid-argument"


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_peer_can_be_chosen_again_and_again(family: str) -> None:
    async with on_sockets() as guest:
        client = await guest.bound(await guest.udp(family), at(0, ANY[family]))
        home = address(await guest.udp_("local-address", client))
        await guest.udp_("set-unicast-hop-limit", client, 42)
        one, two = here(family, 4321), here(family, 4320)
        pairs = []
        for peer in (None, None, one, one, two, None, one):
            pairs.append(await guest.udp_("stream", client, peer))
            if peer is None:
                said = await guest.udp_fails("remote-address", client)
                assert said == "invalid-state"
            else:
                assert address(await guest.udp_("remote-address", client)) == peer
        local = address(await guest.udp_("local-address", client))
        assert local.value.port == home.value.port
        assert await guest.udp_("unicast-hop-limit", client) == 42

        # Only the last streams work.
        incoming, outgoing = pairs[0]
        assert await guest.fails(f"{INCOMING}.receive", incoming, 1) == "invalid-state"
        assert await guest.fails(f"{OUTGOING}.check-send", outgoing) == "invalid-state"
        await guest.block(incoming, INCOMING)
        await guest.block(outgoing, OUTGOING)


async def test_streams_that_stopped_working_send_nothing() -> None:
    async with on_sockets() as guest:
        client, where = await bound(guest)
        _, outgoing = await guest.udp_("stream", client, None)
        await guest(f"{OUTGOING}.check-send", outgoing)
        await guest.udp_("stream", client, None)

        said = await guest.fails(f"{OUTGOING}.send", outgoing, [sent(b"x", where)])
        assert said == "invalid-state"


async def test_a_port_that_was_taken_meanwhile_closes_the_socket() -> None:
    async with on_sockets() as guest:
        client, _ = await bound(guest)
        await guest.udp_("stream", client, here("ipv4", 4321))
        with receiving() as (_, port):
            # As if somebody had been quicker than the socket that takes its place.
            client._local = Peer(ip_address("127.0.0.1"), port)
            said = await guest.udp_fails("stream", client, None)

        assert said == "address-in-use"
        assert await guest.udp_fails("local-address", client) == "invalid-state"
        assert client.socket.closed


async def test_nobody_there_is_told_at_the_next_use() -> None:
    async with on_sockets() as guest:
        with receiving() as (_, port):
            pass
        client, _ = await bound(guest)
        incoming, outgoing = await guest.udp_("stream", client, at(port))
        assert await send(guest, outgoing, sent(b"x")) == 1
        await guest.block(incoming, INCOMING)

        said = await guest.fails(f"{INCOMING}.receive", incoming, 1)
        assert said == "connection-refused"


WRONG: Final[dict[str, Callable[[str], Variant]]] = {
    "another family": lambda family: here({"ipv4": "ipv6", "ipv6": "ipv4"}[family], 47),
    "no port": lambda family: here(family, 0),
    "no host": lambda family: at(47, ANY[family]),
    "an IPv4 address in disguise": lambda _: at(47, "::ffff:127.0.0.1"),
    "a link of the host's": lambda _: at(47, "fe80::1", scope=2),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("family", FAMILIES)
async def test_what_is_no_address_to_send_to(family: str, wrong: str) -> None:
    async with on_sockets() as guest:
        client = await guest.bound(await guest.udp(family), here(family))
        where = WRONG[wrong](family)
        assert await guest.udp_fails("stream", client, where) == "invalid-argument"
        _, outgoing = await guest.udp_("stream", client, None)

        assert (
            await send_fails(guest, outgoing, sent(b"x", where)) == "invalid-argument"
        )
        assert guest.denied == []


async def test_a_datagram_needs_an_address_of_its_own_where_no_peer_was_chosen() -> (
    None
):
    async with on_sockets() as guest:
        client, where = await bound(guest)
        _, outgoing = await guest.udp_("stream", client, None)
        assert await send_fails(guest, outgoing, sent(b"x")) == "invalid-argument"
        # What went out before counts.
        assert await send(guest, outgoing, sent(b"x", where), sent(b"y")) == 1
        assert await send(guest, outgoing) == 0


async def test_a_datagram_has_a_largest_size() -> None:
    async with on_sockets() as guest:
        server, where = await bound(guest)
        incoming, _ = await guest.udp_("stream", server, None)
        client, _ = await bound(guest)
        _, outgoing = await guest.udp_("stream", client, where)
        assert await send(guest, outgoing, sent(bytes(65_507)), sent(b"")) == 2
        assert await receive(guest, incoming) == [bytes(65_507), b""]

        said = await send_fails(guest, outgoing, sent(bytes(65_508)))
        assert said == "datagram-too-large"


async def test_no_more_is_sent_than_was_permitted() -> None:
    for count, permitted, reason in (
        (1, False, "without check-send"),
        (17, True, "17 datagrams where check-send said 16"),
    ):
        async with on_sockets() as guest:
            client, where = await bound(guest)
            _, outgoing = await guest.udp_("stream", client, where)
            if permitted:
                assert await guest(f"{OUTGOING}.check-send", outgoing) == 16
            with pytest.raises(GuestTrapped, match=reason):
                await guest(f"{OUTGOING}.send", outgoing, [sent(b"x")] * count)


async def test_a_permission_is_for_one_send() -> None:
    async with on_sockets() as guest:
        client, where = await bound(guest)
        _, outgoing = await guest.udp_("stream", client, where)
        assert await send(guest, outgoing, *[sent(b"x")] * 16) == 16

        with pytest.raises(GuestTrapped, match="without check-send"):
            await guest(f"{OUTGOING}.send", outgoing, [sent(b"x")])


async def test_a_call_receives_so_many_datagrams_and_bytes() -> None:
    async with on_sockets() as guest:
        server, where = await bound(guest)
        await guest.udp_("set-receive-buffer-size", server, 4 * 2**20)
        incoming, _ = await guest.udp_("stream", server, None)
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            for _ in range(100):
                peer.sendto(b"x", ("127.0.0.1", where.value.port))
            assert len(await receive(guest, incoming, 2**63)) == 64
            assert len(await receive(guest, incoming, 3)) == 3
            assert len(await receive(guest, incoming, 2**63)) == 33
            for _ in range(8):
                peer.sendto(bytes(60_000), ("127.0.0.1", where.value.port))

            assert len(await receive(guest, incoming, 2**63)) == 5


async def test_a_system_that_takes_no_more_is_waited_for() -> None:
    async with on_sockets() as guest:
        client, where = await bound(guest)
        _, outgoing = await guest.udp_("stream", client, where)
        real = client.socket.raw
        with Busy(real) as busy:
            client.socket.raw = busy
            assert await send(guest, outgoing, sent(b"x")) == 0
            assert await guest(f"{OUTGOING}.check-send", outgoing) == 0
            with pytest.raises(GuestTrapped, match="check-send said 0"):
                await guest(f"{OUTGOING}.send", outgoing, [sent(b"x")])
        client.socket.raw = real


class Busy(socket.socket):
    """A full pipe in place of a socket: loopback itself is never full."""

    def __init__(self, real: socket.socket) -> None:
        mine, self.other = socket.socketpair(type=socket.SOCK_DGRAM)
        super().__init__(fileno=mine.detach())
        self.settimeout(0)
        self.real = real
        try:
            while True:
                super().send(bytes(1000))
        except BlockingIOError:
            pass

    def __exit__(self, *_: object) -> None:
        self.other.close()
        self.close()


# --- who is heard ---------------------------------------------------------------------


async def test_who_may_only_send_hears_only_those_it_may_send_to() -> None:
    granted = grants(outbound=["127.0.0.2:*"])
    async with on_sockets(granted) as guest:
        client = await guest.bound(await guest.udp(), at(0, "0.0.0.0"))  # noqa: S104
        incoming, outgoing = await guest.udp_("stream", client, None)
        port = client.socket.raw.getsockname()[1]
        with (
            socket.socket(type=socket.SOCK_DGRAM) as friend,
            socket.socket(type=socket.SOCK_DGRAM) as stranger,
        ):
            friend.bind(("127.0.0.2", 0))
            stranger.bind(("127.0.0.3", 0))
            stranger.sendto(b"boo", ("127.0.0.1", port))
            friend.sendto(b"hello", ("127.0.0.1", port))
            assert await receive(guest, incoming) == [b"hello"]
            to = at(friend.getsockname()[1], "127.0.0.2")
            assert await send(guest, outgoing, sent(b"hi", to)) == 1
            friend.settimeout(2)
            assert friend.recv(10) == b"hi"
            away = at(stranger.getsockname()[1], "127.0.0.3")

            assert (
                await send_fails(guest, outgoing, sent(b"hi", away)) == "access-denied"
            )
            assert guest.operations == [f"{OUTGOING}.send"]


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_port_is_the_guest_s_that_has_it(family: str) -> None:
    async with on_sockets() as guest:
        _, where = await bound(guest, family)
        other = await guest.udp(family)

        said = await guest.udp_fails("start-bind", other, guest.network, where)
        assert said == "address-in-use"
        await guest.bound(other, here(family))


async def test_a_group_is_no_address_to_bind_to() -> None:
    async with on_sockets() as guest:
        for host in ("224.0.0.1", "255.255.255.255"):
            end = await guest.udp()
            said = await guest.udp_fails("start-bind", end, guest.network, at(0, host))
            assert said == "invalid-argument"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
async def test_the_last_handle_closes(order: tuple[int, ...]) -> None:
    async with on_sockets() as guest:
        end, _ = await bound(guest)
        handles = (end, *await guest.udp_("stream", end, None))
        for place in order[:-1]:
            await guest.relay.drop(handles[place])
            assert not end.socket.closed
        await guest.relay.drop(handles[order[-1]])

        assert end.socket.closed


async def test_streams_go_on_without_their_socket() -> None:
    async with on_sockets() as guest:
        end, where = await bound(guest)
        incoming, outgoing = await guest.udp_("stream", end, None)
        await guest.relay.drop(end)
        assert await send(guest, outgoing, sent(b"to myself", where)) == 1

        assert await receive(guest, incoming) == [b"to myself"]
