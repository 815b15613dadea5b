"""Patterns over hosts and ports: read them, and tell which covers which."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, TypeAlias

from attrs import frozen

__all__ = ("HostPattern", "PortPattern")

_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_LAST_PORT: Final = 65535


@frozen
class PortPattern:
    """One port, a range of ports such as ``8000-8099``, or ``*``."""

    first: int
    last: int

    @classmethod
    def parse(cls, text: str | int) -> PortPattern:
        """Read a port, a range or ``*``.

        Raises:
            ValueError: The text is no port pattern.
        """
        text = str(text)
        if text == "*":
            return cls(1, _LAST_PORT)
        ends = text.split("-")
        if len(ends) <= 2 and all(end.isascii() and end.isdigit() for end in ends):
            first, last = int(ends[0]), int(ends[-1])
            if 1 <= first <= last <= _LAST_PORT:
                return cls(first, last)
        raise ValueError(
            f"port {text!r} is not allowed: use 1 to {_LAST_PORT}, "
            "a range such as '8000-8099', or '*'"
        )

    def covers(self, other: PortPattern) -> bool:
        """Tell whether every port of the other is one of this."""
        return self.first <= other.first and other.last <= self.last

    def __str__(self) -> str:
        if (self.first, self.last) == (1, _LAST_PORT):
            return "*"
        if self.first == self.last:
            return str(self.first)
        return f"{self.first}-{self.last}"


@frozen
class HostPattern:
    """A host, ``*.`` and a domain, or a network, each with ports where they matter."""

    host: str
    """In lowercase, without a final dot; empty for a network."""
    network: _Network | None = None
    ports: PortPattern | None = None

    @classmethod
    def parse(cls, text: str, *, ports: bool = True) -> HostPattern:
        """Read ``host:ports``, or a host alone where there are no ports.

        Args:
            text: Such as ``api.example.com:443``, ``*.example.org:*``,
                ``10.0.0.0/8:8000-8099`` or ``[2001:db8::/32]:443``.
            ports: Whether the pattern must have, or must not have, ports.

        Raises:
            ValueError: The text is no host pattern.
        """
        host, found = text, None
        if ports:
            host, colon, tail = text.rpartition(":")
            if not colon or not host or tail.endswith("]"):
                raise ValueError(
                    f"host pattern {text!r} names no port: add ':443', a range or ':*'"
                )
            found = PortPattern.parse(tail)
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        network = _network(host)
        if network is not None:
            return cls("", network, found)
        name = host.lower().removesuffix(".")
        labels = name.removeprefix("*.").split(".")
        if len(name) > 253 or not all(map(_LABEL.fullmatch, labels)):
            raise ValueError(
                f"host {host!r} is not allowed: use a host name, '*.' and a domain, "
                "an address or a network such as '10.0.0.0/8'"
            )
        if labels[-1].isdigit():
            raise ValueError(f"host {host!r} is neither a name nor an address")
        return cls(name, None, found)

    def covers(self, other: HostPattern) -> bool:
        """Tell whether every host and port of the other is one of this.

        A name never covers a network nor the other way round, since the name may come
        to mean another address.
        """
        if (self.ports is None) != (other.ports is None) or (
            self.ports and other.ports and not self.ports.covers(other.ports)
        ):
            return False
        match self.network, other.network:
            case (ipaddress.IPv4Network() as mine, ipaddress.IPv4Network() as theirs):
                return theirs.subnet_of(mine)
            case (ipaddress.IPv6Network() as mine, ipaddress.IPv6Network() as theirs):
                return theirs.subnet_of(mine)
            case (None, None):
                return (
                    self.host == other.host
                    or (
                        self.host.startswith("*.")
                        # The star is one label: neither the bare domain nor two labels.
                        and other.host.partition(".")[2] == self.host[2:]
                    )
                )
            case _:
                return False

    def __str__(self) -> str:
        host = self.host
        if self.network is not None:
            host = str(self.network)
            if self.network.prefixlen == self.network.max_prefixlen:
                host = str(self.network.network_address)
            if ":" in host and self.ports is not None:
                host = f"[{host}]"
        return host if self.ports is None else f"{host}:{self.ports}"


def _network(host: str) -> _Network | None:
    if ":" not in host and not host[-1:].isdigit():
        return None
    try:
        return ipaddress.ip_network(host)
    except ValueError as error:
        if "/" in host:
            raise ValueError(f"network {host!r} is not allowed: {error}") from None
        return None
