"""Let guests bind, listen, send and receive: ``airssys:ext-network/socket``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, ClassVar, Final

import anyio
from attrs import asdict, define, field

from ...core.errors import WitError
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, interface_of, operation
from ...hostcalls.interface import HostInterface, HostResource
from ...witmodel.types import Variant
from ..handles import hold_handle
from .addresses import Family, Peer, peer_of, peer_value
from .errors import failure
from .opening import open_tcp, open_udp
from .options import SocketOptions
from .owned import Kind, OwnedSocket
from .permits import Permits
from .ports import Ports
from .shares import LARGEST_PIECE, Share
from .tcp import How, TcpSocket
from .udp import UdpSocket

__all__ = ("SOCKET", "SocketOperations", "sockets")

SOCKET: Final = "airssys:ext-network/socket@1.0.0"
_LONGEST_QUEUE: Final = 128
"""Connections that wait to be accepted."""
_LARGEST_RECEIVED: Final = 2**20
_BOTH: Final = ("network.outbound", "network.inbound")
_USED: Final = Inside(_BOTH, "the one the socket was connected, bound or accepted with")
_CLOSING: Final = Free("gives up what the caller has")


def sockets(permits: Permits) -> HostInterface:
    """Return the interface for all components of a system.

    Args:
        permits: The rules.
    """
    return interface_of(
        SocketOperations(permits),
        resources=(
            HostResource("tcp-socket", TcpSocket, TcpSocket.close),
            HostResource("udp-socket", UdpSocket, UdpSocket.close),
        ),
    )


@define(eq=False)
class SocketOperations:
    """The operations of ``airssys:ext-network/socket``."""

    interface: ClassVar[str] = SOCKET
    permits: Permits
    ports: Ports = field(factory=Ports, init=False)

    @operation(needs=Inside(_BOTH, "any grant of one of them"))
    def create_socket(
        self, call: Call, family: Family, socket_type: Kind, protocol: str
    ) -> Variant:
        self.permits.require_any(call, "open a socket", ("outbound", "inbound"))
        if protocol != socket_type[:3]:
            words = f"{protocol} is not the protocol of a {socket_type}"
            raise failure("invalid-argument", words)
        match socket_type:
            case "tcp-stream":
                return Variant("tcp", open_tcp(self.permits, call, family))
            case "udp-datagram":
                return Variant("udp", open_udp(self.permits, call, family))

    # Both kinds.

    @operation(
        "[method]tcp-socket.close-socket",
        "[method]udp-socket.close-socket",
        needs=_CLOSING,
    )
    def close_socket(self, _: Call, socket: OwnedSocket) -> None:
        socket.close()

    @operation(
        "[method]tcp-socket.get-socket-options",
        "[method]udp-socket.get-socket-options",
        needs=_USED,
    )
    def get_socket_options(self, call: Call, socket: OwnedSocket) -> dict[str, object]:
        self.permits.use(call, socket)
        with self.permits.errors(call, "reading options"):
            found = asdict(socket.options.actual(socket.raw))
        return {name.replace("_", "-"): value for name, value in found.items()}

    @operation(
        "[method]tcp-socket.set-socket-options",
        "[method]udp-socket.set-socket-options",
        needs=_USED,
    )
    def set_socket_options(self, call: Call, socket: OwnedSocket, options: Any) -> None:
        self.permits.use(call, socket)
        wanted = SocketOptions.of(options)
        with self.permits.errors(call, "setting options"):
            wanted.apply(socket.raw)
        socket.options = wanted

    @operation(
        "[method]tcp-socket.get-local-address",
        "[method]udp-socket.get-local-address",
        needs=_USED,
    )
    def get_local_address(self, call: Call, socket: OwnedSocket) -> dict[str, object]:
        self.permits.use(call, socket)
        with self.permits.errors(call, "telling the local address"):
            return _known(socket.local, "the socket has no local address yet")

    @operation(
        "[method]tcp-socket.get-remote-address",
        "[method]udp-socket.get-remote-address",
        needs=_USED,
    )
    def get_remote_address(self, call: Call, socket: OwnedSocket) -> dict[str, object]:
        self.permits.use(call, socket)
        return _known(socket.remote, "the socket is not connected")

    # TCP.

    @operation(
        "[method]tcp-socket.bind",
        needs=Inside(_BOTH, "inbound for the port; either one for port 0"),
    )
    def bind(self, call: Call, socket: TcpSocket, address: Any) -> None:
        self.permits.use(call, socket)
        peer = peer_of(address)
        need = None
        if peer.port:
            need = self.permits.require_port(call, peer.port, peer.port)
        if socket.state != "created" or socket.bound_to is not None:
            raise failure("invalid-argument", "the socket has an address already")
        with self.permits.errors(call, f"binding to {peer}"):
            self.ports.bind(call, socket, peer, need)
        socket.bound_to = peer

    @operation(
        "[method]tcp-socket.listen", needs=Inside(("network.inbound",), "for the port")
    )
    def listen(self, call: Call, socket: TcpSocket, backlog: int) -> None:
        self.permits.use(call, socket)
        bound = socket.bound_to
        # Asked for first, so that who may not listen learns nothing of the socket.
        local = socket.local if bound is not None else None
        asked = 0 if bound is None else bound.port
        need = self.permits.require_port(
            call, asked, 0 if local is None else local.port
        )
        if bound is None or socket.state != "created":
            words = f"the socket is {'not bound' if bound is None else socket.state}"
            raise failure("invalid-argument", words)
        with self.permits.errors(call, f"listening on {local}"):
            self.ports.listen(call, socket, min(max(backlog, 1), _LONGEST_QUEUE))
        socket.need = need

    @operation(
        "[method]tcp-socket.accept", needs=Inside(("network.inbound",), "for the port")
    )
    async def accept(self, call: Call, socket: TcpSocket) -> TcpSocket:
        self.permits.use(call, socket)
        if socket.state != "listening":
            raise failure("invalid-argument", f"the socket is {socket.state}")
        give_back = hold_handle(self.permits.gate, call, "accept another connection")
        try:
            with (
                self.permits.errors(call, "accepting"),
                anyio.fail_after(self._reading(socket)),
            ):
                again = self.permits.again(call, socket)
                return await socket.accept(give_back, again)
        except BaseException:
            give_back()
            raise

    @operation("[method]tcp-socket.send", needs=_USED)
    async def send(self, call: Call, socket: TcpSocket, data: bytes) -> dict[str, int]:
        self.permits.use(call, socket)
        socket.check_stream()
        if not data:
            return {"bytes-sent": 0}
        with self._until(call, socket, "sending", self._writing(socket)):
            return {"bytes-sent": await socket.send(self._share(call, socket), data)}

    @operation("[method]tcp-socket.send-all", needs=_USED)
    async def send_all(self, call: Call, socket: TcpSocket, data: bytes) -> None:
        self.permits.use(call, socket)
        socket.check_stream()
        with self._until(call, socket, "sending", self._writing(socket)):
            await socket.send_all(self._share(call, socket), data)

    @operation("[method]tcp-socket.receive", needs=_USED)
    async def receive(
        self, call: Call, socket: TcpSocket, max_bytes: int
    ) -> dict[str, object]:
        self.permits.use(call, socket)
        socket.check_stream()
        most = _at_most(max_bytes, None)
        with self._until(call, socket, "receiving", self._reading(socket)):
            return _received(await socket.receive(self._share(call, socket), most))

    @operation("[method]tcp-socket.receive-all", needs=_USED)
    async def receive_all(
        self, call: Call, socket: TcpSocket, max_bytes: int
    ) -> dict[str, object]:
        self.permits.use(call, socket)
        socket.check_stream()
        most = _at_most(max_bytes, _LARGEST_RECEIVED)
        with self._until(call, socket, "receiving", self._reading(socket)):
            return _received(await socket.receive_all(self._share(call, socket), most))

    @operation("[method]tcp-socket.shutdown", needs=_CLOSING)
    def shutdown(self, call: Call, socket: TcpSocket, how: How) -> None:
        if socket.closed or socket.state not in {"connected", "closing"}:
            raise failure("invalid-argument", f"the socket is {socket.state}")
        with self.permits.errors(call, "shutting down"):
            socket.shutdown(how)

    # UDP.

    @operation(
        "[method]udp-socket.bind", needs=Inside(("network.inbound",), "for the port")
    )
    def bind_udp(self, call: Call, socket: UdpSocket, address: Any) -> None:
        self.permits.use(call, socket)
        peer = peer_of(address)
        need = self.permits.require_port(call, peer.port, peer.port)
        if socket.bound or socket.used or socket.peer:
            raise failure("invalid-argument", "the socket has an address already")
        with self.permits.errors(call, f"binding to {peer}"):
            self.ports.bind(call, socket, peer, need)
        socket.bound = True

    @operation(
        "[method]udp-socket.connect",
        needs=Inside(
            ("network.outbound", "network.resolve"),
            "for the name, or for the address; both where only looking up is granted",
        ),
    )
    async def connect_udp(
        self, call: Call, socket: UdpSocket, endpoint: Variant
    ) -> None:
        target = self.permits.target(call, endpoint)
        limit = self.permits.seconds(socket.options.connect_timeout)
        with (
            self.permits.errors(call, f"connecting to {target}"),
            anyio.fail_after(limit),
        ):
            ways = await self.permits.ways(call, target, socket.family)
            if socket.closed:
                raise failure("invalid-argument", "the socket is closed")
            self.permits.still(call, ways[0].need, str(target))
            socket.choose(ways[0])

    @operation("[method]udp-socket.send", needs=_USED)
    async def send_udp(
        self, call: Call, socket: UdpSocket, data: bytes
    ) -> dict[str, int]:
        self.permits.use(call, socket)
        if socket.peer is None:
            raise failure("invalid-argument", "no peer was chosen: connect, or send-to")
        with (
            self.permits.errors(call, "sending"),
            anyio.fail_after(self._writing(socket)),
        ):
            return {
                "bytes-sent": await socket.send(self._share(call, socket), data, None)
            }

    @operation(
        "[method]udp-socket.send-to",
        needs=Inside(("network.outbound",), "for the address"),
    )
    async def send_to(
        self, call: Call, socket: UdpSocket, data: bytes, address: Any
    ) -> dict[str, int]:
        peer = peer_of(address)
        self.permits.require(call, peer.outbound)
        if socket.closed:
            raise failure("invalid-argument", "the socket is closed")
        if not peer.port:
            raise failure("invalid-port", "0 is no port to send to")
        again = partial(self.permits.still, call, peer.outbound)
        share = Share(self.permits.gate, call, again, not socket.options.non_blocking)
        with (
            self.permits.errors(call, f"sending to {peer}"),
            anyio.fail_after(self._writing(socket)),
        ):
            return {"bytes-sent": await socket.send(share, data, peer)}

    @operation("[method]udp-socket.receive", needs=_USED)
    async def receive_udp(
        self, call: Call, socket: UdpSocket, max_bytes: int
    ) -> dict[str, object]:
        self.permits.use(call, socket)
        if socket.peer is None:
            words = "no peer was chosen: connect, or receive-from"
            raise failure("invalid-argument", words)
        most = _at_most(max_bytes, LARGEST_PIECE)
        with (
            self.permits.errors(call, "receiving"),
            anyio.fail_after(self._reading(socket)),
        ):
            got = await socket.receive(
                self._share(call, socket), most, lambda sender: sender == socket.peer
            )
        return _received(*got)

    @operation(
        "[method]udp-socket.receive-from",
        needs=Inside(
            _BOTH,
            "inbound for the port that was bound; else outbound for the chosen peer, "
            "or for each sender",
        ),
    )
    async def receive_from(
        self, call: Call, socket: UdpSocket, max_bytes: int
    ) -> dict[str, object]:
        self.permits.use(call, socket)
        most = _at_most(max_bytes, LARGEST_PIECE)

        def wanted(sender: Peer) -> bool:
            if socket.peer is not None:
                return sender == socket.peer
            return (
                socket.bound or self.permits.gate.judge(call, sender.outbound) is None
            )

        with (
            self.permits.errors(call, "receiving"),
            anyio.fail_after(self._reading(socket)),
        ):
            got = await socket.receive(self._share(call, socket), most, wanted)
        return _received(*got)

    # How long, and how much.

    def _share(self, call: Call, socket: OwnedSocket) -> Share:
        again = self.permits.again(call, socket)
        waits = not socket.options.non_blocking
        return Share(self.permits.gate, call, again, waits)

    @contextmanager
    def _until(
        self, call: Call, socket: TcpSocket, doing: str, timeout: float
    ) -> Iterator[None]:
        """Bound a wait by the timeout and by the connection's idle limit.

        With TLS a record that went out in part can only be gone on with, so what times
        out in the middle of sending ends the connection.
        """
        idle = socket.idle_left()
        try:
            with self.permits.errors(call, doing), anyio.fail_after(min(timeout, idle)):
                yield
        except WitError as error:
            late = isinstance(error.value, Variant) and (
                error.value.case == "connection-timeout"
            )
            if late and (idle <= timeout or (socket.agreed and doing == "sending")):
                socket.close()
            raise

    def _reading(self, socket: OwnedSocket) -> float:
        return self.permits.seconds(socket.options.read_timeout)

    def _writing(self, socket: OwnedSocket) -> float:
        return self.permits.seconds(socket.options.write_timeout)


def _known(peer: Peer | None, otherwise: str) -> dict[str, object]:
    if peer is None:
        raise failure("invalid-argument", otherwise)
    return peer_value(peer)


def _at_most(asked: int, most: int | None) -> int:
    if asked < 1 or (most is not None and asked > most):
        upper = "" if most is None else f" to {most:_}"
        raise failure("invalid-argument", f"max-bytes is 1{upper}, not {asked:_}")
    return asked


def _received(got: bytes, sender: Peer | None = None) -> dict[str, object]:
    return {
        "data": got,
        "bytes-received": len(got),
        "sender-address": None if sender is None else peer_value(sender),
    }
