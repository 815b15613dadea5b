"""Let guests send and receive datagrams: ``wasi:sockets/udp``, and its creation."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Final

from attrs import define, field

from ...core.grants.capabilities import Network as Capability
from ...host.network.addresses import Family
from ...host.network.opening import open_udp
from ...host.network.ports import Ports
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, operation
from ...witmodel.types import Variant
from ..outside import Outside
from ..polling import Pollable, Source, on
from .addresses import local_of, remote_of, socket_address
from .datagrams import IncomingDatagrams, OutgoingDatagrams, UdpEnd
from .errors import as_error_codes, refuse
from .network import Network
from .opening import opened
from .options import HOP_LIMIT, RECEIVE_BUFFER_SIZE, SEND_BUFFER_SIZE, Setting
from .phases import after

__all__ = ("UdpCreation", "UdpOperations")

_BOTH: Final = ("network.outbound", "network.inbound")
_USED: Final = Inside(
    _BOTH, "the one the socket was bound with, or its peer was chosen; none before"
)
_SENDING: Final = Inside(
    ("network.outbound",),
    "for the address, or for a name whose look-up has led the guest there",
)
_ANY_PORT: Final = Capability("inbound", "0")


class UdpCreation:
    """The operations of ``wasi:sockets/udp-create-socket``."""

    interface: ClassVar[str] = "wasi:sockets/udp-create-socket@0.2.12"

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    @operation(needs=Free("it reaches nothing before it is bound"))
    def create_udp_socket(self, call: Call, address_family: Family) -> UdpEnd:
        return UdpEnd(
            self._outside, opened(self._outside, call, address_family, open_udp)
        )


@define(eq=False)
class UdpOperations:
    """The operations of ``wasi:sockets/udp``."""

    interface: ClassVar[str] = "wasi:sockets/udp@0.2.12"
    outside: Outside
    ports: Ports = field(factory=Ports, init=False)

    # Bind, and choose a peer.

    @operation(
        "[method]udp-socket.start-bind",
        needs=Inside(
            _BOTH,
            "inbound for the port; for port 0 inbound for all, or else outbound: then "
            "it receives only from addresses that it may send to",
        ),
    )
    def start_bind(
        self, call: Call, end: UdpEnd, _: Network, local_address: Variant
    ) -> None:
        following, permits = after(end.phase, "start-bind"), self.outside.permits
        with self._errors(call, "binding"):
            peer = local_of(local_address, end.socket.family)
            need = None
            if peer.port or permits.gate.judge(call, _ANY_PORT) is None:
                need = permits.require_port(call, peer.port, peer.port)
            else:
                permits.require_any(call, "bind a socket", ("outbound",))
            self.ports.bind(call, end.socket, peer, need)
            end.bound_to(peer, anybody=need is not None)
        end.phase = following

    @operation(
        "[method]udp-socket.finish-bind", needs=Free("what began it was allowed")
    )
    def finish_bind(self, _: Call, end: UdpEnd) -> None:
        end.phase = after(end.phase, "finish-bind")

    @operation(
        "[method]udp-socket.stream",
        needs=Inside(
            _BOTH,
            "outbound for the peer, as to send; without one, the one it was bound with",
        ),
    )
    def stream(
        self, call: Call, end: UdpEnd, remote_address: Variant | None
    ) -> tuple[IncomingDatagrams, OutgoingDatagrams]:
        following, permits = after(end.phase, "stream"), self.outside.permits
        with self._errors(call, "choosing a peer"):
            way = None
            if remote_address is not None:
                peer = remote_of(remote_address, end.socket.family)
                leads = self.outside.ledger.of(call).leads(peer.address)
                way = permits.way(call, peer, leads)
            else:
                permits.hold_to(call, end.socket)
            end.aim(way)
        end.phase = following
        return end.streams()

    # Addresses and options.

    @operation("[method]udp-socket.local-address", needs=_USED)
    def local_address(self, call: Call, end: UdpEnd) -> Variant:
        self._use(call, end, "local-address")
        with self._errors(call, "telling the local address"):
            local = end.socket.local
        assert local is not None, "it is bound"
        return socket_address(local)

    @operation("[method]udp-socket.remote-address", needs=_USED)
    def remote_address(self, call: Call, end: UdpEnd) -> Variant:
        self._use(call, end)
        if end.socket.peer is None:
            refuse("invalid-state")
        return socket_address(end.socket.peer)

    @operation(
        "[method]udp-socket.address-family",
        needs=Free("it is what the guest chose itself"),
    )
    def address_family(self, _: Call, end: UdpEnd) -> Family:
        return end.socket.family

    @operation("[method]udp-socket.unicast-hop-limit", needs=_USED)
    def unicast_hop_limit(self, call: Call, end: UdpEnd) -> int:
        return self._read(call, end, HOP_LIMIT)

    @operation("[method]udp-socket.set-unicast-hop-limit", needs=_USED)
    def set_unicast_hop_limit(self, call: Call, end: UdpEnd, value: int) -> None:
        self._set(call, end, HOP_LIMIT, value)

    @operation("[method]udp-socket.receive-buffer-size", needs=_USED)
    def receive_buffer_size(self, call: Call, end: UdpEnd) -> int:
        return self._read(call, end, RECEIVE_BUFFER_SIZE)

    @operation("[method]udp-socket.set-receive-buffer-size", needs=_USED)
    def set_receive_buffer_size(self, call: Call, end: UdpEnd, value: int) -> None:
        self._set(call, end, RECEIVE_BUFFER_SIZE, value)

    @operation("[method]udp-socket.send-buffer-size", needs=_USED)
    def send_buffer_size(self, call: Call, end: UdpEnd) -> int:
        return self._read(call, end, SEND_BUFFER_SIZE)

    @operation("[method]udp-socket.set-send-buffer-size", needs=_USED)
    def set_send_buffer_size(self, call: Call, end: UdpEnd, value: int) -> None:
        self._set(call, end, SEND_BUFFER_SIZE, value)

    # Send and receive.

    @operation("[method]incoming-datagram-stream.receive", needs=_USED)
    async def receive(
        self, call: Call, stream: IncomingDatagrams, max_results: int
    ) -> list[dict[str, object]]:
        with self._errors(call, "receiving"):
            return await stream.receive(call, max_results)

    @operation(
        "[method]outgoing-datagram-stream.check-send",
        needs=Free("it sends nothing yet"),
    )
    def check_send(self, _: Call, stream: OutgoingDatagrams) -> int:
        return stream.check()

    @operation("[method]outgoing-datagram-stream.send", needs=_SENDING)
    async def send(
        self, call: Call, stream: OutgoingDatagrams, datagrams: Sequence[Any]
    ) -> int:
        with self._errors(call, "sending"):
            return await stream.send(call, datagrams)

    # Wait.

    @operation(
        "[method]udp-socket.subscribe",
        "[method]incoming-datagram-stream.subscribe",
        "[method]outgoing-datagram-stream.subscribe",
        needs=Free("it waits for what the guest holds already"),
    )
    def subscribe(
        self, _: Call, waited: UdpEnd | IncomingDatagrams | OutgoingDatagrams
    ) -> Pollable:
        match waited:
            case UdpEnd():  # nothing about it takes time
                return on(Source(), lambda: True)
            case IncomingDatagrams(end=end):
                return on(end.readable, waited.ready)
            case OutgoingDatagrams(end=end):
                return on(end.writable, waited.ready)

    def _use(self, call: Call, end: UdpEnd, done: str = "option") -> None:
        """Let a call use a socket under the grant that it has come to need.

        Raises:
            WitError: The grant is gone, or it cannot be used so now.
        """
        after(end.phase, done)
        if end.socket.need is not None:
            with self._errors(call, "using a socket"):
                self.outside.permits.hold_to(call, end.socket)

    def _read(self, call: Call, end: UdpEnd, setting: Setting) -> int:
        self._use(call, end)
        with self._errors(call, "reading options"):
            return setting.read(end.socket)

    def _set(self, call: Call, end: UdpEnd, setting: Setting, value: int) -> None:
        self._use(call, end)
        with self._errors(call, "setting options"):
            setting.write(end.socket, value)

    def _errors(self, call: Call, doing: str) -> AbstractContextManager[None]:
        return as_error_codes(self.outside.gate, call, doing)
