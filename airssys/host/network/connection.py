"""Let guests look up names, connect, speak TLS and keep connections.

This is ``airssys:ext-network/connection``.
"""

from __future__ import annotations

import ssl
from functools import partial
from typing import ClassVar, Final

import anyio
from attrs import define, evolve

from ...core.errors import WitError
from ...core.grants.capabilities import Network
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, Requires, interface_of, operation
from ...hostcalls.interface import HostInterface, HostResource
from ...witmodel.types import Variant
from ..errors import permission_denied
from ..handles import hold_handle
from .addresses import (
    address_of,
    address_value,
    normal_name,
)
from .dial import connect as dial
from .dial import connect_again
from .errors import failure
from .opening import open_tcp
from .options import KEEP_ALIVE_LONGEST
from .owned import Kind
from .permits import Permits
from .pool import LARGEST_POOL, ConnectionPool
from .resolve import Answer
from .shares import Share
from .tcp import TcpSocket
from .tls import HANDSHAKE_BYTES, Tls

__all__ = ("CONNECTION", "ConnectionOperations", "connections")

CONNECTION: Final = "airssys:ext-network/connection@1.0.0"
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
    return interface_of(
        ConnectionOperations(permits, tls),
        denied=permission_denied,
        resources=(
            HostResource("connection-pool", ConnectionPool, ConnectionPool.close),
        ),
    )


