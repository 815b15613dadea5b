from __future__ import annotations

import socket

import anyio
import pytest

from airssys.witmodel.types import Variant

from ...operations import operation
from .guest import (
    ALL,
    CONNECTION,
    LOOPBACK,
    SOCKET,
    at,
    grants,
    listening,
    on_network,
    to,
)

TCP = "socket#[method]tcp-socket."
METHOD = f"{SOCKET}#[method]tcp-socket."


@operation(f"{SOCKET}#create-socket", allowed=True)
@pytest.mark.parametrize("family", ["ipv4", "ipv6"])
async def test_a_guest_makes_sockets_of_both_families_and_kinds(family: str) -> None:
    async with on_network() as guest:
        tcp, udp = await guest.tcp(family), await guest.udp(family)

    af = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}[family]
    assert (tcp.raw.family, tcp.raw.type) == (af, socket.SOCK_STREAM)
    assert (udp.raw.family, udp.raw.type) == (af, socket.SOCK_DGRAM)


async def test_a_protocol_that_does_not_fit_the_type_is_refused() -> None:
    async with on_network() as guest:
        kinds = (("tcp-stream", "udp"), ("udp-datagram", "tcp"))
        cases = [await guest.case("socket#create-socket", "ipv4", *k) for k in kinds]

    assert cases == ["invalid-argument"] * 2


@operation(f"{CONNECTION}#connect", f"{METHOD}send", f"{METHOD}receive", allowed=True)
async def test_bytes_go_to_a_peer_and_come_back() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)

            sent = await guest(f"{TCP}send", end, b"hello")
            assert peer.recv(10) == b"hello"
            peer.sendall(b"good day")
            first = await guest(f"{TCP}receive", end, 4)
            second = await guest(f"{TCP}receive", end, 100)
            peer.close()
            last = await guest(f"{TCP}receive", end, 100)

    assert sent.bytes_sent == 5
    assert (first.data, first.bytes_received) == (b"good", 4)
    assert (second.data, second.sender_address) == (b" day", None)
    assert last.data == b""


@operation(f"{METHOD}send-all", f"{METHOD}receive-all", allowed=True)
async def test_all_of_a_large_text_goes_through_and_comes_back() -> None:
    whole = bytes(range(256)) * 2048

    async with on_network() as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)

            def echo() -> None:
                got = b""
                while len(got) < len(whole):
                    got += peer.recv(2**16)
                peer.sendall(got)
                peer.close()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.to_thread.run_sync, echo)
                await guest(f"{TCP}send-all", end, whole)
                first = await guest(f"{TCP}receive-all", end, 1000)
                rest = await guest(f"{TCP}receive-all", end, 2**20)

    assert first.data + rest.data == whole
    assert first.bytes_received == 1000


@operation(
    *(f"{METHOD}{name}" for name in ("bind", "listen", "accept", "get-local-address")),
    allowed=True,
)
async def test_a_guest_listens_and_serves() -> None:
    async with on_network() as guest:
        end = await guest.tcp()
        await guest(f"{TCP}bind", end, at(0))
        await guest(f"{TCP}listen", end, 5)
        local = await guest(f"{TCP}get-local-address", end)
        with socket.create_connection((LOOPBACK, local.port)) as client:
            served = await guest(f"{TCP}accept", end)
            client.sendall(b"?")
            asked = await guest(f"{TCP}receive", served, 10)
            await guest(f"{TCP}send", served, b"!")
            answer = client.recv(10)

    assert local.address == Variant("ipv4", (127, 0, 0, 1))
    assert (asked.data, answer) == (b"?", b"!")


async def test_a_port_that_is_granted_by_number_is_enough_to_serve() -> None:
    with listening() as (_, port):
        pass
    async with on_network(grants(inbound=[str(port)])) as guest:
        end = await guest.tcp()
        await guest(f"{TCP}bind", end, at(port))
        await guest(f"{TCP}listen", end, 5)

        assert await guest.case(f"{TCP}bind", end, at(port)) == "invalid-argument"
        other = await guest.tcp()
        assert await guest.case(f"{TCP}bind", other, at(port)) == "address-in-use"


@operation(f"{METHOD}get-remote-address", allowed=True)
async def test_a_guest_learns_where_it_is_connected_to() -> None:
    async with on_network() as guest:
        with listening() as (server, port):
            fresh = await guest.tcp()
            assert await guest.case(f"{TCP}get-remote-address", fresh) == (
                "invalid-argument"
            )
            assert await guest.case(f"{TCP}get-local-address", fresh) == (
                "invalid-argument"
            )
            end, _ = await guest.connected(server)

            found = await guest(f"{TCP}get-remote-address", end)

    assert (found.address, found.port) == (Variant("ipv4", (127, 0, 0, 1)), port)


@operation(f"{METHOD}shutdown", allowed=True)
async def test_a_direction_can_be_ended_by_itself() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)

            await guest(f"{TCP}shutdown", end, "write")
            assert peer.recv(10) == b""
            peer.sendall(b"still here")
            got = await guest(f"{TCP}receive", end, 100)
            await guest(f"{TCP}shutdown", end, "both")
            fresh = await guest.tcp()

            assert await guest.case(f"{TCP}shutdown", fresh, "read") == (
                "invalid-argument"
            )

    assert got.data == b"still here"


@operation(f"{METHOD}close-socket", allowed=True)
async def test_a_closed_socket_is_of_no_use_and_its_peer_sees_the_end() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)

            await guest(f"{TCP}close-socket", end)
            assert peer.recv(10) == b""
            await guest(f"{TCP}close-socket", end)

            for function, *args in (
                ("send", b"x"),
                ("receive", 10),
                ("get-local-address",),
                ("shutdown", "both"),
                ("listen", 1),
            ):
                case = await guest.case(f"{TCP}{function}", end, *args)
                assert case == "invalid-argument", function


