from __future__ import annotations

import socket
from ipaddress import IPv4Address
from typing import Any

import anyio
import pytest

from airssys.host.network.addresses import Peer
from airssys.host.network.options import SocketOptions
from airssys.host.network.tcp import TcpSocket
from airssys.hostcalls.call import Standing
from airssys.wasi.http.connection import Connection, Route
from airssys.wasi.http.kept import KeptConnections

_held: list[socket.socket] = []


@pytest.fixture
def anyio_backend(virtual_clock: Any) -> Any:
    return virtual_clock


@pytest.fixture(autouse=True)
def _close() -> Any:
    yield
    while _held:
        _held.pop().close()


def connection(owner: Standing, port: int = 80) -> Connection:
    """Return one end of a connection whose other end is held."""
    here, there = socket.socketpair()
    here.settimeout(0)
    _held.append(there)
    made = TcpSocket(here, "ipv4", lambda: None, SocketOptions())
    made.begin()
    route = Route(owner, Peer(IPv4Address("127.0.0.1"), port), tls=False)
    return Connection(route, made)


def closed(connections: list[Connection]) -> int:
    return sum(each.socket.closed for each in connections)


async def test_what_is_kept_for_too_long_is_closed() -> None:
    owner = Standing()
    async with anyio.create_task_group() as work:
        kept = KeptConnections(work)
        first, second = connection(owner), connection(owner)
        kept.keep(first)
        await anyio.sleep(10)
        kept.keep(second)
        await anyio.sleep(6)
        assert (first.socket.closed, second.socket.closed) == (True, False)
        assert kept.take(second.route) is second
        assert kept.take(second.route) is None
        await anyio.sleep(60)
        # There was nothing left to look after; and there is again.
        kept.keep(second)
        await anyio.sleep(16)
        assert second.socket.closed


async def test_the_end_closes_what_is_kept() -> None:
    async with anyio.create_task_group() as work:
        kept = KeptConnections(work)
        made = connection(Standing())
        kept.keep(made)
        await anyio.sleep(1)
        work.cancel_scope.cancel()
    assert made.socket.closed


async def test_there_are_no_more_than_there_may_be() -> None:
    owner = Standing()
    async with anyio.create_task_group() as work:
        kept = KeptConnections(work)
        mine = [connection(owner, port) for port in range(1, 18)]
        for each in mine:
            kept.keep(each)
        assert mine[0].socket.closed
        assert closed(mine) == 1
        others = [connection(Standing()) for _ in range(241)]
        for each in others:
            kept.keep(each)
        assert closed(mine) == 2
        assert kept.shed(owner)
        assert closed(mine) == 3
        assert not kept.shed(Standing())
        work.cancel_scope.cancel()


async def test_what_the_other_side_has_ended_is_not_used() -> None:
    async with anyio.create_task_group() as work:
        kept = KeptConnections(work)
        made = connection(Standing())
        kept.keep(made)
        _held.pop().close()
        assert kept.take(made.route) is None
        assert made.socket.closed
