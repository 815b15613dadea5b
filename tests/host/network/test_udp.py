from __future__ import annotations

import socket

import pytest

from ...operations import operation
from .guest import LOOPBACK, SOCKET, at, grants, named, on_network, receiving, to

UDP = "socket#[method]udp-socket."
METHOD = f"{SOCKET}#[method]udp-socket."


@operation(f"{METHOD}send-to", f"{METHOD}receive-from", allowed=True)
async def test_datagrams_go_to_an_address_and_come_back() -> None:
    async with on_network() as guest:
        with receiving() as (peer, port):
            end = await guest.udp()

            sent = await guest(f"{UDP}send-to", end, b"ping", at(port))
            got, sender = peer.recvfrom(10)
            peer.sendto(b"pong", sender)
            answer = await guest(f"{UDP}receive-from", end, 100)

    assert (sent.bytes_sent, got) == (4, b"ping")
    assert (answer.data, answer.sender_address) == (b"pong", at(port))


@operation(
    *(f"{METHOD}{n}" for n in ("connect", "send", "receive", "get-remote-address")),
    allowed=True,
)
@pytest.mark.parametrize("how", ["address", "name"])
async def test_a_peer_that_was_chosen_is_the_only_one(how: str) -> None:
    async with on_network() as guest:
        with receiving() as (peer, port), receiving() as (stranger, _):
            end = await guest.udp()
            assert await guest.case(f"{UDP}send", end, b"") == "invalid-argument"
            assert await guest.case(f"{UDP}receive", end, 9) == "invalid-argument"
            assert await guest.case(f"{UDP}get-remote-address", end) == (
                "invalid-argument"
            )

            endpoint = named("peer.example.com", port) if how == "name" else to(port)
            await guest(f"{UDP}connect", end, endpoint)
            await guest(f"{UDP}send", end, b"hello")
            got, sender = peer.recvfrom(10)
            stranger.sendto(b"from a stranger", sender)
            peer.sendto(b"from a peer", sender)
            answer = await guest(f"{UDP}receive", end, 6)
            peer.sendto(b"again", sender)
            again = await guest(f"{UDP}receive-from", end, 100)
            remote = await guest(f"{UDP}get-remote-address", end)

    assert got == b"hello"
    assert answer.data == b"from a"
    assert again.data == b"again"
    assert remote == at(port)


@operation(f"{METHOD}bind", f"{METHOD}get-local-address", allowed=True)
async def test_a_bound_socket_receives_from_anybody() -> None:
    async with on_network(grants(inbound=["*"])) as guest:
        with receiving() as (peer, _):
            end = await guest.udp()
            await guest(f"{UDP}bind", end, at(0))
            local = await guest(f"{UDP}get-local-address", end)
            peer.sendto(b"", (LOOPBACK, local.port))
            peer.sendto(b"hi", (LOOPBACK, local.port))
            empty = await guest(f"{UDP}receive-from", end, 10)
            got = await guest(f"{UDP}receive-from", end, 10)

            case = await guest.case(f"{UDP}bind", end, at(0))
            # To answer takes a grant of its own: a sender's address can be made up.
            answer = await guest.case(f"{UDP}send-to", end, b"x", got.sender_address)

    assert (empty.data, got.data) == (b"", b"hi")
    assert (case, answer) == ("invalid-argument", "permission-denied")


async def test_strangers_are_not_heard_by_a_socket_that_only_sent() -> None:
    with receiving() as (peer, port), receiving() as (stranger, _):
        async with on_network(grants(outbound=[f"127.0.0.1:{port}"])) as guest:
            end = await guest.udp()
            assert await guest.case(f"{UDP}receive-from", end, 9) == "invalid-argument"
            await guest(f"{UDP}send-to", end, b"x", at(port))
            _, sender = peer.recvfrom(10)
            stranger.sendto(b"from a stranger", sender)
            peer.sendto(b"from a peer", sender)

            answer = await guest(f"{UDP}receive-from", end, 100)

    assert answer.data == b"from a peer"
    assert guest.denied == []


@operation(f"{METHOD}get-socket-options", f"{METHOD}set-socket-options", allowed=True)
async def test_options_of_tcp_are_off() -> None:
    async with on_network() as guest:
        end = await guest.udp()
        await guest.options(end, tcp_no_delay=True, reuse_address=True)

        found = await guest(f"{UDP}get-socket-options", end)
        kept = end.raw.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR)

    assert (found.tcp_no_delay, found.reuse_address, kept) == (False, True, 1)


@operation(f"{METHOD}close-socket", allowed=True)
async def test_a_closed_socket_is_of_no_use() -> None:
    async with on_network() as guest:
        end = await guest.udp()
        await guest(f"{UDP}close-socket", end)

        cases = [
            await guest.case(f"{UDP}send-to", end, b"x", at(9)),
            await guest.case(f"{UDP}connect", end, to(9)),
            await guest.case(f"{UDP}receive-from", end, 9),
        ]
        other = await guest.udp()
        await guest.relay.drop(other)

    assert cases == ["invalid-argument"] * 3
    assert other.closed


async def test_a_datagram_goes_to_a_port_and_is_not_too_long() -> None:
    async with on_network() as guest:
        with receiving() as (peer, port):
            end = await guest.udp()

            cases = [
                await guest.case(f"{UDP}send-to", end, bytes(70_000), at(port)),
                await guest.case(f"{UDP}connect", end, to(0)),
                await guest.case(f"{UDP}receive-from", end, 65_537),
            ]
            await guest.options(end, read_timeout=10)
            await guest(f"{UDP}send-to", end, b"", at(port))
            late = await guest.case(f"{UDP}receive-from", end, 10)
            empty = peer.recv(10)

    assert cases == ["invalid-argument", "invalid-port", "invalid-argument"]
    assert (late, empty) == ("connection-timeout", b"")