async def test_dropping_the_handle_closes_the_socket() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)
            await guest.relay.drop(end)

            assert end.closed
            assert peer.recv(10) == b""


@operation(f"{METHOD}get-socket-options", f"{METHOD}set-socket-options", allowed=True)
async def test_options_are_those_of_the_system() -> None:
    async with on_network() as guest:
        end = await guest.tcp()
        first = await guest(f"{TCP}get-socket-options", end)
        await guest.options(
            end,
            tcp_no_delay=False,
            tcp_keep_alive=True,
            keep_alive_interval=77,
            receive_buffer_size=20_000,
            reuse_port=True,
            read_timeout=1234,
        )
        second = await guest(f"{TCP}get-socket-options", end)
        raw = end.raw

        assert (first.tcp_no_delay, first.reuse_address, first.read_timeout) == (
            *(True, True),
            30_000,
        )
        assert (second.tcp_no_delay, second.tcp_keep_alive) == (False, True)
        assert (second.keep_alive_interval, second.read_timeout) == (77, 1234)
        assert second.receive_buffer_size >= 20_000
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == 77
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 1


async def test_options_survive_a_connect_that_failed() -> None:
    with listening() as (_, port):
        pass
    async with on_network() as guest:
        end = await guest.tcp()
        await guest(f"{TCP}bind", end, at(0))
        await guest.options(end, tcp_no_delay=False, send_buffer_size=0)
        before = end.raw

        assert await guest.case("connection#connect", end, to(port)) == (
            "connection-refused"
        )

        assert end.raw is not before
        assert end.raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 0
        with listening() as (server, _):
            await guest("connection#connect", end, to(server.getsockname()[1]))


@pytest.mark.parametrize(
    ("function", "args"),
    [
        ("listen", (5,)),
        ("accept", ()),
        ("send", (b"x",)),
        ("receive", (10,)),
        ("send-all", (b"x",)),
        ("receive-all", (10,)),
        ("bind", (at(0, "::1"),)),
        ("bind", (at(0, "224.0.0.1"),)),
    ],
)
async def test_what_a_fresh_socket_cannot_do_is_told(
    function: str, args: tuple[object, ...]
) -> None:
    async with on_network() as guest:
        end = await guest.tcp()

        case = await guest.case(f"{TCP}{function}", end, *args)

    assert case == ("invalid-address" if function == "bind" else "invalid-argument")
    assert guest.denied == []


async def test_numbers_out_of_range_are_refused() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, _ = await guest.connected(server)

            assert await guest.case(f"{TCP}receive", end, 0) == "invalid-argument"
            assert await guest.case(f"{TCP}receive-all", end, 2**20 + 1) == (
                "invalid-argument"
            )
            assert (await guest(f"{TCP}send", end, b"")).bytes_sent == 0
            with pytest.raises(Exception, match="keep-alive-interval"):
                await guest.options(end, keep_alive_interval=32_768)


async def test_waits_end_with_the_timeouts_of_the_socket() -> None:
    async with on_network(longest=0.02) as guest:
        with listening() as (server, _):
            end, _ = await guest.connected(server)
            await guest.options(end, read_timeout=10, write_timeout=10)
            late = "connection-timeout"

            assert await guest.case(f"{TCP}receive", end, 10) == late
            assert await guest.case(f"{TCP}receive-all", end, 10) == late
            assert await guest.case(f"{TCP}send-all", end, bytes(2**23)) == late
            await guest.options(end, read_timeout=0)
            assert await guest.case(f"{TCP}receive", end, 10) == late
            waiting = await guest.tcp()
            await guest(f"{TCP}bind", waiting, at(0))
            await guest(f"{TCP}listen", waiting, 1)
            assert await guest.case(f"{TCP}accept", waiting) == late


async def test_a_socket_that_must_not_wait_says_that_it_would() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)
            await guest.options(end, non_blocking=True)

            assert await guest.case(f"{TCP}receive", end, 10) == "would-block"
            assert await guest.case(f"{TCP}send-all", end, bytes(2**23)) == (
                "would-block"
            )
            peer.sendall(b"x")
            got = await guest(f"{TCP}receive", end, 10)

    assert got.data == b"x"


async def test_a_broken_connection_is_told() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)
            linger = b"\1\0\0\0\0\0\0\0"
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            peer.close()  # with a reset

            assert await guest.case(f"{TCP}receive", end, 10) == "connection-reset"


@pytest.mark.parametrize("function", ["accept", "receive", "connect"])
async def test_a_wait_that_is_cancelled_leaves_no_socket_open(function: str) -> None:
    async with on_network(ALL) as guest:
        with listening() as (server, _):
            end, _ = await guest.connected(server)
            args: tuple[object, ...] = (end, 10)
            if function == "accept":
                end = await guest.tcp()
                await guest(f"{TCP}bind", end, at(0))
                await guest(f"{TCP}listen", end, 1)
                args = (end,)
            full = f"{TCP}{function}"
            if function == "connect":
                full, end = "connection#connect", await guest.tcp()
                full_up = socket.socket()
                guest.made.append(full_up)
                full_up.bind((LOOPBACK, 0))
                full_up.listen(0)
                port = full_up.getsockname()[1]
                for _ in range(3):  # nobody accepts, so the next one waits
                    filler = socket.socket()
                    guest.made.append(filler)
                    filler.settimeout(0)
                    filler.connect_ex((LOOPBACK, port))
                args = (end, to(port))
            await guest.relay.keep(end)

            with anyio.move_on_after(0.02) as scope:
                await guest(full, *args)

            assert scope.cancelled_caught
            assert end.closed
            assert end.raw.fileno() == -1
