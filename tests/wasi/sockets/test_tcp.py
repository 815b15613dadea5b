from __future__ import annotations

import gc
import socket
import struct
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, cast

import anyio
import anyio.lowlevel
import pytest

from airssys.core.errors import GuestTrapped, WitError
from airssys.wasi.sockets import connection
from airssys.witmodel.types import Variant

from ...host.network.guest import listening
from .guest import (
    ANY,
    FAMILIES,
    LOOPBACK,
    STREAMS,
    TCP,
    address,
    at,
    here,
    on_sockets,
)

pytestmark = pytest.mark.guest

INPUT, OUTPUT = f"{STREAMS}#[method]input-stream", f"{STREAMS}#[method]output-stream"
SOCKET = f"{TCP}#[method]tcp-socket"
BIG = bytes(range(256)) * 4096


def descriptors() -> int:
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


async def until_closed(held: list[Any]) -> None:
    """Wait until all sockets of some ends are closed."""
    while not all(each.closed for each in held):
        await anyio.lowlevel.checkpoint()


# --- both ways ------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_round_trip(family: str) -> None:
    async with on_sockets() as guest:
        mine, theirs = await guest.pair(family)
        await guest.write(mine[2], b"hello")
        assert await guest.read(theirs[1]) == b"hello"
        await guest.write(theirs[2], b"you")

        assert await guest.read(mine[1]) == b"you"


@pytest.mark.parametrize("family", FAMILIES)
async def test_both_ends_know_each_other(family: str) -> None:
    async with on_sockets() as guest:
        (mine, *_), (theirs, *_) = await guest.pair(family)
        local = address(await guest.tcp_("local-address", mine))
        remote = address(await guest.tcp_("remote-address", mine))

        assert address(await guest.tcp_("remote-address", theirs)) == local
        assert address(await guest.tcp_("local-address", theirs)) == remote
        assert local.case == family
        assert local.value.address == here(family).value.address


async def test_a_read_says_nothing_until_something_is_there() -> None:
    async with on_sockets() as guest:
        mine, theirs = await guest.pair()
        pollable = await guest(f"{INPUT}.subscribe", theirs[1])
        assert await guest(f"{INPUT}.read", theirs[1], 10) == b""
        assert not await guest("poll#[method]pollable.ready", pollable)
        await guest.write(mine[2], b"hello")
        assert await guest("poll#poll", [pollable]) == [0]
        assert await guest(f"{INPUT}.read", theirs[1], 2) == b"he"
        assert await guest(f"{INPUT}.skip", theirs[1], 2) == 2
        assert await guest(f"{INPUT}.read", theirs[1], 0) == b""
        assert await guest(f"{INPUT}.read", theirs[1], 10) == b"o"
        # It does not wake for what was read already.
        clock = await guest("monotonic-clock#subscribe-duration", 20_000_000)

        assert await guest("poll#poll", [pollable, clock]) == [1]


async def test_a_server_in_the_guest_serves_many() -> None:
    async with on_sockets() as guest:
        listener, where = await guest.listening()
        port = where.value.port
        answers: list[bytes] = []

        async def client(number: int) -> None:
            async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                await stream.send(b"%d" % number)
                await stream.send_eof()
                answers.append(await stream.receive())

        async with anyio.create_task_group() as clients:
            for number in range(20):
                clients.start_soon(client, number)
            for _ in range(20):
                end, incoming, outgoing = await guest.accepted(listener)
                await guest.write(
                    outgoing, b"<" + await guest.read_all(incoming) + b">"
                )
                for each in (end, incoming, outgoing):
                    await guest.relay.drop(each)

        assert sorted(answers) == sorted(b"<%d>" % number for number in range(20))


@pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not installed")
def test_a_round_trip_on_uvloop() -> None:
    async def main() -> None:
        async with on_sockets() as guest:
            mine, theirs = await guest.pair()
            await guest.write(mine[2], b"hello")
            assert await guest.read(theirs[1]) == b"hello"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(guest.read_all, theirs[1])
                await anyio.wait_all_tasks_blocked()
                mine[0].socket.shutdown("write")
            stuffed, peer, written = await guest.stuffed()
            await guest.tcp_("shutdown", stuffed[0], "send")
            assert await received(peer) == written

    options = {"loop_factory": import_module("uvloop").new_event_loop}
    anyio.run(main, backend="asyncio", backend_options=options)


async def test_a_connection_is_proxied_by_splicing() -> None:
    async with on_sockets() as guest:
        one, two = await guest.pair()
        three, four = await guest.pair()
        await guest.write(one[2], b"through and through")
        await guest.block(two[1], INPUT)
        moved = await guest(f"{OUTPUT}.splice", three[2], two[1], 2**63)

        assert moved == 19
        assert await guest.read(four[1]) == b"through and through"


# --- the end of a stream --------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
async def test_one_side_ends_and_the_other_goes_on(family: str) -> None:
    async with on_sockets() as guest:
        mine, theirs = await guest.pair(family)
        await guest.write(mine[2], b"question")
        for _ in range(2):  # once more is as good
            await guest.tcp_("shutdown", mine[0], "send")
        assert await guest.read_all(theirs[1]) == b"question"
        assert (
            await guest.stream_fails("output-stream.write", mine[2], b"x") == "closed"
        )
        assert (
            await guest.stream_fails("output-stream.check-write", mine[2]) == "closed"
        )
        assert await guest.stream_fails("output-stream.flush", mine[2]) == "closed"
        closed = await guest.stream_fails("output-stream.blocking-flush", mine[2])
        assert closed == "closed"
        await guest.write(theirs[2], b"answer")

        assert await guest.read(mine[1]) == b"answer"


async def test_what_the_peer_has_ended_is_closed_for_good() -> None:
    async with on_sockets() as guest:
        mine, theirs = await guest.pair()
        for each in mine:
            await guest.relay.drop(each)
        await guest.block(theirs[1], INPUT)

        for most in (10, 0, 10):
            assert await guest.stream_fails("input-stream.read", theirs[1], most) == (
                "closed"
            )


async def test_what_has_come_is_discarded_by_a_shutdown() -> None:
    async with on_sockets() as guest:
        mine, theirs = await guest.pair()
        await guest.write(mine[2], b"too late")
        await guest.block(theirs[1], INPUT)
        for _ in range(2):
            await guest.tcp_("shutdown", theirs[0], "receive")

        assert await guest.stream_fails("input-stream.read", theirs[1], 10) == "closed"
        assert await guest.stream_fails("input-stream.read", theirs[1], 0) == "closed"
        pollable = await guest(f"{INPUT}.subscribe", theirs[1])
        assert await guest("poll#[method]pollable.ready", pollable)


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_shutdown_loses_nothing(family: str) -> None:
    async with on_sockets() as guest:
        mine, theirs = await guest.pair(family)
        await guest.tcp_("set-send-buffer-size", mine[0], 1024)
        small = await guest.tcp_("send-buffer-size", mine[0])
        room = await guest(f"{OUTPUT}.check-write", mine[2])
        assert room > small
        data = BIG[: min(room, 100 * small)]
        await guest(f"{OUTPUT}.write", mine[2], data)
        await guest.tcp_("shutdown", mine[0], "send")

        assert await guest.read_all(theirs[1]) == data


async def received(peer: socket.socket) -> bytes:
    def read() -> bytes:
        with peer:
            got = b""
            while more := peer.recv(2**20):
                got += more
            return got

    return await anyio.to_thread.run_sync(read)


async def test_a_write_that_does_not_go_out_goes_on_by_itself() -> None:
    async with on_sockets() as guest:
        mine, peer, written = await guest.stuffed()
        pollable = await guest(f"{OUTPUT}.subscribe", mine[2])
        assert not await guest("poll#[method]pollable.ready", pollable)
        await guest(f"{OUTPUT}.flush", mine[2])  # it does not wait
        await guest.tcp_("shutdown", mine[0], "send")

        assert await received(peer) == written


