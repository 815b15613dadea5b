"""What a guest that wants too much gets of the network."""

from __future__ import annotations

import gc
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from airssys.core.grants.grants import NO_GRANTS
from airssys.core.limits import Limits, Quota

from ...host.network.guest import listening
from .guest import STREAMS, TCP_CREATE, UDP, UDP_CREATE, at, here, on_sockets, sent

pytestmark = pytest.mark.guest

INPUT, OUTPUT = f"{STREAMS}#[method]input-stream", f"{STREAMS}#[method]output-stream"
INCOMING = f"{UDP}#[method]incoming-datagram-stream"
OUTGOING = f"{UDP}#[method]outgoing-datagram-stream"


def descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_every_socket_is_a_handle_until_it_is_dropped() -> None:
    async with on_sockets(quota=Quota(handles=4)) as guest:
        listener, where = await guest.listening()
        mine, incoming, outgoing = await guest.connected(where)
        theirs, *_ = await guest.accepted(listener)
        other = await guest.udp()
        assert guest.held() == 4
        for create in (
            f"{TCP_CREATE}#create-tcp-socket",
            f"{UDP_CREATE}#create-udp-socket",
        ):
            assert await guest.fails(create, "ipv4") == "new-socket-limit"
        await guest.relay.drop(other)
        await guest.tcp()
        with socket.create_connection(("127.0.0.1", where.value.port)):
            await guest.block(listener, "tcp#[method]tcp-socket")
            assert await guest.tcp_fails("accept", listener) == "new-socket-limit"
            assert len(guest.denied) == 3
            for each in (mine, incoming, outgoing):
                assert guest.held() == 4
                await guest.relay.drop(each)
            assert guest.held() == 3

            # The connection has waited.
            await guest.tcp_("accept", listener)
            await guest.relay.keep(theirs)


async def test_an_accept_that_would_block_holds_nothing() -> None:
    async with on_sockets(quota=Quota(handles=2)) as guest:
        listener, _ = await guest.listening()
        for _ in range(3):
            assert await guest.tcp_fails("accept", listener) == "would-block"

        assert guest.held() == 1
        assert guest.denied == []


async def test_a_flood_of_sockets_without_a_grant_is_a_few() -> None:
    async with on_sockets(NO_GRANTS) as guest:
        made = [await guest.tcp() for _ in range(8)]
        made += [await guest.udp() for _ in range(8)]
        create = f"{TCP_CREATE}#create-tcp-socket"
        assert await guest.fails(create, "ipv4") == "new-socket-limit"
        assert guest.denied == [
            "open another socket: without a grant of the network 16 are the most"
        ]
        for each in made:
            await guest.relay.drop(each)

        await guest.tcp()


async def test_a_flood_of_connections_ends_at_the_quota() -> None:
    before = descriptors()
    async with on_sockets(quota=Quota(handles=20)) as guest:
        _, where = await guest.listening()
        made = [await guest.connecting(where) for _ in range(19)]
        create = f"{TCP_CREATE}#create-tcp-socket"
        for _ in range(50):
            assert await guest.fails(create, "ipv4") == "new-socket-limit"
        for each in made:
            await guest.relay.keep(each)
        guest.relay.instance.close()
        assert guest.held() == 1  # the listener, which the test has
    del guest, made, each

    assert descriptors() == before


