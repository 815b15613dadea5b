"""Each function of the sockets where it is allowed, and where it is refused."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from airssys.core.errors import WitError
from airssys.core.grants.grants import NO_GRANTS

from ...host.network.guest import listening, nobody, receiving
from ...operations import operation
from .guest import (
    INSTANCE,
    LOOKUP,
    NETWORK,
    STREAMS,
    TCP,
    TCP_CREATE,
    UDP,
    UDP_CREATE,
    at,
    grants,
    here,
    on_sockets,
    sent,
)

pytestmark = pytest.mark.guest

TCP_OPTIONS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("keep-alive-enabled", "keep-alive-idle-time", "hop-limit"), ()),
    **dict.fromkeys(("keep-alive-interval", "keep-alive-count"), ()),
    **dict.fromkeys(("receive-buffer-size", "send-buffer-size"), ()),
    "set-keep-alive-enabled": (True,),
    **{
        f"set-{name}": (200,)
        for name in (
            *("keep-alive-idle-time", "keep-alive-interval", "keep-alive-count"),
            *("hop-limit", "receive-buffer-size", "send-buffer-size"),
        )
    },
}
UDP_OPTIONS: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("unicast-hop-limit", "receive-buffer-size"), ()),
    "send-buffer-size": (),
    **{
        f"set-{name}": (200,)
        for name in ("unicast-hop-limit", "receive-buffer-size", "send-buffer-size")
    },
}
SOCKET, DATAGRAM = f"{TCP}#[method]tcp-socket", f"{UDP}#[method]udp-socket"
INCOMING = f"{UDP}#[method]incoming-datagram-stream"
OUTGOING = f"{UDP}#[method]outgoing-datagram-stream"
RESOLVED = f"{LOOKUP}#[method]resolve-address-stream"


def named(prefix: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{prefix}.{name}" for name in names)


# --- allowed --------------------------------------------------------------------------


@operation(
    f"{INSTANCE}#instance-network",
    f"{TCP_CREATE}#create-tcp-socket",
    *named(SOCKET, "start-bind", "finish-bind", "start-listen", "finish-listen"),
    *named(SOCKET, "start-connect", "finish-connect", "accept", "subscribe"),
    *named(SOCKET, "local-address", "remote-address", "is-listening"),
    *named(SOCKET, "address-family", "set-listen-backlog-size", "shutdown"),
    *named(SOCKET, *TCP_OPTIONS),
    allowed=True,
)
async def test_all_of_tcp() -> None:
    async with on_sockets() as guest:
        listener, where = await guest.listening()
        await guest.tcp_("set-listen-backlog-size", listener, 3)
        mine, _, outgoing = await guest.connected(where)
        theirs, incoming, _ = await guest.accepted(listener)
        assert await guest.tcp_("is-listening", listener)
        assert await guest.tcp_("address-family", mine) == "ipv4"
        await guest.tcp_("remote-address", theirs)
        for name, args in TCP_OPTIONS.items():
            await guest.tcp_(name, mine, *args)
        await guest.write(outgoing, b"hello")
        await guest.tcp_("shutdown", mine, "send")

        assert await guest.read_all(incoming) == b"hello"
        assert guest.denied == []


@operation(
    f"{UDP_CREATE}#create-udp-socket",
    *named(DATAGRAM, "start-bind", "finish-bind", "stream", "subscribe"),
    *named(DATAGRAM, "local-address", "remote-address", "address-family"),
    *named(DATAGRAM, *UDP_OPTIONS),
    *named(INCOMING, "receive", "subscribe"),
    *named(OUTGOING, "check-send", "send", "subscribe"),
    allowed=True,
)
async def test_all_of_udp() -> None:
    async with on_sockets() as guest:
        with receiving() as (_, port):
            end = await guest.bound(await guest.udp(), here("ipv4"))
            await guest.udp_("local-address", end)
            _, outgoing = await guest.udp_("stream", end, at(port))
            await guest.udp_("remote-address", end)
            assert await guest.udp_("address-family", end) == "ipv4"
            for name, args in UDP_OPTIONS.items():
                await guest.udp_(name, end, *args)
            await guest(f"{DATAGRAM}.subscribe", end)
            await guest.block(outgoing, OUTGOING)
            assert await guest(f"{OUTGOING}.check-send", outgoing) > 0
            assert await guest(f"{OUTGOING}.send", outgoing, [sent(b"x")]) == 1
            incoming, _ = await guest.udp_("stream", end, None)
            await guest(f"{INCOMING}.subscribe", incoming)

            assert await guest(f"{INCOMING}.receive", incoming, 1) == []
            assert guest.denied == []


@operation(
    f"{LOOKUP}#resolve-addresses",
    *named(RESOLVED, "resolve-next-address", "subscribe"),
    allowed=True,
)
async def test_all_of_names() -> None:
    async with on_sockets() as guest:
        assert len(await guest.resolved("out.example.com")) == 2


@operation(f"{NETWORK}#network-error-code", allowed=True)
async def test_why_a_stream_failed() -> None:
    async with on_sockets() as guest:
        _, (_, incoming, _) = await guest.pair()
        guest.standing.grants = NO_GRANTS

        said = await guest.stream_fails("input-stream.read", incoming, 1)
        assert said == "access-denied"


async def test_what_failed_for_another_reason_has_no_code() -> None:
    from airssys.wasi.streams import IoError  # noqa: PLC0415 - of this test alone

    async with on_sockets() as guest:
        assert await guest(f"{NETWORK}#network-error-code", IoError("lost")) is None


# --- refused --------------------------------------------------------------------------


async def test_a_guest_without_grants_starts_and_reaches_nothing() -> None:
    with listening() as (server, port), receiving() as (box, box_port):
        async with on_sockets(NO_GRANTS) as guest:
            end, other = await guest.tcp(), await guest.udp()
            for name, args in TCP_OPTIONS.items():
                await guest.tcp_(name, end, *args)
            for name, args in UDP_OPTIONS.items():
                await guest.udp_(name, other, *args)
            assert guest.denied == []
            network = guest.network
            calls: tuple[tuple[str, tuple[Any, ...]], ...] = (
                (f"{SOCKET}.start-connect", (end, network, at(port))),
                (f"{SOCKET}.start-bind", (end, network, at(0))),
                (f"{SOCKET}.start-bind", (end, network, at(8080))),
                (f"{DATAGRAM}.start-bind", (other, network, at(0))),
                (f"{DATAGRAM}.start-bind", (other, network, at(8080))),
                (f"{LOOKUP}#resolve-addresses", (network, "peer.example.com")),
            )
            for number, (function, given) in enumerate(calls, start=1):
                assert await guest.fails(function, *given) == "access-denied"
                # One event of each.
                assert len(guest.denied) == number
                assert guest.operations[-1] == function
            assert await guest.udp_fails("stream", other, at(box_port)) == (
                "invalid-state"
            )
            assert end.socket.local is other.socket.local is None
        assert nobody(server)
        assert nobody(box)


@operation(
    *named(SOCKET, "start-connect", "start-bind", "start-listen"),
    *named(DATAGRAM, "start-bind", "stream"),
    f"{OUTGOING}.send",
    f"{LOOKUP}#resolve-addresses",
    allowed=False,
)
async def test_what_is_not_granted() -> None:
    async with on_sockets(grants(outbound=["192.0.2.1:80"])) as guest:
        end = await guest.tcp()
        for function, *args in (
            ("start-connect", guest.network, at(80, "127.0.0.1")),
            ("start-connect", guest.network, at(80, "169.254.169.254")),
            ("start-bind", guest.network, at(8080)),
        ):
            assert await guest.tcp_fails(function, end, *args) == "access-denied"
        # Who connects may have any port of the system's choice, but not listen there.
        await guest.bound(end, at(0))
        assert await guest.tcp_fails("start-listen", end) == "access-denied"
        other = await guest.udp()
        where = at(8080)
        said = await guest.udp_fails("start-bind", other, guest.network, where)
        assert said == "access-denied"
        await guest.bound(other, at(0))
        assert await guest.udp_fails("stream", other, where) == "access-denied"
        _, outgoing = await guest.udp_("stream", other, None)
        await guest(f"{OUTGOING}.check-send", outgoing)
        said = await guest.fails(f"{OUTGOING}.send", outgoing, [sent(b"x", where)])
        assert said == "access-denied"
        look_up = f"{LOOKUP}#resolve-addresses"
        said = await guest.fails(look_up, guest.network, "peer.example.com")
        assert said == "access-denied"

        assert len(guest.denied) == 8


@pytest.mark.parametrize(
    "host",
    ["::7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "::1"],
)
async def test_another_spelling_of_an_address_is_that_address(host: str) -> None:
    everything = grants(outbound=["[::/0]:*", "0.0.0.0/0:*"])
    async with on_sockets(everything) as guest:
        end = await guest.tcp("ipv6")
        where = at(80, host)

        said = await guest.tcp_fails("start-connect", end, guest.network, where)
        assert said == "access-denied"
        assert len(guest.denied) == 1


async def test_a_group_takes_a_grant_that_names_it() -> None:
    everything = grants(outbound=["0.0.0.0/0:*"], inbound=["*"])
    async with on_sockets(everything) as guest:
        end = await guest.bound(await guest.udp(), at(0))
        _, outgoing = await guest.udp_("stream", end, None)
        for host in ("224.0.0.251", "255.255.255.255"):
            await guest(f"{OUTGOING}.check-send", outgoing)
            to = sent(b"x", at(5353, host))

            said = await guest.fails(f"{OUTGOING}.send", outgoing, [to])
            assert said == "access-denied"
        assert len(guest.denied) == 2


async def test_what_the_system_denies_is_told_as_such() -> None:
    granted = grants(outbound=["224.0.0.0/4:*", "255.255.255.255:*"], inbound=["*"])
    async with on_sockets(granted) as guest:
        end = await guest.bound(await guest.udp(), at(0))
        _, outgoing = await guest.udp_("stream", end, None)
        await guest(f"{OUTGOING}.check-send", outgoing)
        to = sent(b"x", at(9, "255.255.255.255"))

        said = await guest.fails(f"{OUTGOING}.send", outgoing, [to])
        assert said == "access-denied"
        assert guest.denied == [
            "sending: the host's system denies it (permission denied)"
        ]


async def test_a_port_is_granted_by_its_number() -> None:
    with listening() as (_, port):
        pass  # nobody has it now
    async with on_sockets(grants(inbound=[port])) as guest:
        end = await guest.bound(await guest.tcp(), at(port))
        await guest.tcp_("start-listen", end)
        other = await guest.udp()
        said = await guest.udp_fails("start-bind", other, guest.network, at(0))
        assert said == "access-denied"
        await guest.bound(other, at(port))

        any_port = await guest.bound(await guest.tcp(), at(0))
        assert await guest.tcp_fails("start-listen", any_port) == "access-denied"


# --- taken back -----------------------------------------------------------------------


USED = {
    **{f"{SOCKET}.{name}": args for name, args in TCP_OPTIONS.items()},
    f"{SOCKET}.local-address": (),
    f"{SOCKET}.remote-address": (),
}


@pytest.mark.parametrize("operation", USED)
@operation(*USED, allowed=False)
async def test_a_connection_is_of_no_use_once_its_grant_is_gone(
    operation: str,
) -> None:
    async with on_sockets() as guest:
        (mine, *_), _ = await guest.pair()
        guest.standing.grants = NO_GRANTS

        assert await guest.fails(operation, mine, *USED[operation]) == "access-denied"
        assert guest.operations == [operation]
        # To end it is always allowed.
        await guest.tcp_("shutdown", mine, "both")


DATAGRAMS = {
    **{f"{DATAGRAM}.{name}": args for name, args in UDP_OPTIONS.items()},
    f"{DATAGRAM}.local-address": (),
    f"{DATAGRAM}.remote-address": (),
    f"{DATAGRAM}.stream": (None,),
    f"{INCOMING}.receive": (1,),
    f"{OUTGOING}.send": ([sent(b"x")],),
}


@pytest.mark.parametrize("operation", DATAGRAMS)
@operation(*DATAGRAMS, allowed=False)
async def test_a_datagram_socket_is_of_no_use_once_its_grant_is_gone(
    operation: str,
) -> None:
    async with on_sockets() as guest:
        with receiving() as (box, port):
            end = await guest.bound(await guest.udp(), at(0))
            incoming, outgoing = await guest.udp_("stream", end, at(port))
            await guest(f"{OUTGOING}.check-send", outgoing)
            guest.standing.grants = NO_GRANTS
            used = {INCOMING: incoming, OUTGOING: outgoing, DATAGRAM: end}
            handle = used[operation.rpartition(".")[0]]

            said = await guest.fails(operation, handle, *DATAGRAMS[operation])
            assert said == "access-denied"
            assert guest.operations == [operation]
            assert nobody(box)


@operation(
    *named(SOCKET, "accept", "set-listen-backlog-size", "finish-connect"),
    allowed=False,
)
async def test_who_may_not_listen_or_connect_any_more() -> None:
    async with on_sockets() as guest:
        listener, where = await guest.listening()
        end = await guest.connecting(where)
        guest.standing.grants = NO_GRANTS

        assert await guest.tcp_fails("accept", listener) == "access-denied"
        said = await guest.tcp_fails("set-listen-backlog-size", listener, 1)
        assert said == "access-denied"
        await guest.block(end, SOCKET)
        assert await guest.tcp_fails("finish-connect", end) == "access-denied"
        assert end.socket.closed
        assert len(guest.denied) == 3


@operation(f"{RESOLVED}.resolve-next-address", allowed=False)
async def test_who_may_not_look_up_any_more() -> None:
    async with on_sockets() as guest:
        found = await guest(
            f"{LOOKUP}#resolve-addresses", guest.network, "out.example.com"
        )
        await guest.block(found, RESOLVED)
        await guest.next(found)
        guest.standing.grants = NO_GRANTS

        said = await guest.fails(f"{RESOLVED}.resolve-next-address", found)
        assert said == "access-denied"


@pytest.mark.parametrize("half", ["input", "output"])
async def test_a_stream_is_closed_once_its_grant_is_gone(half: str) -> None:
    async with on_sockets() as guest:
        mine, theirs = await guest.pair()
        await guest.write(theirs[2], b"secret")
        await guest.block(mine[1], f"{STREAMS}#[method]input-stream")
        guest.standing.grants = NO_GRANTS
        call = {
            "input": ("input-stream.read", mine[1], 10),
            "output": ("output-stream.write", mine[2], b"secret"),
        }[half]

        assert await guest.stream_fails(*call) == "access-denied"
        assert await guest.stream_fails(*call) == "closed"
        assert guest.operations == [f"{STREAMS}#[method]{call[0]}"]


@pytest.mark.parametrize("waiting", ["blocking-read", "poll", "flush"])
async def test_a_wait_ends_in_a_refusal_once_the_grant_is_gone(waiting: str) -> None:
    async with on_sockets() as guest:
        if waiting == "flush":
            mine, peer, _ = await guest.stuffed()
        else:
            with listening() as (server, _):
                mine, peer = await guest.outside(server)
        outcome: list[Any] = []

        async def wait() -> None:
            match waiting:
                case "blocking-read":
                    name = "input-stream.blocking-read"
                    outcome.append(await guest.stream_fails(name, mine[1], 10))
                case "poll":
                    await guest.block(mine[1], f"{STREAMS}#[method]input-stream")
                    name = "input-stream.read"
                    outcome.append(await guest.stream_fails(name, mine[1], 10))
                case _:
                    name = "output-stream.blocking-flush"
                    outcome.append(await guest.stream_fails(name, mine[2]))

        with peer:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(wait)
                await anyio.wait_all_tasks_blocked()
                assert outcome == []
                guest.standing.grants = NO_GRANTS
                if waiting == "flush":
                    peer.settimeout(0)
                    await drained(peer, outcome)
                else:
                    peer.sendall(b"secret")

        assert outcome == ["access-denied"]
        assert len(guest.denied) == 1


async def drained(peer: Any, outcome: list[Any]) -> None:
    """Read what comes until there is an outcome."""
    while not outcome:
        try:
            peer.recv(1_000_000)
        except BlockingIOError:
            with anyio.move_on_after(0.01):
                await anyio.wait_readable(peer)
        except ConnectionResetError:
            return
        await anyio.lowlevel.checkpoint()


async def test_an_address_that_is_forbidden_later_ends_its_connection() -> None:
    async with on_sockets() as guest:
        (mine, incoming, _), _ = await guest.pair()
        banned = grants(outbound=["127.0.0.1:*"])
        guest.standing.grants = guest.standing.grants.forbidding(banned)

        said = await guest.stream_fails("input-stream.read", incoming, 1)
        assert said == "access-denied"
        assert await guest.tcp_fails("local-address", mine) == "access-denied"


async def test_a_refused_call_of_a_guest_is_no_trap() -> None:
    async with on_sockets(NO_GRANTS) as guest:
        end = await guest.tcp()
        for _ in range(3):
            with pytest.raises(WitError):
                await guest.tcp_("start-connect", end, guest.network, at(80))

        assert await guest.tcp_("address-family", end) == "ipv4"
