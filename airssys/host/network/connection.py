"""Let guests look up names, connect, speak TLS and keep connections.

This is ``airssys:ext-network/connection``.
"""

from __future__ import annotations

import ssl
from typing import Final

import anyio
from attrs import evolve

from ...core.errors import WitError
from ...core.grants.capabilities import Network
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, Requires, hold, offer
from ...hostcalls.interface import HostInterface
from ...witmodel.signatures import SIGNATURES
from ...witmodel.types import Variant
from .addresses import (
    address_of,
    address_value,
    normal_name,
)
from .dial import connect as dial
from .dial import connect_again
from .errors import denied, failure, told
from .options import KEEP_ALIVE_LONGEST
from .owned import Kind
from .permits import Permits
from .pool import LARGEST_POOL, ConnectionPool
from .shares import Share, hold_handle
from .socket import open_tcp
from .tcp import TcpSocket
from .tls import HANDSHAKE_BYTES, Tls

__all__ = ("CONNECTION", "connections")

CONNECTION: Final = "airssys:ext-network/connection@1.0.0"
_TYPES: Final = SIGNATURES[CONNECTION]
_CONNECTING: Final = Inside(
    ("network.outbound", "network.resolve"),
    "outbound for the name or the address; both where only looking up is granted",
)
_USED: Final = Inside(
    ("network.outbound", "network.inbound"),
    "the one the socket was connected, bound or accepted with",
)
_RESOLVING: Final = Inside(("network.resolve",), "for the name in normal form")
_CLOSING: Final = Free("gives up what the caller has")


