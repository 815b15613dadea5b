from __future__ import annotations

import socket
import threading
import time
from ipaddress import ip_address
from typing import Any

import anyio
import pytest
from attrs import evolve

from airssys.core.errors import WitError
from airssys.core.event import Denied, Granted
from airssys.core.grants.capabilities import Network
from airssys.core.grants.grants import Grants
from airssys.host.network import Answer, FixedResolver, SystemResolver
from airssys.host.network.addresses import Named, Peer
from airssys.host.network.dial import connect
from airssys.host.network.options import SocketOptions
from airssys.host.network.owned import Way, opened
from airssys.host.network.permits import Permits
from airssys.host.network.tcp import TcpSocket
from airssys.hostcalls.call import Call
from airssys.hostcalls.gate import Gate
from airssys.testing import Recorder
from airssys.witmodel.types import Variant

from ...operations import operation
from .guest import (
    ALL,
    CONNECTION,
    LOOPBACK,
    at,
    grants,
    listening,
    named,
    nobody,
    on_network,
    to,
)

CONNECT = "connection#connect"


async def test_a_name_leads_to_an_address_that_is_granted_too() -> None:
    with listening() as (server, port):
        given = grants(outbound=[f"peer.example.com:{port}", f"127.0.0.1:{port}"])
        async with on_network(given) as guest:
            end = await guest.tcp()
            await guest(CONNECT, end, named("Peer.Example.COM.", port))
            server.accept()[0].close()

            assert end.name == "peer.example.com"
    assert guest.recorder.events == []


async def test_a_grant_to_look_up_and_one_of_the_address_are_enough() -> None:
    with listening() as (server, port):
        given = grants(resolve=["peer.example.com"], outbound=[f"127.0.0.1:{port}"])
        async with on_network(given) as guest:
            end = await guest.tcp()
            await guest(CONNECT, end, named("peer.example.com", port))
            server.accept()[0].close()


async def test_the_grant_of_a_name_opens_no_special_address() -> None:
    with listening() as (server, port):
        async with on_network(grants(outbound=["*.example.com:*"])) as guest:
            end = await guest.tcp()
            error = await guest.fails(CONNECT, end, named("peer.example.com", port))

        assert nobody(server)
    assert error.case == "permission-denied"
    assert "127.0.0.1" not in str(error.value)
    (event,) = guest.recorder.of(Denied)
    assert event.resource == f"peer.example.com:{port}"
    assert "127.0.0.1" in event.needed


async def test_an_ordinary_address_of_a_granted_name_may_be_tried() -> None:
    # Only asked about: a test connects to nothing but loopback.
    names = {"far.example.com": ["10.0.0.1", "192.88.98.1", "2a00::1"]}
    recorder = Recorder()
    permits = Permits(Gate(recorder, grants=True), FixedResolver(names), 1.0)
    call = Call("acme/a", "acme/a", "f", grants(outbound=["far.example.com:9"]))
    target = Named("far.example.com", 9)

    ways = await permits.ways(call, target, None)

    assert [str(way.peer) for way in ways] == ["192.88.98.1:9", "[2a00::1]:9"]
    assert {way.need for way in ways} == {Network("outbound", "far.example.com:9")}
    denied, granted = recorder.events
    assert isinstance(denied, Denied)
    assert isinstance(granted, Granted)
    assert "10.0.0.1" in denied.needed
    assert granted.needed == "connect to 'far.example.com:9'"


async def test_an_address_in_its_usual_spelling_counts_as_one() -> None:
    with listening() as (server, port):
        async with on_network(grants(outbound=[f"127.0.0.1:{port}"])) as guest:
            end = await guest.tcp()
            await guest(CONNECT, end, named("127.0.0.1", port))
            server.accept()[0].close()


async def test_addresses_are_tried_one_after_the_other() -> None:
    names = {"two.example.com": ["127.0.0.2", "127.0.0.1", "fe80::1%lo"]}
    with listening() as (server, port):
        async with on_network(names=names) as guest:
            end = await guest.tcp()
            await guest(CONNECT, end, named("two.example.com", port))
            server.accept()[0].close()


