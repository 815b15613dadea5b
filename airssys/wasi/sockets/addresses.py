"""Read the addresses that guests give, as strictly as WASI says, and write them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from ...core.grants.addresses import Address
from ...host.network.addresses import Family, Peer, address_of, address_value
from ...witmodel.types import Variant
from .errors import refuse

__all__ = (
    "literal_of",
    "local_of",
    "plain",
    "remote_of",
    "socket_address",
    "unicast_of",
)

_BROADCAST: Final = IPv4Address("255.255.255.255")
_LONGEST: Final = 64
"""Characters of an address in words."""


def local_of(given: Variant, family: Family) -> Peer:
    """Read an ``ip-socket-address`` to bind to.

    Raises:
        WitError: It is of the other family, of a group, or one that carries an IPv4
            address.
    """
    peer = _peer_of(given, family)
    if not _is_unicast(peer.address):
        refuse("invalid-argument")
    return peer


def remote_of(given: Variant, family: Family) -> Peer:
    """Read an ``ip-socket-address`` to send datagrams to: a group's is one too.

    Raises:
        WitError: It is of the other family, or one that carries an IPv4 address; or it
            names no host, or no port.
    """
    peer = _peer_of(given, family)
    if peer.address.is_unspecified or not peer.port:
        refuse("invalid-argument")
    return peer


def unicast_of(given: Variant, family: Family) -> Peer:
    """Read an ``ip-socket-address`` to connect to.

    Raises:
        WitError: As for `remote_of`; or it is a group's.
    """
    peer = remote_of(given, family)
    if not _is_unicast(peer.address):
        refuse("invalid-argument")
    return peer


def _peer_of(given: Variant, family: Family) -> Peer:
    record: Any = given.value
    if given.case != family:
        refuse("invalid-argument")
    address = address_of(Variant(given.case, record.address))
    # A scope is a link of the host's, which is not for guests to choose; and a second
    # spelling of an IPv4 address is none that a socket for IPv6 takes.
    if isinstance(address, IPv6Address) and (
        record.scope_id or address.ipv4_mapped is not None
    ):
        refuse("invalid-argument")
    return Peer(address, record.port)


def _is_unicast(address: Address) -> bool:
    return not address.is_multicast and address != _BROADCAST


def socket_address(peer: Peer) -> Variant:
    """Write an ``ip-socket-address``."""
    address = address_value(peer.address)
    record: dict[str, object] = {"port": peer.port, "address": address.value}
    if address.case == "ipv6":
        record |= {"flow-info": 0, "scope-id": 0}
    return Variant(address.case, record)


def literal_of(text: str) -> Address | None:
    """Read an address in words, in brackets or without; None: it is a name.

    Raises:
        ValueError: It names a link of the host's after ``%``.
    """
    if len(text) > _LONGEST:
        return None
    inside = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        address = ip_address(inside)
    except ValueError:
        return None
    if "%" in inside:
        raise ValueError("it names a link of the host after '%'")
    return plain(address)


def plain(address: Address) -> Address:
    """Return the IPv4 address of one that is written as an IPv6 address."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