def connections(permits: Permits, tls: Tls) -> HostInterface:
    """Return the interface for all components of a system.

    Args:
        permits: The rules.
        tls: How guests may speak TLS.
    """
    interface = HostInterface(CONNECTION)
    hold(interface, "connection-pool", ConnectionPool, drop=ConnectionPool.close)

    # Names.

    @offer(interface, needs=_RESOLVING, wit=_TYPES["resolve-hostname"])
    async def resolve_hostname(call: Call, name: str) -> dict[str, object]:
        asked = permits.name(call, name)
        permits.require(call, Network("resolve", asked))
        with told(f"looking up {asked}"):
            answer = await permits.lookup(call, asked)
        return {
            "hostname": asked,
            "addresses": [address_value(each) for each in answer.addresses],
            "ttl": answer.ttl,
        }

    @offer(interface, needs=_RESOLVING, wit=_TYPES["resolve-hostname-single"])
    async def resolve_hostname_single(
        call: Call, name: str, port: int, socket_type: Kind
    ) -> dict[str, object]:
        asked = permits.name(call, name)
        permits.require(call, Network("resolve", asked))
        with told(f"looking up {asked}"):
            answer = await permits.lookup(call, asked)
        return {
            "address": address_value(answer.addresses[0]),
            "port": port,
            "socket-type": socket_type,
            "protocol": socket_type[:3],
        }

    @offer(
        interface,
        needs=Requires("network.resolve", lambda address: str(address_of(address))),
        denied=denied,
        wit=_TYPES["reverse-lookup"],
    )
    async def reverse_lookup(call: Call, address: Variant) -> str:
        asked = address_of(address)
        with told(f"looking up {asked}"):
            with anyio.fail_after(permits.longest):
                found = await permits.resolver.reverse(asked, asker=call.who)
            try:
                return normal_name(found)
            except ValueError as error:
                words = f"what {asked} is called is no host name"
                raise failure("dns-resolution-failed", words) from error

    # Connections.

    @offer(interface, needs=_CONNECTING, wit=_TYPES["connect"])
    async def connect(call: Call, socket: TcpSocket, endpoint: Variant) -> None:
        await dial(permits, call, socket, permits.target(call, endpoint))

    @offer(interface, needs=_CONNECTING, wit=_TYPES["connect-with-retry"])
    async def connect_with_retry(
        call: Call,
        socket: TcpSocket,
        endpoint: Variant,
        max_retries: int,
        retry_delay_ms: int,
    ) -> None:
        delay = retry_delay_ms / 1000
        await connect_again(permits, call, socket, endpoint, max_retries, delay)

    @offer(interface, needs=_USED, wit=_TYPES["get-connection-info"])
    def get_connection_info(call: Call, socket: TcpSocket) -> dict[str, object]:
        permits.hold_to(call, socket)
        with told("telling of a connection"):
            return socket.told()

    @offer(interface, needs=_USED, wit=_TYPES["is-connected"])
    def is_connected(call: Call, socket: TcpSocket) -> bool:
        permits.hold_to(call, socket)
        return not socket.closed and socket.alive()

    @offer(interface, needs=_USED, wit=_TYPES["get-connection-stats"])
    def get_connection_stats(call: Call, socket: TcpSocket) -> dict[str, object]:
        permits.use(call, socket)
        socket.check_stream()
        return socket.statistics()

    @offer(interface, needs=_USED, wit=_TYPES["set-idle-timeout"])
    def set_idle_timeout(call: Call, socket: TcpSocket, timeout_seconds: int) -> None:
        permits.use(call, socket)
        socket.check_stream()
        socket.idle_limit = float(timeout_seconds) or None

    @offer(interface, needs=_USED, wit=_TYPES["enable-keep-alive"])
    def enable_keep_alive(call: Call, socket: TcpSocket, interval_seconds: int) -> None:
        permits.use(call, socket)
        if not 1 <= interval_seconds <= KEEP_ALIVE_LONGEST:
            words = f"interval-seconds is 1 to {KEEP_ALIVE_LONGEST}"
            raise failure("invalid-argument", words)
        wanted = evolve(
            socket.options, tcp_keep_alive=True, keep_alive_interval=interval_seconds
        )
        with told("setting options"):
            wanted.apply(socket.raw)
        socket.options = wanted

    # TLS.

    @offer(
        interface,
        needs=Inside(
            ("network.outbound",),
            "for the hostname and the port, where it is not what was connected to",
        ),
        wit=_TYPES["upgrade-to-tls"],
    )
    async def upgrade_to_tls(
        call: Call,
        socket: TcpSocket,
        hostname: str,
        verify_certificate: bool,  # noqa: FBT001 - WIT knows no keywords
    ) -> None:
        permits.use(call, socket)
        remote = socket.remote
        if remote is None:
            raise failure("invalid-argument", f"the socket is {socket.state}")
        target = permits.target(call, Variant("name", (hostname, remote.port)))
        name = target.host
        if name != socket.name:
            permits.require(call, target.outbound)
        if not verify_certificate and not tls.unverified:
            needed = f"speak TLS with {name!r} without a check of its certificate"
            reason = "the host does not allow it"
            permits.gate.refused(call, needed, reason)
            raise failure("permission-denied", f"may not {needed}: {reason}")
        if socket.agreed is not None and (
            socket.agreed.hostname == name
            and socket.agreed.verified >= verify_certificate
        ):
            return
        if socket.state != "connected" or socket.agreed is not None:
            how = socket.state if socket.agreed is None else "using TLS already"
            raise failure("invalid-argument", f"the socket is {how}")
        limit = permits.seconds(socket.options.connect_timeout)
        with told(f"agreeing on TLS with {name}"), anyio.fail_after(limit):
            share = Share(permits.gate, call)
            await share.pay()
            share.charge(HANDSHAKE_BYTES)
            client = await tls.client(verify=verify_certificate)
            await socket.begin_tls(client, name, verified=verify_certificate)

    @offer(interface, needs=_USED, wit=_TYPES["get-tls-info"])
    def get_tls_info(call: Call, socket: TcpSocket) -> dict[str, object]:
        permits.use(call, socket)
        if socket.agreed is None or not isinstance(socket.raw, ssl.SSLSocket):
            raise failure("invalid-argument", "the connection does not speak TLS")
        return socket.agreed.told(socket.raw)

    # Pools.

    @offer(
        interface,
        needs=Inside(("network.outbound",), "any grant of it"),
        wit=_TYPES["create-pool"],
    )
    def create_pool(
        call: Call, max_connections: int, connect_timeout_ms: int
    ) -> ConnectionPool:
        permits.require_any(call, "open a connection pool", ("outbound",))
        if not 1 <= max_connections <= LARGEST_POOL:
            words = f"max-connections is 1 to {LARGEST_POOL}"
            raise failure("invalid-argument", words)
        give_back = hold_handle(permits.gate, call, "open another connection pool")
        return ConnectionPool(max_connections, connect_timeout_ms, give_back)

    @offer(
        interface,
        needs=_CONNECTING,
        wit=_TYPES["[method]connection-pool.pool-acquire"],
        name="[method]connection-pool.pool-acquire",
    )
    async def pool_acquire(
        call: Call, pool: ConnectionPool, endpoint: Variant
    ) -> TcpSocket:
        target = permits.target(call, endpoint)
        try:
            permits.require_target(call, target)
        except WitError:
            pool.abandon(target)
            raise
        pool.check_open()
        kept = pool.reuse(target)
        if kept is not None:
            try:
                permits.use(call, kept)
            except BaseException:
                kept.close()
                raise
            return kept
        pool.make_room()
        socket = open_tcp(permits, call, "ipv4")
        try:
            socket.options = evolve(
                socket.options, connect_timeout=pool.connect_timeout
            )
            await dial(permits, call, socket, target, any_family=True)
        except BaseException:
            socket.close()
            raise
        pool.lend(socket, target)
        return socket

    @offer(
        interface,
        needs=_CLOSING,
        wit=_TYPES["[method]connection-pool.pool-release"],
        name="[method]connection-pool.pool-release",
    )
    def pool_release(_: Call, pool: ConnectionPool, connection: TcpSocket) -> None:
        pool.take_back(connection)

    @offer(
        interface,
        needs=_CLOSING,
        wit=_TYPES["[method]connection-pool.close-pool"],
        name="[method]connection-pool.close-pool",
    )
    def close_pool(_: Call, pool: ConnectionPool) -> None:
        pool.close()

    return interface
