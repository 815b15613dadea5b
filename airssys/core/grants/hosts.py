"""Match hosts and ports with patterns, and tell which pattern covers which.

A name is matched by patterns over names only, an address by networks only. What is
matched is in normal form: ``name:port``, ``1.2.3.4:443``, ``[2001:db8::1]:443``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property, lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_network
from typing import Final, TypeAlias

from attrs import frozen

from .addresses import (
    Address,
    Network,
    also,
    carries,
    is_special,
    lies_in_special,
    reached,
    within,
)

__all__ = (
    "HostPattern",
    "PortPattern",
    "host_matcher",
    "is_special",
    "port_matcher",
)

_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""A last label that makes resolvers read the host as an address (WHATWG's URL)."""
_PORT: Final = re.compile(r"0|[1-9][0-9]{0,4}")
_LONGEST_NAME: Final = 253
_LONGEST: Final = 300
"""Characters of anything that can match: a name or an address, and a port."""
_LAST_PORT: Final = 65535
_REMEMBERED: Final = 256
"""Answers that are kept: reading an address takes some 3 µs, a port 1."""


# --- patterns ---------------------------------------------------------------------


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

    def matches(self, text: str) -> bool:
        """Tell whether a port to listen on is granted.

        Port 0 is whichever the system picks: only ``*`` grants it.
        """
        return port_matcher((self,))(text)

    def covers(self, other: PortPattern) -> bool:
        """Tell whether every port of the other is one of this."""
        return self.first <= other.first and other.last <= self.last

    def overlaps(self, other: PortPattern) -> bool:
        """Tell whether a port is one of both."""
        return self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        if (self.first, self.last) == (1, _LAST_PORT):
            return "*"
        if self.first == self.last:
            return str(self.first)
        return f"{self.first}-{self.last}"


@frozen
class HostPattern:
    """A host, ``*.`` and a domain, or a network, each with ports where they matter.

    Granted, a network means the special addresses in it only where all of it lies
    within one special block: ``0.0.0.0/0`` is no loopback, ``127.0.0.0/8`` is.
    """

    host: str
    """In lowercase, without a final dot; empty for a network."""
    network: Network | None = None
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
        if not host.isascii() or not _is_name(name.removeprefix("*.")):
            raise ValueError(
                f"host {host!r} is not allowed: use a host name, '*.' and a domain, "
                "an address or a network such as '10.0.0.0/8'"
            )
        if _NUMBER.fullmatch(name.rpartition(".")[2]):
            raise ValueError(f"host {host!r} is neither a name nor an address")
        return cls(name, None, found)

    @cached_property
    def special(self) -> bool:
        """Whether it is a network that grants special addresses, and only such."""
        network = self.network
        return network is not None and lies_in_special(network)

    def matches(self, text: str) -> bool:
        """Tell whether a host, with its port where there are ports, is granted."""
        return host_matcher((self,))(text)

    def covers(self, other: HostPattern) -> bool:
        """Tell whether, granted, this allows whatever the other allows.

        A name never covers a network nor the other way round, since the name may come
        to mean another address.
        """
        return self.special == other.special and self.contains(other)

    def contains(self, other: HostPattern) -> bool:
        """Tell whether every host and port of the other is one of this.

        Unlike `covers` this holds for special addresses as for others.
        """
        if self.ports is None or other.ports is None:
            if self.ports is not other.ports:
                return False
        elif not self.ports.covers(other.ports):
            return False
        if self.network is not None and other.network is not None:
            return within(other.network, self.network)
        return self.network is other.network and _name_covers(self.host, other.host)

    def overlaps(self, other: HostPattern) -> bool:
        """Tell whether a host and port is one of both, special addresses included."""
        if self.ports is None or other.ports is None:
            if self.ports is not other.ports:
                return False
        elif not self.ports.overlaps(other.ports):
            return False
        if self.network is not None and other.network is not None:
            mine, theirs = self.network, other.network
            return within(theirs, mine) or within(mine, theirs)
        return self.network is other.network and (
            _name_covers(self.host, other.host) or _name_covers(other.host, self.host)
        )

    def __str__(self) -> str:
        host = self.host
        if self.network is not None:
            host = str(self.network)
            if self.network.prefixlen == self.network.max_prefixlen:
                host = str(self.network.network_address)
            if ":" in host and self.ports is not None:
                host = f"[{host}]"
        return host if self.ports is None else f"{host}:{self.ports}"


def _is_name(name: str) -> bool:
    labels = name.split(".")
    return len(name) <= _LONGEST_NAME and all(map(_LABEL.fullmatch, labels))


def _name_covers(mine: str, theirs: str) -> bool:
    # The star is one label: neither the bare domain nor two labels.
    return mine == theirs or (
        mine.startswith("*.") and theirs.partition(".")[2] == mine[2:]
    )


def _network(host: str) -> Network | None:
    if ":" not in host and not host[-1:].isdigit():
        return None
    try:
        network = ip_network(host)
    except ValueError as error:
        if "/" in host:
            raise ValueError(f"network {host!r} is not allowed: {error}") from None
        return None
    if "%" in host:
        raise ValueError(f"network {host!r} must not name a link after '%'")
    if carries(network):
        raise ValueError(
            f"network {host!r} is not allowed: its addresses are taken as the IPv4 "
            "addresses they carry, so name these"
        )
    if network.prefixlen == network.max_prefixlen:
        return ip_network(reached(network.network_address))
    return network


# --- matching ---------------------------------------------------------------------


