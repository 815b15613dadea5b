"""Tell special addresses from ordinary ones, and find what IPv6 addresses carry."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from math import inf
from typing import Final, TypeAlias

__all__ = (
    "Address",
    "Network",
    "also",
    "carried",
    "carries",
    "is_special",
    "lies_in_special",
    "reached",
    "within",
)

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_SPECIAL: Final[tuple[Network, ...]] = tuple(
    map(
        ip_network,
        (
            # IANA's IPv4 Special-Purpose Address Registry, as of 2025, and multicast.
            # Not ipaddress.is_private, whose answers differ between Python's versions.
            "0.0.0.0/8",  # this network; 0.0.0.0 connects to loopback on Linux
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # shared
            "127.0.0.0/8",  # loopback
            "169.254.0.0/16",  # link-local, where clouds answer for credentials
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # IETF protocol assignments
            "192.0.2.0/24",  # documentation
            "192.31.196.0/24",  # AS112
            "192.52.193.0/24",  # AMT relays
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "192.175.48.0/24",  # AS112
            "198.18.0.0/15",  # benchmarking
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/4",  # multicast
            "240.0.0.0/4",  # reserved, and broadcast
            # IANA's IPv6 Special-Purpose Address Registry within global unicast space.
            "2001::/23",  # IETF protocol assignments, Teredo among them
            "2001:db8::/32",  # documentation
            "2620:4f:8000::/48",  # AS112
            "3fff::/20",  # documentation
            # Its Internet Protocol Version 6 Address Space: all but 2000::/3.
            "::/8",  # loopback, unspecified, translation within a site
            "100::/8",  # discard
            "200::/7",
            "400::/6",
            "800::/5",
            "1000::/4",
            "4000::/3",  # SRv6 among others
            "6000::/3",
            "8000::/3",
            "a000::/3",
            "c000::/3",
            "e000::/4",
            "f000::/5",
            "f800::/6",
            "fc00::/7",  # unique local
            "fe00::/9",
            "fe80::/10",  # link-local
            "fec0::/10",  # site-local, once
            "ff00::/8",  # multicast
        ),
    )
)
_BLOCKS: Final[Mapping[int, Sequence[tuple[int, float]]]] = {
    version: sorted(
        (int(block[0]), int(block[-1]))
        for block in _SPECIAL
        if block.version == version
    )
    for version in (4, 6)
}
"""First and last addresses by version; no two blocks have one in common."""
_CARRIERS: Final = (
    (IPv6Network("::ffff:0:0/96"), 0),  # IPv4-mapped
    (IPv6Network("64:ff9b::/96"), 0),  # NAT64, RFC 6052
    (IPv6Network("::/96"), 0),  # IPv4-compatible, once
    (IPv6Network("2002::/16"), 80),  # 6to4
)
"""IPv6 networks whose addresses carry an IPv4 one, and the bits behind it."""
_LOOPBACK: Final = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_UNSPECIFIED: Final[Mapping[Address, Address]] = {
    IPv4Address(0): _LOOPBACK[0],
    IPv6Address(0): _LOOPBACK[1],
}
_NOT_CARRIERS: Final = IPv6Network("::/127")
"""The unspecified address and loopback."""


def carried(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address carries, or else the address.

    IPv4-mapped, IPv4-compatible, NAT64 (RFC 6052's well-known prefix) and 6to4
    addresses carry one: a packet to such an address can arrive at the IPv4 address.
    A network's own NAT64 prefix cannot be known here: forbid it if you have one.
    """
    if isinstance(address, IPv6Address) and address not in _NOT_CARRIERS:
        for network, behind in _CARRIERS:
            if address in network:
                return IPv4Address(int(address) >> behind & 0xFFFFFFFF)
    return address


def reached(address: Address) -> Address:
    """Return the address at which what is sent to an address arrives.

    The unspecified address, of either kind, is this machine's loopback: whoever
    connects to ``0.0.0.0`` is connected to ``127.0.0.1``.
    """
    return _UNSPECIFIED.get(found := carried(address), found)


def also(address: Address) -> tuple[Address, ...]:
    """Return the other addresses under which a forbidden one may stand.

    All of loopback is this machine, to whatever service of its listens on any address.
    """
    return _LOOPBACK if address.is_loopback else ()


def is_special(address: Address | str) -> bool:
    """Tell whether an address is not an ordinary one of the internet.

    Private, loopback, link-local, multicast, unspecified, reserved, shared,
    benchmarking and documentation addresses are special, and what IANA's registries
    list beside them; an address that carries a special IPv4 one is.

    Raises:
        ValueError: The text is no address.
    """
    if isinstance(address, str):
        address = ip_address(address)
    address = carried(address)
    blocks = _BLOCKS[address.version]
    at = bisect_right(blocks, (int(address), inf)) - 1
    return at >= 0 and int(address) <= blocks[at][1]


def within(network: Network, other: Network) -> bool:
    """Tell whether a network is part of another, or is the same."""
    match network, other:
        case (IPv4Network() as one, IPv4Network() as two):
            return one.subnet_of(two)
        case (IPv6Network() as one, IPv6Network() as two):
            return one.subnet_of(two)
        case _:
            return False


def lies_in_special(network: Network) -> bool:
    """Tell whether a network is part of one special block."""
    blocks = _BLOCKS[network.version]
    at = bisect_right(blocks, (int(network.network_address), inf)) - 1
    return at >= 0 and int(network.broadcast_address) <= blocks[at][1]


def carries(network: Network) -> bool:
    """Tell whether all addresses of a network are taken as the IPv4 ones they carry."""
    return not within(network, _NOT_CARRIERS) and any(
        within(network, carrier) for carrier, _ in _CARRIERS
    )