async def test_a_socket_connects_to_addresses_of_its_own_family() -> None:
    with listening(socket.AF_INET6) as (server, port):
        async with on_network() as guest:
            four, six = await guest.tcp(), await guest.tcp("ipv6")
            await guest(CONNECT, six, named("both.example.com", port))
            server.accept()[0].close()

            assert await guest.case(CONNECT, four, to(port, "::1")) == "invalid-address"
            only = named("peer.example.com", port)
            fresh = await guest.tcp("ipv6")
            assert await guest.case(CONNECT, fresh, only) == "invalid-address"


async def test_a_socket_connects_once() -> None:
    async with on_network() as guest:
        with listening() as (server, port):
            end, _ = await guest.connected(server)

            assert await guest.case(CONNECT, end, to(port)) == "invalid-argument"


async def test_a_name_that_nobody_knows_is_told() -> None:
    async with on_network(names={"empty.example.com": []}) as guest:
        end = await guest.tcp()
        cases = [
            await guest.case(CONNECT, end, named(f"{name}.example.com", 80))
            for name in ("nothing", "empty")
        ]

    assert cases == ["dns-resolution-failed"] * 2


async def test_a_look_up_ends_with_the_connect_timeout() -> None:
    class Slow(FixedResolver):
        async def lookup(self, name: str, **_: object) -> Answer:
            await anyio.sleep_forever()
            return await super().lookup(name)

    async with on_network(names=Slow({})) as guest:
        end = await guest.tcp()
        await guest.options(end, connect_timeout=10)

        case = await guest.case(CONNECT, end, named("peer.example.com", 80))

    assert case == "connection-timeout"


