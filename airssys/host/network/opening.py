"""Open sockets for guests, each of them a handle of its caller's."""

from __future__ import annotations

import socket
from collections.abc import Callable

from ...hostcalls.call import Call
from ..handles import hold_handle
from .addresses import Family
from .options import SocketOptions
from .owned import Kind, opened
from .permits import Permits
from .tcp import TcpSocket
from .udp import UdpSocket

__all__ = ("open_tcp", "open_udp")


def open_tcp(permits: Permits, call: Call, family: Family) -> TcpSocket:
    """Open what connects, or waits for connections.

    Raises:
        WitError: The caller or the system has too many sockets.
    """
    options = SocketOptions(reuse_address=True, tcp_no_delay=True)
    raw, give_back = _open(permits, call, family, "tcp-stream", options)
    return TcpSocket(raw, family, give_back, options)


def open_udp(permits: Permits, call: Call, family: Family) -> UdpSocket:
    """Open what sends and receives datagrams.

    Raises:
        WitError: The caller or the system has too many sockets.
    """
    options = SocketOptions()
    raw, give_back = _open(permits, call, family, "udp-datagram", options)
    return UdpSocket(raw, family, give_back, options)


def _open(
    permits: Permits, call: Call, family: Family, kind: Kind, options: SocketOptions
) -> tuple[socket.socket, Callable[[], object]]:
    """Return a socket of the system's, and what gives its handle back."""
    give_back = hold_handle(permits.gate, call, "open another socket")
    try:
        with permits.errors(call, "opening a socket"):
            return opened(family, kind, options), give_back
    except BaseException:
        give_back()
        raise