@contextmanager
def few_descriptors(more: int) -> Iterator[None]:
    """Let this process open only so many more files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with socket.socket() as last:
        resource.setrlimit(resource.RLIMIT_NOFILE, (last.fileno() + 1 + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_system_without_descriptors_is_told_as_such() -> None:
    async with on_sockets(quota=Quota(handles=100)) as guest:
        listener, where = await guest.listening()
        peer = socket.create_connection(("127.0.0.1", where.value.port))
        await guest.block(listener, "tcp#[method]tcp-socket")
        held = guest.held()
        create = f"{TCP_CREATE}#create-tcp-socket"
        with peer, few_descriptors(0):
            made: list[Any] = []
            try:
                while True:
                    made.append(socket.socket())
            except OSError:
                pass
            said = (
                await guest.fails(create, "ipv4"),
                await guest.tcp_fails("accept", listener),
            )
            for each in made:
                each.close()

        assert said == ("new-socket-limit", "new-socket-limit")
        assert guest.held() == held


# --- bytes ----------------------------------------------------------------------------


async def test_what_is_sent_waits_for_its_share() -> None:
    async with on_sockets(quota=Quota(network=20_000)) as guest:
        with listening() as (server, _):
            mine, peer = await guest.outside(server)
        with peer:
            assert await guest(f"{OUTPUT}.check-write", mine[2]) == 20_000
            await guest(f"{OUTPUT}.write", mine[2], bytes(20_000))
            start = anyio.current_time()
            await guest(f"{OUTPUT}.write", mine[2], bytes(5_000))
            assert anyio.current_time() - start > 0.15

            got = 0
            while got < 25_000:
                got += len(peer.recv(30_000))


async def test_what_is_received_is_paid_for_before_more_is() -> None:
    async with on_sockets(quota=Quota(network=20_000)) as guest:
        with listening() as (server, _):
            mine, peer = await guest.outside(server)
        with peer:
            peer.sendall(bytes(60_000))
            await guest.block(mine[1], INPUT)
            start, got = anyio.current_time(), 0
            while got < 45_000:
                got += len(await guest.read(mine[1], 2**20))

        # 20,000 at first, and the second piece brings a debt.
        assert anyio.current_time() - start > 0.9


async def test_a_datagram_costs_its_header_too() -> None:
    async with on_sockets(quota=Quota(network=1_000)) as guest:
        end = await guest.bound(await guest.udp(), here("ipv4"))
        where = at(end.socket.raw.getsockname()[1])
        incoming, outgoing = await guest.udp_("stream", end, None)
        assert guest.standing.budget is not None
        bucket = guest.standing.budget.rates["network"][0]
        await guest(f"{OUTGOING}.check-send", outgoing)
        await guest(f"{OUTGOING}.send", outgoing, [sent(b"", where)] * 10)
        assert bucket.tokens < 1_000 - 10 * 28 + 100
        await guest.block(incoming, INCOMING)
        assert len(await guest(f"{INCOMING}.receive", incoming, 4)) == 4
        assert bucket.tokens < 1_000 - 14 * 28 + 200


async def test_datagrams_in_debt_come_one_by_one() -> None:
    async with on_sockets(quota=Quota(network=10_000)) as guest:
        end = await guest.bound(await guest.udp(), here("ipv4"))
        incoming, _ = await guest.udp_("stream", end, None)
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            for _ in range(3):
                peer.sendto(bytes(9_000), end.socket.raw.getsockname())
        await guest.block(incoming, INCOMING)
        first = await guest(f"{INCOMING}.receive", incoming, 10)
        start = anyio.current_time()
        second = await guest(f"{INCOMING}.receive", incoming, 10)

        assert (len(first), len(second)) == (2, 1)
        assert anyio.current_time() - start > 0.5


async def test_what_never_fits_is_refused() -> None:
    async with on_sockets(quota=Quota(network=1_000)) as guest:
        end = await guest.bound(await guest.udp(), here("ipv4"))
        _, outgoing = await guest.udp_("stream", end, at(9))
        await guest(f"{OUTGOING}.check-send", outgoing)

        said = await guest.fails(f"{OUTGOING}.send", outgoing, [sent(bytes(2_000))])
        assert said == "out-of-memory"
        assert len(guest.denied) == 1


# --- hostile sizes --------------------------------------------------------------------


async def test_a_read_of_everything_is_a_piece() -> None:
    async with on_sockets() as guest:
        with listening() as (server, _):
            mine, peer = await guest.outside(server)
        await guest.tcp_("set-receive-buffer-size", mine[0], 2**40)
        with peer:
            sender = anyio.to_thread.run_sync(peer.sendall, bytes(3_000_000))
            async with anyio.create_task_group() as tasks:

                async def send() -> None:
                    await sender

                tasks.start_soon(send)
                got = 0
                while got < 3_000_000:
                    piece = await guest.read(mine[1], 2**64 - 1)
                    assert len(piece) <= 65_536
                    got += len(piece)


async def test_a_guest_that_polls_a_thousand_sockets() -> None:
    limits = Limits(handles=10_000)
    async with on_sockets(limits=limits) as guest:
        listener, where = await guest.listening()
        pollables = []
        for _ in range(250):
            end = await guest.bound(await guest.udp(), here("ipv4"))
            incoming, _ = await guest.udp_("stream", end, None)
            subscribe = f"{INCOMING}.subscribe"
            pollables += [await guest(subscribe, incoming) for _ in range(4)]
        waiting = await guest("tcp#[method]tcp-socket.subscribe", listener)
        async with anyio.create_task_group() as tasks:

            async def connect() -> None:
                await anyio.lowlevel.checkpoint()
                stream = await anyio.connect_tcp("127.0.0.1", where.value.port)
                await stream.aclose()

            tasks.start_soon(connect)
            assert await guest("poll#poll", [*pollables, waiting]) == [1000]