async def test_who_gives_up_look_ups_takes_the_threads_of_nobody_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask, answered = socket.getaddrinfo, threading.Event()
    waiting: list[str] = []

    def slow(name: Any, *args: Any, **options: Any) -> Any:
        if name.startswith("slow"):
            waiting.append(name)
            answered.wait()
        return ask(LOOPBACK, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    resolver = SystemResolver()
    async with on_network(names=resolver) as guest:
        end = await guest.tcp()
        await guest.options(end, connect_timeout=20)
        try:
            cases = [
                await guest.case(CONNECT, end, named(f"slow{i}.example.com", 80))
                for i in range(6)
            ]
            answer = await resolver.lookup("peer.example.com", asker="acme/other")
        finally:
            answered.set()
        while True:
            try:
                await resolver.lookup("peer.example.com", asker="acme/guest")
                break
            except socket.gaierror:
                await anyio.sleep(0.001)

    assert cases == ["connection-timeout"] * 4 + ["dns-resolution-failed"] * 2
    assert len(waiting) == 4
    assert [str(one) for one in answer.addresses] == [LOOPBACK]


async def test_a_grant_that_goes_during_the_look_up_is_gone() -> None:
    class Revoking(FixedResolver):
        async def lookup(self, name: str, **_: object) -> Answer:
            guest.standing.grants = Grants()
            return await super().lookup(name)

    with listening() as (server, port):
        async with on_network(names=Revoking({"peer.example.com": ["127.0.0.1"]})) as (
            guest
        ):
            end = await guest.tcp()
            case = await guest.case(CONNECT, end, named("peer.example.com", port))

        assert nobody(server)
    assert case == "permission-denied"


async def test_a_grant_that_goes_between_look_up_and_connection_is_gone() -> None:
    class Late(Permits):
        async def ways(self, call: Call, *args: Any) -> list[Way]:
            found = await super().ways(call, *args)
            call.standing.grants = Grants()
            return found

    with listening() as (server, port):
        async with on_network() as guest:
            end = await guest.tcp()
            permits = Late(Gate(guest.recorder), FixedResolver({}), 1.0)
            call = Call("acme/a", "acme/a", "f", ALL)
            with pytest.raises(WitError, match="permission-denied"):
                await connect(permits, call, end, Peer(ip_address(LOOPBACK), port))

        assert nobody(server)
    assert len(guest.denied) == 1


def forbidding(given: Grants, *outbound: str) -> Grants:
    return evolve(given, forbidden=grants(outbound=outbound))


async def test_what_the_host_forbids_is_forbidden_by_every_name() -> None:
    names = FixedResolver({"far.example.com": ["192.88.98.1", "2a00::1"]})
    recorder = Recorder()
    permits = Permits(Gate(recorder), names, 1.0)
    given = forbidding(grants(outbound=["far.example.com:9"]), "192.88.98.0/24:*")
    call = Call("acme/a", "acme/a", "f", given)

    (way,) = await permits.ways(call, Named("far.example.com", 9), None)

    assert str(way.peer) == "[2a00::1]:9"
    assert permits.stands(call, way) is None
    call.standing.grants = forbidding(given, "2a00::/16:9")
    assert permits.stands(call, way) is not None
    (event,) = recorder.of(Denied)
    assert event.resource == "far.example.com:9"


async def test_a_forbidden_name_is_not_reached_by_a_granted_address() -> None:
    with listening() as (server, port):
        given = grants(resolve=["*.example.com"], outbound=["127.0.0.1:*"])
        async with on_network(forbidding(given, "peer.example.com:*")) as guest:
            end = await guest.tcp()
            case = await guest.case(CONNECT, end, named("peer.example.com", port))

        assert nobody(server)
    assert (case, len(guest.denied)) == ("permission-denied", 1)


@pytest.mark.parametrize(
    ("family", "host"),
    [("ipv4", "0.0.0.0"), ("ipv6", "::")],  # noqa: S104
)
@pytest.mark.parametrize("banned", ["127.0.0.1", "[::1]"])
async def test_forbidden_loopback_is_not_reached_by_the_unspecified_address(
    family: str, host: str, banned: str
) -> None:
    number = socket.AF_INET if family == "ipv4" else socket.AF_INET6
    with listening(number) as (server, port):
        given = grants(outbound=["127.0.0.0/8:*", "[::1]:*", f"{_at(host)}:*"])
        async with on_network(given) as guest:
            await guest(CONNECT, await guest.tcp(family), to(port, host))
            server.accept()[0].close()
            guest.standing.grants = forbidding(given, f"{banned}:{port}")
            end = await guest.tcp(family)
            case = await guest.case(CONNECT, end, to(port, host))

        assert nobody(server)
    assert (case, len(guest.denied)) == ("permission-denied", 1)
    assert guest.denied[0].endswith("the host forbids it")


def _at(host: str) -> str:
    return f"[{host}]" if ":" in host else host


async def test_a_forbidden_name_is_not_reached_by_a_name_that_stands_for_it() -> None:
    names = {
        "db": Answer([LOOPBACK], None, "db.example.com"),
        "cdn.example.com": Answer([LOOPBACK], None, "db.example.com"),
    }
    with listening() as (server, port):
        given = grants(
            resolve=["db", "*.example.com"],
            outbound=["127.0.0.1:*", "db:*", "cdn.example.com:*"],
        )
        async with on_network(given, names=names) as guest:
            await guest(CONNECT, await guest.tcp(), named("db", port))
            server.accept()[0].close()
            guest.standing.grants = forbidding(given, "db.example.com:*")
            for name in names:
                end = await guest.tcp()
                case = await guest.case(CONNECT, end, named(name, port))
                assert case == "permission-denied"
            banned = grants(resolve=["db.example.com"])
            guest.standing.grants = evolve(given, forbidden=banned)
            case = await guest.case("connection#resolve-hostname", "db")
            assert case == "permission-denied"

        assert nobody(server)
    assert len(guest.denied) == 3


async def test_what_becomes_forbidden_ends_a_connection() -> None:
    with listening() as (server, port):
        given = grants(outbound=[f"127.0.0.1:{port}", f"peer.example.com:{port}"])
        async with on_network(given) as guest:
            end = await guest.tcp()
            await guest(CONNECT, end, named("peer.example.com", port))
            assert await guest("connection#is-connected", end)
            guest.standing.grants = forbidding(given, "127.0.0.1:*")
            case = await guest.case("connection#is-connected", end)
            # As it is where the name alone is granted, which loopback's never is.
            end.need = Network("outbound", f"peer.example.com:{port}")
            by_name = await guest.fails("connection#is-connected", end)
            server.accept()[0].close()

    assert (case, by_name.case) == ("permission-denied", "permission-denied")
    assert "127.0.0.1" not in str(by_name.value)
    assert len(guest.denied) == 2


@operation(f"{CONNECTION}#connect-with-retry", allowed=True)
async def test_a_peer_that_is_not_there_yet_is_tried_again() -> None:
    with listening() as (_, port):
        pass
    async with on_network() as guest:
        end = await guest.tcp()
        assert await guest.case(
            "connection#connect-with-retry", end, to(port), 2, 1
        ) == ("connection-refused")

        async with anyio.create_task_group() as tasks:

            async def later() -> None:
                await anyio.sleep(0.02)
                server.bind(("127.0.0.1", port))
                server.listen()

            server = socket.socket()
            server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            guest.made.append(server)
            tasks.start_soon(later)
            await guest("connection#connect-with-retry", end, to(port), 100, 5)
        server.accept()[0].close()

        assert await guest.case(
            "connection#connect-with-retry", end, to(port), 101, 0
        ) == ("invalid-argument")


async def test_what_will_not_pass_is_not_tried_again() -> None:
    async with on_network(grants(outbound=["1.2.3.4:5"])) as guest:
        end = await guest.tcp()
        case = await guest.case("connection#connect-with-retry", end, to(80), 50, 1000)

    assert case == "permission-denied"
    assert len(guest.denied) == 1


@operation(
    f"{CONNECTION}#get-connection-info",
    f"{CONNECTION}#is-connected",
    f"{CONNECTION}#get-connection-stats",
    allowed=True,
)
async def test_a_guest_learns_how_a_connection_goes() -> None:
    async with on_network() as guest:
        with listening() as (server, port):
            fresh = await guest.tcp()
            before = await guest("connection#get-connection-info", fresh)
            assert not await guest("connection#is-connected", fresh)
            assert await guest.case("connection#get-connection-stats", fresh) == (
                "invalid-argument"
            )
            end, peer = await guest.connected(server)
            await guest("socket#[method]tcp-socket.send", end, b"12345")
            peer.sendall(b"123")
            await guest("socket#[method]tcp-socket.receive", end, 2)

            info = await guest("connection#get-connection-info", end)
            known = await guest("connection#get-connection-stats", end)
            assert await guest("connection#is-connected", end)
            peer.recv(10)
            await guest("socket#[method]tcp-socket.receive", end, 2)
            peer.close()
            assert not await guest("connection#is-connected", end)
            await guest("socket#[method]tcp-socket.close-socket", end)
            after = await guest("connection#get-connection-info", end)
            assert not await guest("connection#is-connected", end)

    assert (before.state, before.local_address, before.established_time) == (
        *("created", None),
        None,
    )
    assert (info.state, info.bytes_sent, info.bytes_received) == ("connected", 5, 2)
    assert info.remote_address == at(port)
    assert 0 <= time.time() - info.established_time < 60
    assert (known.sends, known.receives, known.retransmits) == (1, 1, 0)
    assert known.round_trip_us is not None
    assert (after.state, after.remote_address) == ("closed", None)


@operation(f"{CONNECTION}#enable-keep-alive", allowed=True)
async def test_a_silent_peer_is_asked_whether_it_is_there() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, _ = await guest.connected(server)
            await guest("connection#enable-keep-alive", end, 30)

            tcp = socket.IPPROTO_TCP
            assert end.raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert end.raw.getsockopt(tcp, socket.TCP_KEEPIDLE) == 30
            assert end.raw.getsockopt(tcp, socket.TCP_KEEPINTVL) == 30
            for interval in (0, 32_768):
                case = await guest.case("connection#enable-keep-alive", end, interval)
                assert case == "invalid-argument"


@operation(f"{CONNECTION}#set-idle-timeout", allowed=True)
async def test_a_connection_that_is_idle_for_too_long_is_closed() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)
            other, _ = await guest.connected(server)
            for each in (end, other):
                await guest("connection#set-idle-timeout", each, 1)
                each.used -= 0.99

            waiting = await guest.case("socket#[method]tcp-socket.receive", end, 10)
            assert peer.recv(10) == b""
            other.used -= 1
            later = await guest.case("socket#[method]tcp-socket.send", other, b"x")

            assert (waiting, later) == ("connection-timeout", "connection-timeout")
            assert end.closed
            assert other.closed


