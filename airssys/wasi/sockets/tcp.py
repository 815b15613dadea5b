"""Let guests connect, listen and accept: ``wasi:sockets/tcp``, and its creation."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import ClassVar, Final, Literal

from attrs import define, field

from ...core.errors import WitError
from ...host.handles import hold_handle
from ...host.network.addresses import Family, Peer
from ...host.network.opening import open_tcp
from ...host.network.ports import Ports
from ...host.network.tcp import TcpSocket
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, Inside, operation
from ...witmodel.types import Variant
from ..outside import Outside
from ..polling import Pollable, Source, on
from ..readiness import is_readable, is_writable
from .addresses import local_of, socket_address, unicast_of
from .connection import Connection, ConnectionInput, ConnectionOutput
from .errors import as_error_codes, refuse
from .network import Network
from .opening import opened
from .options import (
    HOP_LIMIT,
    KEEP_ALIVE_COUNT,
    KEEP_ALIVE_IDLE_TIME,
    KEEP_ALIVE_INTERVAL,
    RECEIVE_BUFFER_SIZE,
    SEND_BUFFER_SIZE,
    Setting,
    keeps_alive,
    set_keep_alive,
)
from .phases import Phase, after

__all__ = ("TcpCreation", "TcpEnd", "TcpOperations")

_BOTH: Final = ("network.outbound", "network.inbound")
_USED: Final = Inside(
    _BOTH, "the one the socket was connected, bound or accepted with; none before"
)
_BEGUN: Final = Free("what began it was allowed")
_ITS_OWN: Final = Free("it is what the guest chose itself")
_CLOSING: Final = Free("gives up what the caller has")
_WAITING: Final = Free("it waits for what the guest holds already")
_LONGEST_QUEUE: Final = 128
"""Connections that wait to be accepted."""


@define(eq=False)
class TcpEnd:
    """What a guest's ``tcp-socket`` stands for."""

    connection: Connection
    phase: Phase = Phase.UNBOUND
    backlog: int = _LONGEST_QUEUE
    source: Source = field(init=False)
    """Touched when it may have become `ready`."""

    def __attrs_post_init__(self) -> None:
        owned = self.socket
        self.source = self.connection.outside.readiness.either(
            owned, lambda: owned.state == "listening"
        )

    @property
    def socket(self) -> TcpSocket:
        """The system's."""
        return self.connection.socket

    def ready(self) -> bool:
        """Tell whether what goes on, if anything does, has come to something."""
        match self.phase:
            case Phase.CONNECTING:
                return is_writable(self.socket.raw)
            case Phase.LISTENING:
                return is_readable(self.socket.raw)
            case _:
                return True

    def fail(self) -> None:
        """Close it, as nothing can be done with it any more."""
        self.phase = Phase.CLOSED
        self.socket.close()

    def drop(self) -> None:
        """Let go of it; its streams may be there still."""
        self.connection.let_go()


class TcpCreation:
    """The operations of ``wasi:sockets/tcp-create-socket``."""

    interface: ClassVar[str] = "wasi:sockets/tcp-create-socket@0.2.12"

    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    @operation(needs=Free("it reaches nothing before it is bound or connected"))
    def create_tcp_socket(self, call: Call, address_family: Family) -> TcpEnd:
        made = opened(self._outside, call, address_family, open_tcp)
        return TcpEnd(Connection(self._outside, made))


