"""Keep a port that is shared by `reuse-port` to the component that has it.

The system gives a part of a port's connections to each socket that shares it, whoever
has opened it. So a second component with a grant for the port could take those of the
first. A guest's socket gets a port alone, and only its own component's join it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Hashable
from weakref import WeakKeyDictionary

from attrs import define, field

from ...core.grants.capabilities import Network
from ...hostcalls.call import Call
from .addresses import Peer
from .owned import OwnedSocket
from .tcp import TcpSocket

__all__ = ("Ports",)


@define(eq=False)
class Ports:
    """The ports that sockets of guests have taken, and for whom."""

    _taken: WeakKeyDictionary[OwnedSocket, Hashable] = field(
        factory=WeakKeyDictionary, init=False
    )

    def bind(
        self, call: Call, socket: OwnedSocket, peer: Peer, need: Network | None
    ) -> None:
        """Take a local address and port for a socket.

        Raises:
            WitError: It is no address of such a socket.
            OSError: The system refuses it, or another has the port.
        """
        owner = _owner(call)
        self._take(owner, socket, peer.port, lambda: socket.bind(peer, need))
        self._taken[socket] = owner

    def listen(self, call: Call, socket: TcpSocket, backlog: int) -> None:
        """Wait for connections.

        Two sockets may be bound to a port of which none listens, so who listens first
        has it.

        Raises:
            OSError: Another listens on the port.
        """
        local = socket.local
        assert local is not None, "it is bound"
        self._take(_owner(call), socket, local.port, lambda: socket.listen(backlog))

    def _take(
        self,
        owner: Hashable,
        socket: OwnedSocket,
        port: int,
        taking: Callable[[], object],
    ) -> None:
        """Do what takes a port: alone, or with sockets of the same owner."""
        try:
            with socket.options.alone(socket.raw):
                taking()
        except OSError as error:
            mine = self._shared_by(owner, socket, port)
            if error.errno != errno.EADDRINUSE or not mine:
                raise
            taking()

    def _shared_by(self, owner: Hashable, socket: OwnedSocket, port: int) -> bool:
        """Tell whether a socket asks to share a port that its owner has already.

        Of connections only who listens has the port, and did so alone at first.
        """
        if not socket.options.reuse_port:
            return False
        for other, whose in self._taken.items():
            if other is socket or other.closed or whose != owner:
                continue
            if isinstance(other, TcpSocket) != isinstance(socket, TcpSocket):
                continue
            if isinstance(other, TcpSocket) and other.state != "listening":
                continue
            local = other.local
            if local is not None and local.port == port:
                return True
        return False


def _owner(call: Call) -> Hashable:
    # Outside a system nobody says which guests are one component.
    return call.namespace if call.actor else call.standing