async def test_many_small_writes_find_room_one_after_the_other() -> None:
    async with on_sockets() as guest:
        (socket, _, output), (_, theirs, _) = await guest.pair()
        await guest.block(output, OUTPUT)
        for count in range(300):
            assert await guest(f"{OUTPUT}.check-write", output) > 0, count
            await guest(f"{OUTPUT}.write", output, b"x")
        await guest.tcp_("shutdown", socket, "send")

        assert await guest.read_all(theirs) == b"x" * 300


async def test_to_write_more_than_there_is_room_for_is_misuse() -> None:
    async with on_sockets() as guest:
        mine, peer, _ = await guest.stuffed()
        with peer, pytest.raises(GuestTrapped, match="check-write said 0"):
            await guest(f"{OUTPUT}.write", mine[2], b"x")


async def test_a_flush_waits_until_all_has_gone_out() -> None:
    async with on_sockets() as guest:
        mine, peer, written = await guest.stuffed()
        async with anyio.create_task_group() as tasks:
            got: list[bytes] = []

            async def read() -> None:
                got.append(await received(peer))

            tasks.start_soon(read)
            await guest(f"{OUTPUT}.blocking-flush", mine[2])
            assert await guest(f"{OUTPUT}.check-write", mine[2]) > 0
            await guest.write(mine[2], b"the end")
            await guest.tcp_("shutdown", mine[0], "both")

        assert got == [written + b"the end"]


async def test_what_a_guest_lets_go_of_goes_out_still() -> None:
    async with on_sockets() as guest:
        mine, peer, written = await guest.stuffed()
        raw = mine[0].socket
        for each in mine:
            await guest.relay.drop(each)
        assert not raw.closed

        assert await received(peer) == written
        await until_closed([raw])


async def test_what_does_not_go_out_in_time_is_broken_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "LINGER", 0.01)
    async with on_sockets() as guest:
        mine, peer, _ = await guest.stuffed()
        raw = mine[0].socket
        for each in mine:
            await guest.relay.drop(each)
        await until_closed([raw])

        # The peer sees that it has not got all of it.
        with pytest.raises(ConnectionResetError):
            await received(peer)


async def test_a_connection_that_was_reset_fails_once_and_is_closed_then() -> None:
    async with on_sockets() as guest:
        mine, peer, _ = await guest.stuffed()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        await guest.block(mine[2], OUTPUT)
        await guest.block(mine[1], INPUT)
        for method, stream, *args in (
            ("output-stream.check-write", mine[2]),
            ("input-stream.read", mine[1], 10),
        ):
            said = [await guest.stream_fails(method, stream, *args) for _ in range(2)]
            if method.startswith("input"):  # the system tells it once
                assert said in (["closed", "closed"], ["connection-reset", "closed"])
            else:
                assert said == ["connection-reset", "closed"]


async def test_to_write_to_who_does_not_listen_is_closed() -> None:
    async with on_sockets() as guest:
        with listening() as (server, _):
            mine, peer = await guest.outside(server)
        peer.close()
        await guest.block(mine[1], INPUT)
        # The first goes out, and comes back as a reset.
        closed = False
        while not closed:
            try:
                await guest.write(mine[2], b"x")
            except WitError as error:
                closed = cast("Variant", error.value).case == "closed"

        assert (
            await guest.stream_fails("output-stream.write", mine[2], b"x") == "closed"
        )


# --- who cannot be connected to -------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_refused_connection_closes_the_socket(family: str) -> None:
    async with on_sockets() as guest:
        free = await guest.bound(await guest.tcp(family), here(family))
        where = address(await guest.tcp_("local-address", free))
        end = await guest.connecting(where)
        await guest.block(end, SOCKET)

        assert await guest.tcp_fails("finish-connect", end) == "connection-refused"
        assert await guest.tcp_fails("finish-connect", end) == "not-in-progress"
        again = await guest.tcp_fails("start-connect", end, guest.network, where)
        assert again == "invalid-state"
        assert end.socket.closed


