from __future__ import annotations

from typing import Any

import pytest

from airssys.core.errors import WitError
from airssys.core.event import Denied
from airssys.core.grants.grants import Grants
from airssys.witmodel.types import Variant

from ...operations import operation
from .guest import (
    CONNECTION,
    SOCKET,
    Guest,
    at,
    listening,
    named,
    nobody,
    on_network,
    receiving,
    to,
)

OPTIONS = {
    **dict.fromkeys(("reuse-address", "reuse-port", "tcp-no-delay"), False),
    **dict.fromkeys(("tcp-keep-alive", "non-blocking"), False),
    **dict.fromkeys(("keep-alive-interval", "send-buffer-size"), 0),
    **dict.fromkeys(("receive-buffer-size", "connect-timeout"), 0),
    **dict.fromkeys(("read-timeout", "write-timeout"), 0),
}
HERE = object()
"""Stands for the peer's port, which is known only later."""
WITHOUT_SOCKET: dict[str, tuple[Any, ...]] = {
    f"{SOCKET}#create-socket": ("ipv4", "tcp-stream", "tcp"),
    f"{CONNECTION}#create-pool": (1, 0),
    f"{CONNECTION}#resolve-hostname": ("peer.example.com",),
    f"{CONNECTION}#resolve-hostname-single": ("peer.example.com", 1, "tcp-stream"),
    f"{CONNECTION}#reverse-lookup": (at(0).address,),
}
FRESH: dict[str, tuple[Any, ...]] = {
    f"{CONNECTION}#connect": (HERE,),
    f"{CONNECTION}#connect-with-retry": (HERE, 3, 0),
    **{
        f"{SOCKET}#[method]tcp-socket.{name}": args
        for name, args in {"bind": (at(0),), "listen": (1,)}.items()
    },
}
LISTENING: dict[str, tuple[Any, ...]] = {f"{SOCKET}#[method]tcp-socket.accept": ()}
CONNECTED: dict[str, tuple[Any, ...]] = {
    **{
        f"{SOCKET}#[method]tcp-socket.{name}": args
        for name, args in {
            "get-socket-options": (),
            "set-socket-options": (OPTIONS,),
            "send": (b"secret",),
            "send-all": (b"secret",),
            "receive": (10,),
            "receive-all": (10,),
            "get-local-address": (),
            "get-remote-address": (),
        }.items()
    },
    **{
        f"{CONNECTION}#{name}": args
        for name, args in {
            "get-connection-info": (),
            "is-connected": (),
            "upgrade-to-tls": ("127.0.0.1", True),
            "get-tls-info": (),
            "set-idle-timeout": (1,),
            "enable-keep-alive": (1,),
            "get-connection-stats": (),
        }.items()
    },
}
DATAGRAMS: dict[str, tuple[Any, ...]] = {
    f"{SOCKET}#[method]udp-socket.{name}": args
    for name, args in {
        "bind": (at(0),),
        "connect": (HERE,),
        "get-socket-options": (),
        "set-socket-options": (OPTIONS,),
        "send": (b"secret",),
        "send-to": (b"secret", at(9)),
        "receive": (10,),
        "receive-from": (10,),
        "get-local-address": (),
        "get-remote-address": (),
    }.items()
}
POOLS: dict[str, tuple[Any, ...]] = {
    f"{CONNECTION}#[method]connection-pool.pool-acquire": (HERE,)
}


async def refused(guest: Guest, operation: str, *args: Any) -> None:
    """Have a guest try without a grant, which is an event and nothing else."""
    guest.standing.grants = Grants()
    with pytest.raises(WitError) as caught:
        await guest(operation, *args)

    assert isinstance(caught.value.value, Variant)
    assert caught.value.value.case == "permission-denied"
    (event,) = guest.recorder.events
    assert isinstance(event, Denied)
    assert event.operation == operation
    assert event.subject == "acme/guest"


@operation(*WITHOUT_SOCKET, allowed=False)
@pytest.mark.parametrize("operation", WITHOUT_SOCKET)
async def test_without_a_grant_a_guest_gets_nothing(operation: str) -> None:
    async with on_network() as guest:
        await refused(guest, operation, *WITHOUT_SOCKET[operation])


@operation(*FRESH, allowed=False)
@pytest.mark.parametrize("operation", FRESH)
@pytest.mark.parametrize("how", ["address", "name"])
async def test_a_socket_leads_nowhere_without_a_grant(operation: str, how: str) -> None:
    async with on_network() as guest:
        with listening() as (server, port):
            end = await guest.tcp()
            here = named("peer.example.com", port) if how == "name" else to(port)
            args = [here if arg is HERE else arg for arg in FRESH[operation]]
            await refused(guest, operation, end, *args)

            assert nobody(server)


@operation(*LISTENING, allowed=False)
@pytest.mark.parametrize("operation", LISTENING)
async def test_who_listens_gets_no_connection_when_the_grant_is_gone(
    operation: str,
) -> None:
    async with on_network() as guest:
        end = await guest.tcp()
        await guest("socket#[method]tcp-socket.bind", end, at(0))
        await guest("socket#[method]tcp-socket.listen", end, 1)
        await refused(guest, operation, end)


@operation(*CONNECTED, allowed=False)
@pytest.mark.parametrize("operation", CONNECTED)
async def test_a_connection_is_of_no_use_when_its_grant_is_gone(
    operation: str,
) -> None:
    async with on_network() as guest:
        with listening() as (server, _):
            end, peer = await guest.connected(server)
            peer.sendall(b"for nobody")
            await refused(guest, operation, end, *CONNECTED[operation])
            end.close()

            assert end.sent == end.received == 0


@operation(*DATAGRAMS, allowed=False)
@pytest.mark.parametrize("operation", DATAGRAMS)
async def test_no_datagram_goes_or_comes_when_the_grant_is_gone(
    operation: str,
) -> None:
    async with on_network() as guest:
        with receiving() as (peer, port):
            end = await guest.udp()
            if not operation.endswith(("bind", ".connect")):
                await guest("socket#[method]udp-socket.connect", end, to(port))
            args = [to(port) if arg is HERE else arg for arg in DATAGRAMS[operation]]
            await refused(guest, operation, end, *args)

            assert nobody(peer)


@operation(*POOLS, allowed=False)
@pytest.mark.parametrize("operation", POOLS)
async def test_a_pool_leads_nowhere_without_a_grant(operation: str) -> None:
    async with on_network() as guest:
        with listening() as (server, port):
            pool = await guest("connection#create-pool", 1, 0)
            await refused(guest, operation, pool, to(port))

            assert nobody(server)
