from __future__ import annotations

import gc
import os
import socket
import time
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from airssys.core.budget import Budget
from airssys.core.limits import Quota
from airssys.host.network import FixedResolver

from ...relay import watching
from .guest import Guest, Offered, at, listening, on_network, receiving, to

TCP = "socket#[method]tcp-socket."
UDP = "socket#[method]udp-socket."


def held(guest: Guest) -> int:
    budget = guest.standing.budget
    assert budget is not None
    return budget.stores["handles"][0].used


def left(guest: Guest) -> float:
    budget = guest.standing.budget
    assert budget is not None
    return budget.rates["network"][0].tokens


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_every_socket_is_a_handle_until_it_is_closed() -> None:
    async with on_network(quota=Quota(handles=3)) as guest:
        first, second = await guest.tcp(), await guest.udp()
        await guest(f"{TCP}bind", first, at(0))
        await guest(f"{TCP}listen", first, 2)
        port = first.raw.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            served = await guest(f"{TCP}accept", first)
            assert held(guest) == 3
            full = await guest.case(f"{TCP}accept", first)
            none = await guest.case("socket#create-socket", "ipv4", "tcp-stream", "tcp")
            await guest(f"{UDP}close-socket", second)
            await guest(f"{UDP}close-socket", second)
            assert held(guest) == 2
            await guest.relay.drop(served)
            await guest.relay.keep(first)
        assert held(guest) == 1
        guest.relay.instance.close()

        assert held(guest) == 0
        assert (full, none) == ("resource-exhausted", "resource-exhausted")
        assert ["quota of open handles" in text for text in guest.denied] == [True] * 2


async def test_an_accept_that_fails_holds_no_handle() -> None:
    async with on_network(quota=Quota(handles=2)) as guest:
        end = await guest.tcp()
        await guest(f"{TCP}bind", end, at(0))
        await guest(f"{TCP}listen", end, 2)
        await guest.options(end, non_blocking=True)

        assert await guest.case(f"{TCP}accept", end) == "would-block"
        assert held(guest) == 1


async def test_what_is_sent_waits_for_its_share() -> None:
    async with on_network(quota=Quota(network=20_000)) as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)
            started = anyio.current_time()
            await guest(f"{TCP}send-all", end, bytes(21_000))
            took = anyio.current_time() - started

            assert len(peer.recv(21_000, socket.MSG_WAITALL)) == 21_000
    # A second's worth may go at once, and a thousand more after a twentieth of one.
    assert took > 0.04


async def test_what_is_received_is_paid_for_before_more_is() -> None:
    async with on_network(quota=Quota(network=10_000)) as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)
            peer.sendall(bytes(40_000))
            await anyio.lowlevel.checkpoint()
            # A second's worth each time: a second's worth is owed afterwards.
            got = await guest(f"{TCP}receive-all", end, 20_000)
            await guest.options(end, read_timeout=10)

            error = await guest.fails(f"{TCP}receive", end, 10)

            assert len(got.data) == 20_000
            assert error.case == "resource-exhausted"
            assert "quota of network bytes" in str(error.value)
            assert len(guest.denied) == 1
            await guest.options(end, non_blocking=True)
            assert await guest.case(f"{TCP}receive", end, 10) == "would-block"


async def test_what_will_never_fit_is_refused_at_once() -> None:
    async with on_network(quota=Quota(network=1000)) as guest:
        with receiving() as (peer, port):
            end = await guest.udp()

            case = await guest.case(f"{UDP}send-to", end, bytes(1000), at(port))
            await guest(f"{UDP}send-to", end, bytes(100), at(port))

            assert case == "resource-exhausted"
            assert len(peer.recv(1000)) == 100
            assert left(guest) < 900


async def test_empty_datagrams_cost_their_headers() -> None:
    async with on_network(quota=Quota(network=100)) as guest:
        with receiving() as (_, port):
            end = await guest.udp()
            await guest.options(end, write_timeout=10)
            for _ in range(3):
                await guest(f"{UDP}send-to", end, b"", at(port))

            case = await guest.case(f"{UDP}send-to", end, b"", at(port))

            assert case == "resource-exhausted"


async def test_a_socket_lost_between_host_and_guest_is_closed() -> None:
    async with on_network(quota=Quota(handles=2)) as guest:
        with watching():
            end = await guest.tcp()
        number = end.raw.fileno()
        guest.made.clear()
        del end
        gc.collect()

        assert held(guest) == 0
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)


async def test_a_socket_that_was_made_as_its_call_was_cancelled_is_not_lost() -> None:
    offered = Offered.over(FixedResolver({}))
    async with on_network(quota=Quota(handles=2), over=offered) as guest:
        made = None
        with anyio.CancelScope() as scope:

            def clock() -> float:  # it is asked while the host function runs
                scope.cancel()
                return time.time()

            offered.gate.clock = clock
            made = await guest.tcp()

        assert made is not None
        assert held(guest) == 1
        offered.gate.clock = time.time
        await guest.relay.drop(made)
        assert held(guest) == 0


async def test_nothing_is_left_when_instances_end() -> None:
    before = descriptors()
    for _ in range(3):
        async with on_network(quota=Quota()) as guest:
            with listening() as (server, port):
                for _ in range(5):
                    end, peer = await guest.connected(server)
                    await guest.relay.keep(end)
                    peer.close()
                await guest.relay.keep(await guest.udp())
                pool = await guest("connection#create-pool", 5, 0)
                acquire = "connection#[method]connection-pool.pool-acquire"
                end = await guest(acquire, pool, to(port))
                await guest(
                    "connection#[method]connection-pool.pool-release", pool, end
                )
                await guest.relay.keep(pool)
                assert held(guest) == 8
                guest.relay.instance.close()
            assert held(guest) == 0

    # The event loop may have come by its own meanwhile.
    assert descriptors() <= before + 2


async def test_a_supervisor_shares_its_quota() -> None:
    async with on_network(quota=Quota()) as guest:
        above = Budget("group", Quota(handles=1))
        guest.standing.budget = Budget("acme/guest", Quota(), above)
        await guest.tcp()

        error = await guest.fails("socket#create-socket", "ipv4", "tcp-stream", "tcp")

        assert "supervisor 'group'" in str(error.value)