# --- names ------------------------------------------------------------------------


@operation(
    f"{CONNECTION}#resolve-hostname",
    f"{CONNECTION}#resolve-hostname-single",
    f"{CONNECTION}#reverse-lookup",
    allowed=True,
)
async def test_names_and_addresses_are_looked_up() -> None:
    names = {"a.example.com": Answer(("10.0.0.1", "10.0.0.1", "2001:db8::1"), ttl=60)}
    given = grants(resolve=["*.example.com", "10.0.0.0/8"])
    async with on_network(given, names=names) as guest:
        found = await guest("connection#resolve-hostname", "A.example.com")
        one = await guest(
            "connection#resolve-hostname-single", "a.example.com", 53, "udp-datagram"
        )
        name = await guest("connection#reverse-lookup", at(0, "10.0.0.1").address)
        unknown = await guest.case(
            "connection#reverse-lookup", at(0, "10.0.0.2").address
        )

    assert found.hostname == "a.example.com"
    assert found.addresses == [
        Variant("ipv4", (10, 0, 0, 1)),
        Variant("ipv6", (0x2001, 0xDB8, 0, 0, 0, 0, 0, 1)),
    ]
    assert found.ttl == 60
    assert (one.address, one.port) == (Variant("ipv4", (10, 0, 0, 1)), 53)
    assert (one.socket_type, one.protocol) == ("udp-datagram", "udp")
    assert name == "a.example.com"
    assert unknown == "dns-resolution-failed"


