from __future__ import annotations

import socket

from attrs import evolve

from airssys.core.limits import Quota

from ...operations import operation
from .guest import (
    CONNECTION,
    grants,
    listening,
    named,
    nobody,
    on_network,
    to,
)

POOL = "connection#[method]connection-pool."
METHOD = f"{CONNECTION}#[method]connection-pool."


@operation(
    f"{CONNECTION}#create-pool",
    *(f"{METHOD}{name}" for name in ("pool-acquire", "pool-release", "close-pool")),
    allowed=True,
)
async def test_a_connection_that_was_given_back_is_used_again() -> None:
    async with on_network() as guest:
        with listening() as (server, port):
            pool = await guest("connection#create-pool", 2, 1000)
            first = await guest(f"{POOL}pool-acquire", pool, to(port))
            peer, _ = server.accept()
            await guest(f"{POOL}pool-release", pool, first)
            again = await guest(f"{POOL}pool-acquire", pool, to(port))
            await guest("socket#[method]tcp-socket.send", again, b"again")
            assert peer.recv(10) == b"again"
            assert nobody(server)
            assert again is first

            await guest(f"{POOL}pool-release", pool, again)
            await guest(f"{POOL}close-pool", pool)
            assert peer.recv(10) == b""
            peer.close()
            case = await guest.case(f"{POOL}pool-acquire", pool, to(port))

    assert case == "invalid-argument"


async def test_connections_that_broke_or_have_unread_bytes_are_not_used_again() -> None:
    async with on_network() as guest:
        with listening() as (server, port):
            pool = await guest("connection#create-pool", 2, 1000)
            first = await guest(f"{POOL}pool-acquire", pool, to(port))
            peer, _ = server.accept()
            await guest(f"{POOL}pool-release", pool, first)
            peer.close()
            second = await guest(f"{POOL}pool-acquire", pool, to(port))
            peer, _ = server.accept()
            peer.sendall(b"late answer")
            await guest(f"{POOL}pool-release", pool, second)
            third = await guest(f"{POOL}pool-acquire", pool, to(port))
            server.accept()[0].close()
            await guest("socket#[method]tcp-socket.shutdown", third, "write")
            await guest(f"{POOL}pool-release", pool, third)
            peer.close()

            assert len({first, second, third}) == 3
            assert first.closed
            assert second.closed
            assert third.closed


async def test_a_pool_gives_no_more_than_it_may_and_makes_room() -> None:
    async with on_network() as guest:
        with listening() as (one, here), listening() as (_, there):
            pool = await guest("connection#create-pool", 1, 0)
            first = await guest(f"{POOL}pool-acquire", pool, to(here))
            full = await guest.case(f"{POOL}pool-acquire", pool, to(there))
            await guest(f"{POOL}pool-release", pool, first)
            second = await guest(f"{POOL}pool-acquire", pool, to(there))

            assert full == "resource-exhausted"
            assert first.closed
            with one.accept()[0] as peer:
                assert peer.recv(1) == b""
            await guest.relay.drop(second)  # without giving it back
            third = await guest(f"{POOL}pool-acquire", pool, to(there))
            await guest(f"{POOL}close-pool", pool)
            await guest(f"{POOL}pool-release", pool, third)
            assert third.closed


async def test_what_was_kept_for_too_long_is_closed() -> None:
    async with on_network() as guest:
        with listening() as (server, port):
            pool = await guest("connection#create-pool", 4, 0)
            kept = [await guest(f"{POOL}pool-acquire", pool, to(port)) for _ in "12"]
            await guest("connection#set-idle-timeout", kept[0], 5)
            for each in kept:
                await guest(f"{POOL}pool-release", pool, each)
                each.used -= 6
            again = await guest(f"{POOL}pool-acquire", pool, to(port))
            assert (again, kept[0].closed) == (kept[1], True)
            await guest(f"{POOL}pool-release", pool, again)
            again.used -= 61
            await guest(f"{POOL}pool-acquire", pool, to(port))

            assert again.closed
            server.accept()[0].close()


async def test_a_pool_connects_by_the_family_that_a_name_has() -> None:
    async with on_network() as guest:
        with listening(socket.AF_INET6) as (server, port):
            pool = await guest("connection#create-pool", 2, 0)
            endpoint = named("both.example.com", port)
            made = await guest(f"{POOL}pool-acquire", pool, endpoint)
            server.accept()[0].close()

            assert made.family == "ipv6"
        assert await guest.case(
            f"{POOL}pool-acquire", pool, named("none.example.com", port)
        ) == ("dns-resolution-failed")


async def test_what_is_not_of_the_pool_is_closed() -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            pool = await guest("connection#create-pool", 2, 0)
            end, peer = await guest.connected(server)

            case = await guest.case(f"{POOL}pool-release", pool, end)

            assert case == "invalid-argument"
            assert peer.recv(1) == b""


async def test_a_kept_connection_needs_its_grant_still() -> None:
    with listening() as (server, port):
        async with on_network() as guest:
            pool = await guest("connection#create-pool", 2, 0)
            first = await guest(f"{POOL}pool-acquire", pool, to(port))
            await guest(f"{POOL}pool-release", pool, first)
            guest.standing.grants = grants(outbound=["1.2.3.4:5"])

            case = await guest.case(f"{POOL}pool-acquire", pool, to(port))

            assert (case, len(guest.denied)) == ("permission-denied", 1)
            assert first.closed
        server.accept()[0].close()


async def test_a_kept_connection_is_used_by_no_name_that_is_not_granted_still() -> None:
    with listening() as (server, port):
        by_address = grants(outbound=[f"127.0.0.1:{port}"])
        by_name = evolve(by_address.network, resolve=["peer.example.com"])
        async with on_network(evolve(by_address, network=by_name)) as guest:
            here = named("peer.example.com", port)
            pool = await guest("connection#create-pool", 2, 1000)
            first = await guest(f"{POOL}pool-acquire", pool, here)
            await guest(f"{POOL}pool-release", pool, first)
            guest.standing.grants = by_address
            case = await guest.case(f"{POOL}pool-acquire", pool, here)

            assert len(guest.denied) == 1
            assert first.closed
        server.accept()[0].close()

    assert case == "permission-denied"


async def test_pools_and_their_connections_are_handles() -> None:
    async with on_network(quota=Quota(handles=2)) as guest:
        with listening() as (server, port):
            budget = guest.standing.budget
            assert budget is not None
            (handles,) = budget.stores["handles"]
            pool = await guest("connection#create-pool", 9, 0)
            first = await guest(f"{POOL}pool-acquire", pool, to(port))
            assert await guest.case(f"{POOL}pool-acquire", pool, to(port)) == (
                "resource-exhausted"
            )
            assert handles.used == 2
            await guest(f"{POOL}pool-release", pool, first)
            await guest.relay.drop(pool)

            assert handles.used == 0
            server.accept()[0].close()


async def test_a_pool_has_room_for_one_at_least() -> None:
    async with on_network() as guest:
        cases = [await guest.case("connection#create-pool", n, 0) for n in (0, 1025)]

    assert cases == ["invalid-argument"] * 2
