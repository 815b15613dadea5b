"""Let guests bind, listen, send and receive: ``airssys:ext-network/socket``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import anyio
from attrs import asdict

from ...core.errors import WitError
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, hold, offer
from ...hostcalls.interface import HostInterface
from ...witmodel.signatures import SIGNATURES
from ...witmodel.types import Variant
from .addresses import Family, Peer, peer_of, peer_value
from .errors import failure, told
from .options import SocketOptions
from .owned import Kind, OwnedSocket, opened
from .permits import Permits
from .shares import LARGEST_PIECE, Share, hold_handle
from .tcp import How, TcpSocket
from .udp import UdpSocket

__all__ = ("SOCKET", "open_tcp", "sockets")

_F = TypeVar("_F", bound=Callable[..., object])

SOCKET: Final = "airssys:ext-network/socket@1.0.0"
_TYPES: Final = SIGNATURES[SOCKET]
_LONGEST_QUEUE: Final = 128
"""Connections that wait to be accepted."""
_LARGEST_RECEIVED: Final = 2**20
_BOTH: Final = ("network.outbound", "network.inbound")
_USED: Final = Inside(_BOTH, "the one the socket was connected, bound or accepted with")
_CLOSING: Final = Free("gives up what the caller has")


def open_tcp(permits: Permits, call: Call, family: Family) -> TcpSocket:
    """Open a socket for a guest.

    Raises:
        WitError: The caller or the system has too many.
    """
    options = SocketOptions(reuse_address=True, tcp_no_delay=True)
    return TcpSocket(*_opened(permits, call, family, "tcp-stream", options), options)


def _opened(
    permits: Permits, call: Call, family: Family, kind: Kind, options: SocketOptions
) -> tuple[Any, Family, Callable[[], object]]:
    give_back = hold_handle(permits.gate, call, "open another socket")
    try:
        with told("opening a socket"):
            raw = opened(family, kind, options)
    except BaseException:
        give_back()
        raise
    return raw, family, give_back


def sockets(permits: Permits) -> HostInterface:
    """Return the interface for all components of a system.

    Args:
        permits: The rules.
    """
    interface = HostInterface(SOCKET)
    hold(interface, "tcp-socket", TcpSocket, drop=TcpSocket.close)
    hold(interface, "udp-socket", UdpSocket, drop=UdpSocket.close)

    def share(call: Call, socket: OwnedSocket) -> Share:
        return Share(permits.gate, call, waits=not socket.options.non_blocking)

    def reading(socket: OwnedSocket) -> float:
        return permits.seconds(socket.options.read_timeout)

    def writing(socket: OwnedSocket) -> float:
        return permits.seconds(socket.options.write_timeout)

    def method(name: str, needs: Inside | Free) -> Callable[[_F], _F]:
        full = f"[method]{name}"
        return offer(interface, needs=needs, wit=_TYPES[full], name=full)

    @offer(
        interface,
        needs=Inside(_BOTH, "any grant of one of them"),
        wit=_TYPES["create-socket"],
    )
    def create_socket(
        call: Call, family: Family, socket_type: Kind, protocol: str
    ) -> Variant:
        permits.require_any(call, "open a socket", ("outbound", "inbound"))
        if protocol != socket_type[:3]:
            words = f"{protocol} is not the protocol of a {socket_type}"
            raise failure("invalid-argument", words)
        if socket_type == "tcp-stream":
            return Variant("tcp", open_tcp(permits, call, family))
        options = SocketOptions()
        parts = _opened(permits, call, family, socket_type, options)
        return Variant("udp", UdpSocket(*parts, options))

    # Both kinds.

    def close_socket(_: Call, socket: OwnedSocket) -> None:
        socket.close()

    def get_socket_options(call: Call, socket: OwnedSocket) -> dict[str, object]:
        permits.use(call, socket)
        with told("reading options"):
            found = asdict(socket.options.actual(socket.raw))
        return {name.replace("_", "-"): value for name, value in found.items()}

    def set_socket_options(call: Call, socket: OwnedSocket, options: Any) -> None:
        permits.use(call, socket)
        wanted = SocketOptions.of(options)
        with told("setting options"):
            wanted.apply(socket.raw)
        socket.options = wanted

    def get_local_address(call: Call, socket: OwnedSocket) -> dict[str, object]:
        permits.use(call, socket)
        with told("telling the local address"):
            return _known(socket.local, "the socket has no local address yet")

    def get_remote_address(call: Call, socket: OwnedSocket) -> dict[str, object]:
        permits.use(call, socket)
        return _known(socket.remote, "the socket is not connected")

    for kind in ("tcp-socket", "udp-socket"):
        method(f"{kind}.close-socket", _CLOSING)(close_socket)
        method(f"{kind}.get-socket-options", _USED)(get_socket_options)
        method(f"{kind}.set-socket-options", _USED)(set_socket_options)
        method(f"{kind}.get-local-address", _USED)(get_local_address)
        method(f"{kind}.get-remote-address", _USED)(get_remote_address)

    # TCP.

    @method(
        "tcp-socket.bind",
        Inside(_BOTH, "inbound for the port; either one for port 0"),
    )
    def bind(call: Call, socket: TcpSocket, address: Any) -> None:
        permits.use(call, socket)
        peer = peer_of(address)
        need = None
        if peer.port:
            need = permits.require_port(call, peer.port, peer.port)
        if socket.state != "created" or socket.bound_to is not None:
            raise failure("invalid-argument", "the socket has an address already")
        with told(f"binding to {peer}"):
            socket.bind(peer, need)
        socket.bound_to = peer

    @method("tcp-socket.listen", Inside(("network.inbound",), "for the port"))
    def listen(call: Call, socket: TcpSocket, backlog: int) -> None:
        permits.use(call, socket)
        bound = socket.bound_to
        # Asked for first, so that who may not listen learns nothing of the socket.
        local = socket.local if bound is not None else None
        asked = 0 if bound is None else bound.port
        need = permits.require_port(call, asked, 0 if local is None else local.port)
        if bound is None or socket.state != "created":
            words = f"the socket is {'not bound' if bound is None else socket.state}"
            raise failure("invalid-argument", words)
        with told(f"listening on {local}"):
            socket.listen(min(max(backlog, 1), _LONGEST_QUEUE))
        socket.need = need

    @method("tcp-socket.accept", Inside(("network.inbound",), "for the port"))
    async def accept(call: Call, socket: TcpSocket) -> TcpSocket:
        permits.use(call, socket)
        if socket.state != "listening":
            raise failure("invalid-argument", f"the socket is {socket.state}")
        give_back = hold_handle(permits.gate, call, "accept another connection")
        try:
            with told("accepting"), anyio.fail_after(reading(socket)):
                return await socket.accept(give_back)
        except BaseException:
            give_back()
            raise

    @method("tcp-socket.send", _USED)
    async def send(call: Call, socket: TcpSocket, data: bytes) -> dict[str, int]:
        permits.use(call, socket)
        socket.check_stream()
        if not data:
            return {"bytes-sent": 0}
        with _until(socket, "sending", writing(socket)):
            return {"bytes-sent": await socket.send(share(call, socket), data)}

    @method("tcp-socket.send-all", _USED)
    async def send_all(call: Call, socket: TcpSocket, data: bytes) -> None:
        permits.use(call, socket)
        socket.check_stream()
        with _until(socket, "sending", writing(socket)):
            await socket.send_all(share(call, socket), data)

    @method("tcp-socket.receive", _USED)
    async def receive(
        call: Call, socket: TcpSocket, max_bytes: int
    ) -> dict[str, object]:
        permits.use(call, socket)
        socket.check_stream()
        most = _at_most(max_bytes, None)
        with _until(socket, "receiving", reading(socket)):
            return _received(await socket.receive(share(call, socket), most))

    @method("tcp-socket.receive-all", _USED)
    async def receive_all(
        call: Call, socket: TcpSocket, max_bytes: int
    ) -> dict[str, object]:
        permits.use(call, socket)
        socket.check_stream()
        most = _at_most(max_bytes, _LARGEST_RECEIVED)
        with _until(socket, "receiving", reading(socket)):
            return _received(await socket.receive_all(share(call, socket), most))

    @method("tcp-socket.shutdown", _CLOSING)
    def shutdown(_: Call, socket: TcpSocket, how: How) -> None:
        if socket.closed or socket.state not in {"connected", "closing"}:
            raise failure("invalid-argument", f"the socket is {socket.state}")
        with told("shutting down"):
            socket.shutdown(how)

    # UDP.

    @method("udp-socket.bind", Inside(("network.inbound",), "for the port"))
    def bind_udp(call: Call, socket: UdpSocket, address: Any) -> None:
        permits.use(call, socket)
        peer = peer_of(address)
        need = permits.require_port(call, peer.port, peer.port)
        if socket.bound or socket.used or socket.peer:
            raise failure("invalid-argument", "the socket has an address already")
        with told(f"binding to {peer}"):
            socket.bind(peer, need)
        socket.bound = True

    @method(
        "udp-socket.connect",
        Inside(
            ("network.outbound", "network.resolve"),
            "for the name, or for the address; both where only looking up is granted",
        ),
    )
    async def connect_udp(call: Call, socket: UdpSocket, endpoint: Variant) -> None:
        target = permits.target(call, endpoint)
        limit = permits.seconds(socket.options.connect_timeout)
        with told(f"connecting to {target}"), anyio.fail_after(limit):
            ways = await permits.ways(call, target, socket.family)
            if socket.closed:
                raise failure("invalid-argument", "the socket is closed")
            socket.choose(ways[0])

    @method("udp-socket.send", _USED)
    async def send_udp(call: Call, socket: UdpSocket, data: bytes) -> dict[str, int]:
        permits.use(call, socket)
        if socket.peer is None:
            raise failure("invalid-argument", "no peer was chosen: connect, or send-to")
        with told("sending"), anyio.fail_after(writing(socket)):
            return {"bytes-sent": await socket.send(share(call, socket), data, None)}

    @method("udp-socket.send-to", Inside(("network.outbound",), "for the address"))
    async def send_to(
        call: Call, socket: UdpSocket, data: bytes, address: Any
    ) -> dict[str, int]:
        peer = peer_of(address)
        permits.require(call, peer.outbound)
        if socket.closed:
            raise failure("invalid-argument", "the socket is closed")
        if not peer.port:
            raise failure("invalid-port", "0 is no port to send to")
        with told(f"sending to {peer}"), anyio.fail_after(writing(socket)):
            return {"bytes-sent": await socket.send(share(call, socket), data, peer)}

    @method("udp-socket.receive", _USED)
    async def receive_udp(
        call: Call, socket: UdpSocket, max_bytes: int
    ) -> dict[str, object]:
        permits.use(call, socket)
        if socket.peer is None:
            words = "no peer was chosen: connect, or receive-from"
            raise failure("invalid-argument", words)
        most = _at_most(max_bytes, LARGEST_PIECE)
        with told("receiving"), anyio.fail_after(reading(socket)):
            got = await socket.receive(
                share(call, socket), most, lambda sender: sender == socket.peer
            )
        return _received(*got)

    @method(
        "udp-socket.receive-from",
        Inside(
            _BOTH,
            "inbound for the port that was bound; else outbound for the chosen peer, "
            "or for each sender",
        ),
    )
    async def receive_from(
        call: Call, socket: UdpSocket, max_bytes: int
    ) -> dict[str, object]:
        permits.use(call, socket)
        most = _at_most(max_bytes, LARGEST_PIECE)

        def wanted(sender: Peer) -> bool:
            if socket.peer is not None:
                return sender == socket.peer
            return socket.bound or permits.gate.judge(call, sender.outbound) is None

        with told("receiving"), anyio.fail_after(reading(socket)):
            got = await socket.receive(share(call, socket), most, wanted)
        return _received(*got)

    return interface


@contextmanager
def _until(socket: TcpSocket, doing: str, timeout: float) -> Iterator[None]:
    """Bound a wait by the timeout and by the connection's idle limit.

    With TLS a record that went out in part can only be gone on with, so what times out
    in the middle of sending ends the connection.
    """
    idle = socket.idle_left()
    try:
        with told(doing), anyio.fail_after(min(timeout, idle)):
            yield
    except WitError as error:
        late = isinstance(error.value, Variant) and (
            error.value.case == "connection-timeout"
        )
        if late and (idle <= timeout or (socket.agreed and doing == "sending")):
            socket.close()
        raise


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
