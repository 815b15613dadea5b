"""Keep connections to use them again."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Final
from weakref import WeakKeyDictionary

import anyio
from attrs import define, field

from .addresses import Target
from .errors import failure
from .tcp import TcpSocket

__all__ = ("LARGEST_POOL", "ConnectionPool")

LARGEST_POOL: Final = 1024
_KEPT: Final = 60.0
"""Seconds that a connection is kept, unless it has an idle timeout of its own."""


@define(eq=False)
class ConnectionPool:
    """Connections of one guest, by where they lead; a few at the most."""

    most: int
    """Connections in use and kept, together."""
    connect_timeout: int
    """The connect timeout of each connection, in milliseconds; 0 is the longest."""
    give_back: Callable[[], object]
    lent: MutableMapping[TcpSocket, Target] = field(
        factory=WeakKeyDictionary, init=False
    )
    """Connections in use, and where each leads. They are the guest's: one that it lost
    must not live on here, so the references are weak."""
    kept: dict[TcpSocket, Target] = field(factory=dict, init=False)
    """Given back, the longest kept first."""
    closed: bool = field(default=False, init=False)

    def check_open(self) -> None:
        """Raise `WitError` when the pool is closed."""
        if self.closed:
            raise failure("invalid-argument", "the pool is closed")

    def reuse(self, target: Target) -> TcpSocket | None:
        """Return a kept connection that leads there and still stands."""
        self.tidy()
        for socket in self._leading_to(target):
            if socket.quiet():
                self.lent[socket] = self.kept.pop(socket)
                return socket
            socket.close()
        return None

    def abandon(self, target: Target) -> None:
        """Close what is kept and leads there: it may not be used any more."""
        for socket in self._leading_to(target):
            socket.close()

    def _leading_to(self, target: Target) -> list[TcpSocket]:
        return [socket for socket, to in self.kept.items() if to == target]

    def make_room(self) -> None:
        """Close a kept connection where there is no room for another.

        Raises:
            WitError: All are in use.
        """
        if len(self.lent) + len(self.kept) < self.most:
            return
        if not self.kept:
            words = f"all {self.most} connections of the pool are in use"
            raise failure("resource-exhausted", words)
        next(iter(self.kept)).close()

    def lend(self, socket: TcpSocket, target: Target) -> None:
        """Note that a new connection is in use."""
        socket.on_close = self._forget
        self.lent[socket] = target

    def take_back(self, socket: TcpSocket) -> None:
        """Keep a connection, or close it where it is no good any more.

        Raises:
            WitError: It is not of this pool. It is closed all the same: the guest has
                given it away.
        """
        target = self.lent.pop(socket, None)
        if target is None:
            socket.close()
            raise failure("invalid-argument", "the connection is not of this pool")
        if self.closed or not socket.quiet():
            socket.close()
            return
        socket.used = anyio.current_time()
        self.kept[socket] = target

    def tidy(self) -> None:
        """Close what was kept for too long."""
        now = anyio.current_time()
        for socket in list(self.kept):
            limit = _KEPT if socket.idle_limit is None else socket.idle_limit
            if socket.used + limit <= now:
                socket.close()

    def _forget(self, socket: TcpSocket) -> None:
        self.lent.pop(socket, None)
        self.kept.pop(socket, None)

    def close(self) -> None:
        """Close what is kept; what is in use is the guest's. Does nothing twice."""
        if not self.closed:
            self.closed = True
            for socket in list(self.kept):
                socket.close()
            self.give_back()

    def __del__(self) -> None:
        self.close()
