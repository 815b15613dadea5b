"""Set and read the options of sockets: the system's, and how long to wait."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from attrs import evolve, frozen

from .errors import failure

__all__ = (
    "KEEP_ALIVE_LONGEST",
    "KEEP_IDLE",
    "KEEP_INTERVAL",
    "LARGEST_BUFFER",
    "SocketOptions",
)

KEEP_ALIVE_LONGEST: Final = 32_767
"""Seconds between two questions to a silent peer: the most that Linux takes."""
LARGEST_BUFFER: Final = 4 * 2**20
"""Bytes that the system keeps of what a socket sends, or receives, at the most."""
_DEFAULT_TIMEOUT: Final = 30_000
# Not every system has them: macOS names the first otherwise, Windows has no reuse-port.
KEEP_IDLE: Final[int | None] = getattr(
    socket, "TCP_KEEPIDLE", getattr(socket, "TCP_KEEPALIVE", None)
)
"""The option for the time after which a silent peer is asked."""
KEEP_INTERVAL: Final[int | None] = getattr(socket, "TCP_KEEPINTVL", None)
"""The option for the time between two questions."""
_REUSE_PORT: Final = getattr(socket, "SO_REUSEPORT", None)


@frozen
class SocketOptions:
    """What a guest asked for, as in the record of WIT; timeouts are milliseconds."""

    reuse_address: bool = False
    reuse_port: bool = False
    tcp_no_delay: bool = False
    tcp_keep_alive: bool = False
    keep_alive_interval: int = 0
    send_buffer_size: int = 0
    receive_buffer_size: int = 0
    connect_timeout: int = _DEFAULT_TIMEOUT
    read_timeout: int = _DEFAULT_TIMEOUT
    write_timeout: int = _DEFAULT_TIMEOUT
    non_blocking: bool = False

    @classmethod
    def of(cls, record: Any) -> SocketOptions:
        """Read a ``socket-options``.

        Raises:
            WitError: A number is out of its range, or the system has no such option.
        """
        if record.keep_alive_interval > KEEP_ALIVE_LONGEST:
            words = f"keep-alive-interval is at most {KEEP_ALIVE_LONGEST} seconds"
            raise failure("invalid-argument", words)
        if record.reuse_port and _REUSE_PORT is None:
            raise failure("invalid-argument", "this system has no reuse-port")
        return cls(
            reuse_address=record.reuse_address,
            reuse_port=record.reuse_port,
            tcp_no_delay=record.tcp_no_delay,
            tcp_keep_alive=record.tcp_keep_alive,
            keep_alive_interval=record.keep_alive_interval,
            send_buffer_size=min(record.send_buffer_size, LARGEST_BUFFER),
            receive_buffer_size=min(record.receive_buffer_size, LARGEST_BUFFER),
            connect_timeout=record.connect_timeout,
            read_timeout=record.read_timeout,
            write_timeout=record.write_timeout,
            non_blocking=record.non_blocking,
        )

    def apply(self, raw: socket.socket) -> None:
        """Set the system's options of a socket."""
        general, tcp = socket.SOL_SOCKET, socket.IPPROTO_TCP
        self._share(raw)
        if self.send_buffer_size:
            raw.setsockopt(general, socket.SO_SNDBUF, self.send_buffer_size)
        if self.receive_buffer_size:
            raw.setsockopt(general, socket.SO_RCVBUF, self.receive_buffer_size)
        if raw.type == socket.SOCK_STREAM:
            raw.setsockopt(tcp, socket.TCP_NODELAY, self.tcp_no_delay)
            raw.setsockopt(general, socket.SO_KEEPALIVE, self.tcp_keep_alive)
            for option in (KEEP_IDLE, KEEP_INTERVAL):
                if option is not None and self.keep_alive_interval:
                    raw.setsockopt(tcp, option, self.keep_alive_interval)

    def _share(self, raw: socket.socket) -> None:
        """Have a socket share its address and port as was asked for."""
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, self.reuse_address)
        if _REUSE_PORT is not None:
            raw.setsockopt(socket.SOL_SOCKET, _REUSE_PORT, self.reuse_port)

    @contextmanager
    def alone(self, raw: socket.socket) -> Iterator[None]:
        """Have a socket take a port only where nobody has it, whatever was asked for.

        Of datagrams the system shares a port by reuse-address too.
        """
        shared = [] if _REUSE_PORT is None else [_REUSE_PORT]
        if raw.type == socket.SOCK_DGRAM:
            shared.append(socket.SO_REUSEADDR)
        for option in shared:
            raw.setsockopt(socket.SOL_SOCKET, option, 0)
        try:
            yield
        finally:
            self._share(raw)

    def actual(self, raw: socket.socket) -> SocketOptions:
        """Return the options that the system has set; timeouts are kept here."""
        general, tcp = socket.SOL_SOCKET, socket.IPPROTO_TCP

        def on(level: int, option: int | None) -> bool:
            return option is not None and raw.getsockopt(level, option) != 0

        found = evolve(
            self,
            reuse_address=on(general, socket.SO_REUSEADDR),
            reuse_port=on(general, _REUSE_PORT),
            send_buffer_size=raw.getsockopt(general, socket.SO_SNDBUF),
            receive_buffer_size=raw.getsockopt(general, socket.SO_RCVBUF),
            tcp_no_delay=False,
            tcp_keep_alive=False,
            keep_alive_interval=0,
        )
        if raw.type != socket.SOCK_STREAM:
            return found
        if KEEP_INTERVAL is not None:
            interval = raw.getsockopt(tcp, KEEP_INTERVAL)
            found = evolve(found, keep_alive_interval=interval)
        return evolve(
            found,
            tcp_no_delay=on(tcp, socket.TCP_NODELAY),
            tcp_keep_alive=on(general, socket.SO_KEEPALIVE),
        )
