"""Read and set the options of sockets that WASI knows, within the system's ranges."""

from __future__ import annotations

import socket
import sys
from collections.abc import Mapping
from typing import Final

from attrs import evolve, frozen

from ...host.network.addresses import Family
from ...host.network.options import (
    KEEP_ALIVE_LONGEST,
    KEEP_IDLE,
    KEEP_INTERVAL,
    LARGEST_BUFFER,
)
from ...host.network.owned import OwnedSocket
from .errors import refuse

__all__ = (
    "HOP_LIMIT",
    "KEEP_ALIVE_COUNT",
    "KEEP_ALIVE_IDLE_TIME",
    "KEEP_ALIVE_INTERVAL",
    "RECEIVE_BUFFER_SIZE",
    "SEND_BUFFER_SIZE",
    "Setting",
    "keep_settings",
    "keeps_alive",
    "set_keep_alive",
)

_NANO: Final = 1_000_000_000
_MOST_QUESTIONS: Final = 127
"""Questions that a silent peer is asked: the most that Linux takes."""
_MOST_HOPS: Final = 255
_BOOK_KEEPING: Final = 2 if sys.platform == "linux" else 1
"""Linux doubles a buffer for its own book-keeping, and then says so."""


@frozen
class Setting:
    """A number that is set for a socket; more than `most` counts as that."""

    options: Mapping[Family, tuple[int, int | None]]
    """Level and option by the socket's family; no option: the system has none."""
    most: int
    """In the system's unit."""
    unit: int = 1
    """What the system's unit is in WASI's: a second has so many nanoseconds."""
    shown: int = 1
    """By how much the system shows more than what was set."""

    def read(self, owned: OwnedSocket) -> int:
        """Return what is set, in WASI's unit.

        Raises:
            WitError: The system has no such option.
            OSError: It tells nothing.
        """
        level, option = self._option(owned)
        return owned.raw.getsockopt(level, option) // self.shown * self.unit

    def write(self, owned: OwnedSocket, value: int) -> None:
        """Set it, in WASI's unit.

        Raises:
            WitError: It is 0, or the system has no such option.
            OSError: The system refuses it.
        """
        if not value:
            refuse("invalid-argument")
        level, option = self._option(owned)
        whole = min(-(-value // self.unit), self.most)
        owned.raw.setsockopt(level, option, whole)

    def _option(self, owned: OwnedSocket) -> tuple[int, int]:
        level, option = self.options[owned.family]
        if option is None:
            refuse("not-supported")
        return level, option


def _for_both(
    level: int, option: int | None
) -> Mapping[Family, tuple[int, int | None]]:
    return {"ipv4": (level, option), "ipv6": (level, option)}


HOP_LIMIT: Final = Setting(
    {
        "ipv4": (socket.IPPROTO_IP, socket.IP_TTL),
        "ipv6": (socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS),
    },
    _MOST_HOPS,
)
RECEIVE_BUFFER_SIZE: Final = Setting(
    _for_both(socket.SOL_SOCKET, socket.SO_RCVBUF), LARGEST_BUFFER, shown=_BOOK_KEEPING
)
SEND_BUFFER_SIZE: Final = Setting(
    _for_both(socket.SOL_SOCKET, socket.SO_SNDBUF), LARGEST_BUFFER, shown=_BOOK_KEEPING
)
KEEP_ALIVE_IDLE_TIME: Final = Setting(
    _for_both(socket.IPPROTO_TCP, KEEP_IDLE), KEEP_ALIVE_LONGEST, _NANO
)
KEEP_ALIVE_INTERVAL: Final = Setting(
    _for_both(socket.IPPROTO_TCP, KEEP_INTERVAL), KEEP_ALIVE_LONGEST, _NANO
)
KEEP_ALIVE_COUNT: Final = Setting(
    _for_both(socket.IPPROTO_TCP, getattr(socket, "TCP_KEEPCNT", None)),
    _MOST_QUESTIONS,
)


def keeps_alive(owned: OwnedSocket) -> bool:
    """Tell whether a silent peer is asked whether it is there still."""
    return owned.raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0


def set_keep_alive(owned: OwnedSocket, *, on: bool) -> None:
    """Have a silent peer asked, or not; connections that are accepted as well."""
    owned.options = evolve(owned.options, tcp_keep_alive=on)
    owned.raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, on)


def keep_settings(owned: OwnedSocket, fresh: socket.socket) -> None:
    """Set what is set for datagrams for the socket that takes the place of one, too."""
    for setting in (HOP_LIMIT, RECEIVE_BUFFER_SIZE, SEND_BUFFER_SIZE):
        level, option = setting.options[owned.family]
        assert option is not None, "every system has it"
        value = owned.raw.getsockopt(level, option) // setting.shown
        fresh.setsockopt(level, option, value)