async def test_an_address_that_is_called_what_is_no_name_has_none() -> None:
    class Odd(FixedResolver):
        async def reverse(self, address: object, **_: object) -> str:
            return f"not a name of {address}\r\n"

    async with on_network(ALL, names=Odd({})) as guest:
        case = await guest.case("connection#reverse-lookup", at(0).address)

    assert case == "dns-resolution-failed"


async def test_the_system_knows_loopback() -> None:
    resolver = SystemResolver()

    answer = await resolver.lookup("localhost")
    name = await resolver.reverse(ip_address("127.0.0.1"))

    assert ip_address("127.0.0.1") in answer.addresses
    assert name


async def test_a_socket_whose_address_is_gone_tells_why_it_could_not_connect() -> None:
    with listening() as (_, port):
        pass
    options = SocketOptions()
    raw = opened("ipv4", "tcp-stream", options)
    end = TcpSocket(raw, "ipv4", lambda: None, options)
    # An address of documentation, which no machine has.
    end.bound_to = Peer(ip_address("192.0.2.1"), 0)

    with pytest.raises(ConnectionRefusedError):
        await end.open_to(Peer(ip_address(LOOPBACK), port))
    with pytest.raises(OSError, match="Bad file descriptor"):
        await end.open_to(Peer(ip_address(LOOPBACK), port))
    assert end.state == "error"
    end.close()