async def test_connecting_would_block_until_it_is_over() -> None:
    async with on_sockets() as guest:
        # Whoever listens, and has his queue full, does not answer.
        with socket.socket() as server, socket.socket() as filler:
            server.bind(("127.0.0.1", 0))
            server.listen(0)
            filler.connect(server.getsockname())
            where = at(server.getsockname()[1])
            ends = [await guest.connecting(where) for _ in range(3)]
            said = [await guest.tcp_fails("finish-connect", end) for end in ends[1:]]
            assert "would-block" in said
            pollable = await guest(f"{SOCKET}.subscribe", ends[-1])
            assert not await guest("poll#[method]pollable.ready", pollable)


WRONG: Final[dict[str, Callable[[str], Variant]]] = {
    "another family": lambda family: here({"ipv4": "ipv6", "ipv6": "ipv4"}[family], 47),
    "no port": lambda family: here(family, 0),
    "no host": lambda family: at(47, ANY[family]),
    "a group": lambda family: at(47, {"ipv4": "224.254.0.0", "ipv6": "ff00::"}[family]),
    "everybody": lambda _: at(47, "255.255.255.255"),
    "an IPv4 address in disguise": lambda _: at(47, "::ffff:127.0.0.1"),
    "a link of the host's": lambda _: at(47, "fe80::1", scope=2),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("family", FAMILIES)
async def test_what_is_no_address_to_connect_to(family: str, wrong: str) -> None:
    async with on_sockets() as guest:
        end = await guest.tcp(family)
        where = WRONG[wrong](family)
        for _ in range(2):  # the socket is as it was
            said = await guest.tcp_fails("start-connect", end, guest.network, where)
            assert said == "invalid-argument"
        assert guest.denied == []


@pytest.mark.parametrize("wrong", ["another family", "a group", *list(WRONG)[4:]])
@pytest.mark.parametrize("family", FAMILIES)
async def test_what_is_no_address_to_bind_to(family: str, wrong: str) -> None:
    async with on_sockets() as guest:
        end = await guest.tcp(family)
        where = WRONG[wrong](family)

        said = await guest.tcp_fails("start-bind", end, guest.network, where)
        assert said == "invalid-argument"
        await guest.bound(end, here(family))


# --- bind and listen ------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_socket_that_connects_can_be_bound(family: str) -> None:
    async with on_sockets() as guest:
        listener, where = await guest.listening(family)
        end = await guest.bound(await guest.tcp(family), here(family))
        local = await guest.tcp_("local-address", end)
        await guest.tcp_("start-connect", end, guest.network, where)
        await guest.finish(end)
        theirs, *_ = await guest.accepted(listener)

        assert await guest.tcp_("remote-address", theirs) == local


@pytest.mark.parametrize("family", FAMILIES)
async def test_a_port_that_another_has_is_in_use(family: str) -> None:
    async with on_sockets() as guest:
        _, where = await guest.listening(family)
        end = await guest.tcp(family)
        said = await guest.tcp_fails("start-bind", end, guest.network, where)
        assert said == "address-in-use"
        # It can be tried again, elsewhere.
        await guest.bound(end, here(family))


async def test_an_address_of_somebody_else_cannot_be_bound_to() -> None:
    async with on_sockets() as guest:
        end = await guest.tcp()
        somebody = at(0, "192.0.2.1")

        said = await guest.tcp_fails("start-bind", end, guest.network, somebody)
        assert said == "address-not-bindable"


async def test_of_two_that_are_bound_the_first_to_listen_has_the_port() -> None:
    async with on_sockets() as guest:
        one = await guest.bound(await guest.tcp(), here("ipv4"))
        where = address(await guest.tcp_("local-address", one))
        two = await guest.bound(await guest.tcp(), where)
        await guest.tcp_("start-listen", one)

        assert await guest.tcp_fails("start-listen", two) == "address-in-use"
        assert await guest.tcp_fails("start-listen", two) == "invalid-state"
        await guest.tcp_("finish-listen", one)


async def test_the_queue_of_a_listener_can_be_changed() -> None:
    async with on_sockets() as guest:
        listener, where = await guest.listening()
        assert await guest.tcp_fails("set-listen-backlog-size", listener, 0) == (
            "invalid-argument"
        )
        for size in (1, 2**64 - 1):
            await guest.tcp_("set-listen-backlog-size", listener, size)
        mine, *_ = await guest.connected(where)
        assert (await guest.accepted(listener))[0].phase.value == "connected"
        assert mine.backlog == 128


async def test_whoever_is_gone_before_it_was_accepted() -> None:
    async with on_sockets() as guest:
        listener, where = await guest.listening()
        with socket.create_connection(("127.0.0.1", where.value.port)) as peer:
            linger = struct.pack("ii", 1, 0)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        _, incoming, _ = await guest.accepted(listener)

        said = await guest.stream_fails("input-stream.read", incoming, 1)
        assert said == "connection-reset"


# --- handles --------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1)])
async def test_the_last_handle_closes(order: tuple[int, ...]) -> None:
    async with on_sockets() as guest:
        mine, theirs = await guest.pair()
        raw = mine[0].socket
        for place in order[:-1]:
            await guest.relay.drop(mine[place])
            assert not raw.closed
        assert await guest(f"{INPUT}.read", theirs[1], 10) == b""
        await guest.relay.drop(mine[order[-1]])

        assert raw.closed
        await guest.block(theirs[1], INPUT)
        assert await guest.stream_fails("input-stream.read", theirs[1], 10) == "closed"


async def test_streams_live_on_without_their_socket() -> None:
    async with on_sockets() as guest:
        mine, theirs = await guest.pair()
        await guest.relay.drop(mine[0])
        await guest.relay.drop(theirs[0])
        await guest.write(mine[2], b"still here")

        assert await guest.read(theirs[1]) == b"still here"


async def test_a_pollable_outlives_what_it_waits_for() -> None:
    async with on_sockets() as guest:
        mine, _ = await guest.pair()
        pollables = [
            await guest(f"{kind}.subscribe", each)
            for kind, each in zip((SOCKET, INPUT, OUTPUT), mine, strict=True)
        ]
        for each in mine:
            await guest.relay.drop(each)
        assert mine[0].socket.closed

        assert await guest("poll#poll", pollables) == [0, 1, 2]


async def test_nothing_is_left_when_an_instance_ends() -> None:
    before = descriptors()
    async with on_sockets() as guest:
        mine, theirs = await guest.pair()
        listener, _ = await guest.listening()
        for each in (*mine, *theirs, listener):
            await guest.relay.keep(each)
        raws = [mine[0].socket, theirs[0].socket, listener.socket]
        guest.relay.instance.close()
        assert all(each.closed for each in raws)
    del guest, mine, theirs, listener, raws

    assert descriptors() == before


async def test_what_a_cancelled_call_has_lost_is_closed() -> None:
    async with on_sockets() as guest:
        mine, theirs = await guest.pair()
        with anyio.move_on_after(0.02) as scope:
            await guest.read(theirs[1])
        assert scope.cancelled_caught
        raw = mine[0].socket.raw
        guest.made.clear()
        gc.disable()
        try:
            del mine  # nobody has a handle: as if the guest had never got them
            assert raw.fileno() == -1
        finally:
            gc.enable()


@pytest.mark.parametrize("host", LOOPBACK.values())
async def test_flow_labels_are_for_the_system_to_choose(host: str) -> None:
    async with on_sockets() as guest:
        _, where = await guest.listening("ipv6" if ":" in host else "ipv4")
        mine, *_ = await guest.connected(at(where.value.port, host, flow=7))

        assert address(await guest.tcp_("remote-address", mine)) == where