def host_matcher(
    patterns: Iterable[HostPattern], *, forbidding: bool = False
) -> Callable[[str], bool]:
    """Compile patterns to one function that tells whether any matches a host.

    The patterns must all have ports, or none.

    Args:
        patterns: What is granted, or forbidden.
        forbidding: Whether networks mean the special addresses in them as well.
    """
    patterns = tuple(patterns)
    with_ports = any(pattern.ports is not None for pattern in patterns)
    names, domains = _by_name(patterns)
    networks = _by_network(patterns)

    def name_matches(host: str, port: int) -> bool:
        if _holds(names.get(host), port):
            return True
        label, _, domain = host.partition(".")
        return (
            _holds(domains.get(domain), port)
            and len(host) <= _LONGEST_NAME
            and bool(_LABEL.fullmatch(label))
        )

    def address_matches(host: str, port: int) -> bool:
        try:
            found = reached(
                IPv6Address(host.partition("%")[0])
                if ":" in host
                else IPv4Address(host)
            )
        except ValueError:
            return False
        return any(
            _holds(block.ports, port)
            # A pattern of a special block grants the special ones in it.
            and (block.special or not is_special(one) or (forbidding and one is found))
            for one in ((found, *also(found)) if forbidding else (found,))
            for block in _around(one, networks)
        )

    @lru_cache(_REMEMBERED)
    def matches(text: str) -> bool:
        # Only ASCII: the sign for kelvin is 'k' in lowercase.
        if not text.isascii():
            return False
        host, port = text, 0
        if with_ports:
            host, _, number = text.rpartition(":")
            if not _PORT.fullmatch(number):
                return False
            port = int(number)
            if host[:1] == "[" and host[-1:] == "]":
                host = host[1:-1]
                return ":" in host and address_matches(host, port)
            if ":" in host:
                return False
        if ":" in host or (host[-1:].isdigit() and host.replace(".", "").isdigit()):
            return address_matches(host, port)
        return name_matches(host.lower().removesuffix("."), port)

    # What is too long to match is not worth keeping.
    return lambda text: len(text) <= _LONGEST and matches(text)


_Ports: TypeAlias = tuple[list[int], list[int]]
"""Ranges of ports, apart from each other and in order: their firsts, their lasts."""


@frozen
class _Block:
    """What patterns say of a network."""

    ports: _Ports
    special: bool


_Networks: TypeAlias = dict[tuple[int, int], dict[int, _Block]]
"""By version and mask, and then by the number of the network."""


def _by_name(
    patterns: Iterable[HostPattern],
) -> tuple[dict[str, _Ports], dict[str, _Ports]]:
    """Return the ports of each name, and those of each domain under a star."""
    names: dict[str, list[tuple[int, int]]] = {}
    domains: dict[str, list[tuple[int, int]]] = {}
    for pattern in patterns:
        if pattern.network is None:
            found = domains if pattern.host.startswith("*.") else names
            key = pattern.host.removeprefix("*.")
            found.setdefault(key, []).append(_range(pattern.ports))
    return (
        {name: _merged(ranges) for name, ranges in names.items()},
        {name: _merged(ranges) for name, ranges in domains.items()},
    )


def _by_network(patterns: Iterable[HostPattern]) -> _Networks:
    # There are no more masks than an address has bits, however many networks.
    ranges: dict[Network, list[tuple[int, int]]] = {}
    for pattern in patterns:
        if pattern.network is not None:
            ranges.setdefault(pattern.network, []).append(_range(pattern.ports))
    found: _Networks = {}
    for network, ports in ranges.items():
        masked = found.setdefault((network.version, int(network.netmask)), {})
        masked[int(network.network_address)] = _Block(
            _merged(ports), lies_in_special(network)
        )
    return found


def _around(address: Address, networks: _Networks) -> Iterator[_Block]:
    """Go through the networks that an address is in."""
    number, version = int(address), address.version
    for (of, mask), blocks in networks.items():
        if of == version:
            block = blocks.get(number & mask)
            if block is not None:
                yield block


def _merged(ranges: Iterable[tuple[int, int]]) -> _Ports:
    firsts: list[int] = []
    lasts: list[int] = []
    for first, last in sorted(ranges):
        if lasts and first <= lasts[-1] + 1:
            lasts[-1] = max(last, lasts[-1])
        else:
            firsts.append(first)
            lasts.append(last)
    return firsts, lasts


def _holds(ports: _Ports | None, port: int) -> bool:
    if ports is None:
        return False
    at = bisect_right(ports[0], port)
    return at > 0 and port <= ports[1][at - 1]


def _range(ports: PortPattern | None) -> tuple[int, int]:
    return (0, 0) if ports is None else (ports.first, ports.last)


def port_matcher(
    patterns: Iterable[PortPattern], *, forbidding: bool = False
) -> Callable[[str], bool]:
    """Compile patterns to one function that tells whether any matches a port.

    Port 0 is whichever the system picks. It is granted where one pattern is all ports,
    and forbidden where any port is.
    """
    ranges = tuple(map(_range, patterns))
    any_port = bool(ranges) if forbidding else (1, _LAST_PORT) in ranges
    merged = _merged(ranges)

    @lru_cache(_REMEMBERED)
    def matches(text: str) -> bool:
        if not _PORT.fullmatch(text):
            return False
        port = int(text)
        if not port:
            return any_port
        return _holds(merged, port)

    return lambda text: len(text) <= _LONGEST and matches(text)