@define(eq=False)
class ConnectionOperations:
    """The operations of ``airssys:ext-network/connection``."""

    interface: ClassVar[str] = CONNECTION
    permits: Permits
    tls: Tls

    # Names.

    @operation(needs=_RESOLVING)
    async def resolve_hostname(self, call: Call, name: str) -> dict[str, object]:
        asked, answer = await self._look_up(call, name)
        return {
            "hostname": asked,
            "addresses": [address_value(each) for each in answer.addresses],
            "ttl": answer.ttl,
        }

    @operation(needs=_RESOLVING)
    async def resolve_hostname_single(
        self, call: Call, name: str, port: int, socket_type: Kind
    ) -> dict[str, object]:
        _, answer = await self._look_up(call, name)
        return {
            "address": address_value(answer.addresses[0]),
            "port": port,
            "socket-type": socket_type,
            "protocol": socket_type[:3],
        }

    async def _look_up(self, call: Call, name: str) -> tuple[str, Answer]:
        """Look a name up, and return its normal form beside the answer."""
        asked = self.permits.name(call, name)
        self.permits.require(call, Network("resolve", asked))
        with self.permits.errors(call, f"looking up {asked}"):
            answer = await self.permits.lookup(call, asked)
        self.permits.still(call, Network("resolve", asked))
        return asked, answer

    @operation(
        needs=Requires("network.resolve", lambda address: str(address_of(address)))
    )
    async def reverse_lookup(self, call: Call, address: Variant) -> str:
        asked = address_of(address)
        with self.permits.errors(call, f"looking up {asked}"):
            with anyio.fail_after(self.permits.longest):
                found = await self.permits.resolver.reverse(asked, asker=call.who)
            try:
                return normal_name(found)
            except ValueError as error:
                words = f"what {asked} is called is no host name"
                raise failure("dns-resolution-failed", words) from error

    # Connections.

    @operation(needs=_CONNECTING)
    async def connect(self, call: Call, socket: TcpSocket, endpoint: Variant) -> None:
        await dial(self.permits, call, socket, self.permits.target(call, endpoint))

    @operation(needs=_CONNECTING)
    async def connect_with_retry(
        self,
        call: Call,
        socket: TcpSocket,
        endpoint: Variant,
        max_retries: int,
        retry_delay_ms: int,
    ) -> None:
        delay = retry_delay_ms / 1000
        await connect_again(self.permits, call, socket, endpoint, max_retries, delay)

    @operation(needs=_USED)
    def get_connection_info(self, call: Call, socket: TcpSocket) -> dict[str, object]:
        self.permits.hold_to(call, socket)
        with self.permits.errors(call, "telling of a connection"):
            return socket.to_record()

    @operation(needs=_USED)
    def is_connected(self, call: Call, socket: TcpSocket) -> bool:
        self.permits.hold_to(call, socket)
        return not socket.closed and socket.alive()

    @operation(needs=_USED)
    def get_connection_stats(self, call: Call, socket: TcpSocket) -> dict[str, object]:
        self.permits.use(call, socket)
        socket.check_stream()
        return socket.statistics()

    @operation(needs=_USED)
    def set_idle_timeout(
        self, call: Call, socket: TcpSocket, timeout_seconds: int
    ) -> None:
        self.permits.use(call, socket)
        socket.check_stream()
        socket.idle_limit = float(timeout_seconds) or None

    @operation(needs=_USED)
    def enable_keep_alive(
        self, call: Call, socket: TcpSocket, interval_seconds: int
    ) -> None:
        self.permits.use(call, socket)
        if not 1 <= interval_seconds <= KEEP_ALIVE_LONGEST:
            words = f"interval-seconds is 1 to {KEEP_ALIVE_LONGEST}"
            raise failure("invalid-argument", words)
        wanted = evolve(
            socket.options, tcp_keep_alive=True, keep_alive_interval=interval_seconds
        )
        with self.permits.errors(call, "setting options"):
            wanted.apply(socket.raw)
        socket.options = wanted

    # TLS.

    @operation(
        needs=Inside(
            ("network.outbound",),
            "for the hostname and the port, where it is not what was connected to",
        )
    )
    async def upgrade_to_tls(
        self,
        call: Call,
        socket: TcpSocket,
        hostname: str,
        verify_certificate: bool,  # noqa: FBT001 - WIT knows no keywords
    ) -> None:
        name = self._tls_name(call, socket, hostname, verify=verify_certificate)
        if socket.agreed is not None and (
            socket.agreed.hostname == name
            and socket.agreed.verified >= verify_certificate
        ):
            return
        if socket.state != "connected" or socket.agreed is not None:
            how = socket.state if socket.agreed is None else "using TLS already"
            raise failure("invalid-argument", f"the socket is {how}")
        limit = self.permits.seconds(socket.options.connect_timeout)
        with (
            self.permits.errors(call, f"agreeing on TLS with {name}"),
            anyio.fail_after(limit),
        ):
            again = partial(self._tls_again, call, socket, name)
            share = Share(self.permits.gate, call, again)
            await share.pay()
            share.charge(HANDSHAKE_BYTES)
            client = await self.tls.client(verify=verify_certificate)
            again()
            await socket.begin_tls(client, name, again, verified=verify_certificate)
            again()

    def _tls_again(self, call: Call, socket: TcpSocket, name: str) -> None:
        """Let a handshake go on that may still be made."""
        self.permits.again(call, socket)()
        remote = socket.remote
        if name != socket.name and remote is not None:
            target = self.permits.target(call, Variant("name", (name, remote.port)))
            self.permits.still(call, target.outbound)

    def _tls_name(
        self, call: Call, socket: TcpSocket, hostname: str, *, verify: bool
    ) -> str:
        """Return the name to agree on TLS with, once it is known to be granted."""
        self.permits.use(call, socket)
        remote = socket.remote
        if remote is None:
            raise failure("invalid-argument", f"the socket is {socket.state}")
        target = self.permits.target(call, Variant("name", (hostname, remote.port)))
        name = target.host
        if name != socket.name:
            self.permits.require(call, target.outbound)
        if not verify and not self.tls.unverified:
            needed = f"speak TLS with {name!r} without a check of its certificate"
            reason = "the host does not allow it"
            self.permits.gate.refused(call, needed, reason)
            raise failure("permission-denied", f"may not {needed}: {reason}")
        return name

    @operation(needs=_USED)
    def get_tls_info(self, call: Call, socket: TcpSocket) -> dict[str, object]:
        self.permits.use(call, socket)
        if socket.agreed is None or not isinstance(socket.raw, ssl.SSLSocket):
            raise failure("invalid-argument", "the connection does not speak TLS")
        return socket.agreed.to_record(socket.raw)

    # Pools.

    @operation(needs=Inside(("network.outbound",), "any grant of it"))
    def create_pool(
        self, call: Call, max_connections: int, connect_timeout_ms: int
    ) -> ConnectionPool:
        self.permits.require_any(call, "open a connection pool", ("outbound",))
        if not 1 <= max_connections <= LARGEST_POOL:
            words = f"max-connections is 1 to {LARGEST_POOL}"
            raise failure("invalid-argument", words)
        give_back = hold_handle(self.permits.gate, call, "open another connection pool")
        return ConnectionPool(max_connections, connect_timeout_ms, give_back)

    @operation("[method]connection-pool.pool-acquire", needs=_CONNECTING)
    async def pool_acquire(
        self, call: Call, pool: ConnectionPool, endpoint: Variant
    ) -> TcpSocket:
        target = self.permits.target(call, endpoint)
        try:
            self.permits.require_target(call, target)
        except WitError:
            pool.abandon(target)
            raise
        pool.check_open()
        kept = pool.reuse(target)
        if kept is not None:
            try:
                self.permits.use(call, kept)
            except BaseException:
                kept.close()
                raise
            return kept
        pool.make_room()
        socket = open_tcp(self.permits, call, "ipv4")
        try:
            socket.options = evolve(
                socket.options, connect_timeout=pool.connect_timeout
            )
            await dial(self.permits, call, socket, target, any_family=True)
        except BaseException:
            socket.close()
            raise
        pool.lend(socket, target)
        return socket

    @operation("[method]connection-pool.pool-release", needs=_CLOSING)
    def pool_release(
        self, _: Call, pool: ConnectionPool, connection: TcpSocket
    ) -> None:
        pool.take_back(connection)

    @operation("[method]connection-pool.close-pool", needs=_CLOSING)
    def close_pool(self, _: Call, pool: ConnectionPool) -> None:
        pool.close()