@define(eq=False)
class TcpOperations:
    """The operations of ``wasi:sockets/tcp``."""

    interface: ClassVar[str] = "wasi:sockets/tcp@0.2.12"
    outside: Outside
    ports: Ports = field(factory=Ports, init=False)

    # Bind.

    @operation(
        "[method]tcp-socket.start-bind",
        needs=Inside(_BOTH, "inbound for the port; either one for port 0"),
    )
    def start_bind(
        self, call: Call, end: TcpEnd, _: Network, local_address: Variant
    ) -> None:
        following, permits = after(end.phase, "start-bind"), self.outside.permits
        with self._errors(call, "binding"):
            peer = local_of(local_address, end.socket.family)
            if peer.port:
                need = permits.require_port(call, peer.port, peer.port)
                self.ports.bind(call, end.socket, peer, need)
            else:
                permits.hold_to(call, end.socket)
                self.ports.bind(call, end.socket, peer, None)
        end.socket.bound_to = peer
        end.phase = following

    @operation("[method]tcp-socket.finish-bind", needs=_BEGUN)
    def finish_bind(self, _: Call, end: TcpEnd) -> None:
        end.phase = after(end.phase, "finish-bind")

    # Connect.

    @operation(
        "[method]tcp-socket.start-connect",
        needs=Inside(
            ("network.outbound",),
            "for the address, or for a name whose look-up has led the guest there",
        ),
    )
    def start_connect(
        self, call: Call, end: TcpEnd, _: Network, remote_address: Variant
    ) -> None:
        following = after(end.phase, "start-connect")
        with self._errors(call, "connecting"):
            peer = unicast_of(remote_address, end.socket.family)
            leads = self.outside.ledger.of(call).leads(peer.address)
            way = self.outside.permits.way(call, peer, leads)
        try:
            with self._errors(call, "connecting"):
                end.socket.start_to(way.peer)
        except WitError as error:
            end.fail()
            if error.value == "address-not-bindable":  # all ports of its own are taken
                refuse("address-in-use")
            raise
        end.socket.name = way.by
        end.socket.lead(way)
        end.phase = following

    @operation(
        "[method]tcp-socket.finish-connect",
        needs=Inside(("network.outbound",), "the one that it began with, once more"),
    )
    def finish_connect(
        self, call: Call, end: TcpEnd
    ) -> tuple[ConnectionInput, ConnectionOutput]:
        following = after(end.phase, "finish-connect")
        if not end.ready():
            refuse("would-block")
        try:
            with self._errors(call, "connecting"):
                end.socket.check_connected()
                self.outside.permits.hold_to(call, end.socket)
        except WitError:
            end.fail()
            raise
        end.socket.begin()
        end.phase = following
        return end.connection.streams(call)

    # Listen.

    @operation(
        "[method]tcp-socket.start-listen",
        needs=Inside(("network.inbound",), "for the port; for all where it was 0"),
    )
    def start_listen(self, call: Call, end: TcpEnd) -> None:
        following = after(end.phase, "start-listen")
        bound, local = end.socket.bound_to, end.socket.local
        assert bound is not None, "it is bound"
        assert local is not None, "it is bound"
        with self._errors(call, "listening"):
            need = self.outside.permits.require_port(call, bound.port, local.port)
        try:
            with self._errors(call, "listening"):
                self.ports.listen(call, end.socket, end.backlog)
        except WitError:
            end.fail()
            raise
        end.socket.need = need
        end.phase = following

    @operation("[method]tcp-socket.finish-listen", needs=_BEGUN)
    def finish_listen(self, _: Call, end: TcpEnd) -> None:
        end.phase = after(end.phase, "finish-listen")

    @operation(
        "[method]tcp-socket.accept", needs=Inside(("network.inbound",), "for the port")
    )
    async def accept(
        self, call: Call, end: TcpEnd
    ) -> tuple[TcpEnd, ConnectionInput, ConnectionOutput]:
        permits = self.outside.permits
        self._use(call, end, "accept")
        if not end.ready():
            refuse("would-block")
        with as_error_codes(
            permits.gate, call, "accepting", exhausted="new-socket-limit"
        ):
            give_back = hold_handle(permits.gate, call, "accept another connection")
            try:
                again = permits.again(call, end.socket)
                made = await end.socket.accept(give_back, again)
            except BaseException:
                give_back()
                raise
        accepted = TcpEnd(Connection(self.outside, made), Phase.CONNECTED)
        return accepted, *accepted.connection.streams(call)

    @operation("[method]tcp-socket.is-listening", needs=_ITS_OWN)
    def is_listening(self, _: Call, end: TcpEnd) -> bool:
        return end.phase is Phase.LISTENING

    @operation("[method]tcp-socket.set-listen-backlog-size", needs=_USED)
    def set_listen_backlog_size(self, call: Call, end: TcpEnd, value: int) -> None:
        self._use(call, end, "set-listen-backlog-size")
        if not value:
            refuse("invalid-argument")
        end.backlog = min(value, _LONGEST_QUEUE)
        if end.socket.state == "listening":
            with self._errors(call, "listening"):
                end.socket.listen(end.backlog)

    # Addresses.

    @operation("[method]tcp-socket.local-address", needs=_USED)
    def local_address(self, call: Call, end: TcpEnd) -> Variant:
        self._use(call, end, "local-address")
        with self._errors(call, "telling the local address"):
            return _told(end.socket.local)

    @operation("[method]tcp-socket.remote-address", needs=_USED)
    def remote_address(self, call: Call, end: TcpEnd) -> Variant:
        self._use(call, end, "remote-address")
        return _told(end.socket.remote)

    @operation("[method]tcp-socket.address-family", needs=_ITS_OWN)
    def address_family(self, _: Call, end: TcpEnd) -> Family:
        return end.socket.family

    # Options.

    @operation("[method]tcp-socket.keep-alive-enabled", needs=_USED)
    def keep_alive_enabled(self, call: Call, end: TcpEnd) -> bool:
        self._use(call, end)
        with self._errors(call, "reading options"):
            return keeps_alive(end.socket)

    @operation("[method]tcp-socket.set-keep-alive-enabled", needs=_USED)
    def set_keep_alive_enabled(
        self,
        call: Call,
        end: TcpEnd,
        value: bool,  # noqa: FBT001 - WIT knows no keywords
    ) -> None:
        self._use(call, end)
        with self._errors(call, "setting options"):
            set_keep_alive(end.socket, on=value)

    @operation("[method]tcp-socket.keep-alive-idle-time", needs=_USED)
    def keep_alive_idle_time(self, call: Call, end: TcpEnd) -> int:
        return self._read(call, end, KEEP_ALIVE_IDLE_TIME)

    @operation("[method]tcp-socket.set-keep-alive-idle-time", needs=_USED)
    def set_keep_alive_idle_time(self, call: Call, end: TcpEnd, value: int) -> None:
        self._set(call, end, KEEP_ALIVE_IDLE_TIME, value)

    @operation("[method]tcp-socket.keep-alive-interval", needs=_USED)
    def keep_alive_interval(self, call: Call, end: TcpEnd) -> int:
        return self._read(call, end, KEEP_ALIVE_INTERVAL)

    @operation("[method]tcp-socket.set-keep-alive-interval", needs=_USED)
    def set_keep_alive_interval(self, call: Call, end: TcpEnd, value: int) -> None:
        self._set(call, end, KEEP_ALIVE_INTERVAL, value)

    @operation("[method]tcp-socket.keep-alive-count", needs=_USED)
    def keep_alive_count(self, call: Call, end: TcpEnd) -> int:
        return self._read(call, end, KEEP_ALIVE_COUNT)

    @operation("[method]tcp-socket.set-keep-alive-count", needs=_USED)
    def set_keep_alive_count(self, call: Call, end: TcpEnd, value: int) -> None:
        self._set(call, end, KEEP_ALIVE_COUNT, value)

    @operation("[method]tcp-socket.hop-limit", needs=_USED)
    def hop_limit(self, call: Call, end: TcpEnd) -> int:
        return self._read(call, end, HOP_LIMIT)

    @operation("[method]tcp-socket.set-hop-limit", needs=_USED)
    def set_hop_limit(self, call: Call, end: TcpEnd, value: int) -> None:
        self._set(call, end, HOP_LIMIT, value)

    @operation("[method]tcp-socket.receive-buffer-size", needs=_USED)
    def receive_buffer_size(self, call: Call, end: TcpEnd) -> int:
        return self._read(call, end, RECEIVE_BUFFER_SIZE)

    @operation("[method]tcp-socket.set-receive-buffer-size", needs=_USED)
    def set_receive_buffer_size(self, call: Call, end: TcpEnd, value: int) -> None:
        self._set(call, end, RECEIVE_BUFFER_SIZE, value)

    @operation("[method]tcp-socket.send-buffer-size", needs=_USED)
    def send_buffer_size(self, call: Call, end: TcpEnd) -> int:
        return self._read(call, end, SEND_BUFFER_SIZE)

    @operation("[method]tcp-socket.set-send-buffer-size", needs=_USED)
    def set_send_buffer_size(self, call: Call, end: TcpEnd, value: int) -> None:
        self._set(call, end, SEND_BUFFER_SIZE, value)

    # Wait and end.

    @operation("[method]tcp-socket.subscribe", needs=_WAITING)
    def subscribe(self, _: Call, end: TcpEnd) -> Pollable:
        return on(end.source, end.ready)

    @operation("[method]tcp-socket.shutdown", needs=_CLOSING)
    def shutdown(
        self, _: Call, end: TcpEnd, shutdown_type: Literal["receive", "send", "both"]
    ) -> None:
        after(end.phase, "shutdown")
        if shutdown_type != "send":
            end.connection.stop_receiving()
        if shutdown_type != "receive":
            end.connection.stop_sending()

    def _use(self, call: Call, end: TcpEnd, done: str = "option") -> None:
        """Let a call use a socket under the grant that it has come to need.

        Raises:
            WitError: The grant is gone, or it cannot be used so now.
        """
        after(end.phase, done)
        if end.socket.need is not None:
            with self._errors(call, "using a socket"):
                self.outside.permits.hold_to(call, end.socket)

    def _read(self, call: Call, end: TcpEnd, setting: Setting) -> int:
        self._use(call, end)
        with self._errors(call, "reading options"):
            return setting.read(end.socket)

    def _set(self, call: Call, end: TcpEnd, setting: Setting, value: int) -> None:
        self._use(call, end)
        with self._errors(call, "setting options"):
            setting.write(end.socket, value)

    def _errors(self, call: Call, doing: str) -> AbstractContextManager[None]:
        return as_error_codes(self.outside.gate, call, doing)


def _told(peer: Peer | None) -> Variant:
    if peer is None:
        refuse("invalid-state")
    return socket_address(peer)
