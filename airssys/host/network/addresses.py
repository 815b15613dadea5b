"""Read the addresses and names that guests give, and write addresses for them."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final, Literal, TypeAlias

import idna
from attrs import frozen

from ...core.grants.addresses import Address
from ...core.grants.capabilities import Network
from ...witmodel.types import Variant

__all__ = (
    "Family",
    "Named",
    "Peer",
    "Target",
    "address_of",
    "address_value",
    "family_of",
    "normal_name",
    "peer_of",
    "peer_value",
    "socket_name",
    "target_of",
)

Family: TypeAlias = Literal["ipv4", "ipv6"]

_LABEL: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
# What resolvers take for a number, and with it the whole for an address: 127.1,
# 0x7f000001, 0177.0.0.1 (WHATWG's URL, "ends in a number").
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LONGEST_NAME: Final = 253
_LONGEST_TEXT: Final = 4 * _LONGEST_NAME
"""Characters of a name before it is encoded: a bound on the work, not a rule."""


@frozen
class Peer:
    """An address and a port."""

    address: Address
    port: int

    @property
    def family(self) -> Family:
        return family_of(self.address)

    @property
    def host(self) -> str:
        return str(self.address)

    @property
    def outbound(self) -> Network:
        """The capability that sending to this address takes."""
        return Network("outbound", str(self))

    def __str__(self) -> str:
        if isinstance(self.address, IPv6Address):
            return f"[{self.address}]:{self.port}"
        return f"{self.address}:{self.port}"


@frozen
class Named:
    """A name in normal form and a port."""

    name: str
    port: int

    @property
    def host(self) -> str:
        return self.name

    @property
    def outbound(self) -> Network:
        """The capability that connecting by this name takes."""
        return Network("outbound", str(self))

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


Target: TypeAlias = Peer | Named
"""Where a guest wants to connect to."""


def normal_name(text: str) -> str:
    """Return a host name in lowercase ASCII, without a final dot.

    Other alphabets are encoded as IDNA 2008 says, after the mapping of UTS 46; what
    becomes of it is judged like any other name, so a look-alike is another name.

    Raises:
        ValueError: It is no host name, or one that could be read as an address.
    """
    name = text
    if not text.isascii() and len(text) <= _LONGEST_TEXT:
        try:
            encoded = idna.encode(text, uts46=True, std3_rules=True)
        except idna.IDNAError as error:
            raise ValueError(f"{text[:_LONGEST_NAME]!r} is no host name") from error
        name = encoded.decode("ascii")
    name = name.lower().removesuffix(".")
    labels = name.split(".") if len(name) <= _LONGEST_NAME else [""]
    if not all(map(_LABEL.fullmatch, labels)):
        raise ValueError(f"{text[:_LONGEST_NAME]!r} is no host name")
    if _NUMBER.fullmatch(labels[-1]):
        raise ValueError(
            f"{text!r} is neither a host name nor an address in its usual spelling"
        )
    return name


def target_of(endpoint: Variant) -> Target:
    """Read an ``endpoint``.

    Raises:
        ValueError: It names no host.
    """
    given: Any = endpoint.value
    if endpoint.case == "address":
        return peer_of(given)
    text, port = given
    if len(text) > _LONGEST_TEXT:  # before it is split into millions of parts
        raise ValueError(f"{text[:_LONGEST_NAME]!r}... is no host name")
    try:
        address = ip_address(text)
    except ValueError:
        return Named(normal_name(text), port)
    if "%" in text:
        raise ValueError(f"{text!r} names a link of the host after '%'")
    return Peer(address, port)


def address_of(value: Variant) -> Address:
    """Read an ``address``."""
    parts: Any = value.value
    if value.case == "ipv4":
        return IPv4Address(bytes(parts))
    return IPv6Address(b"".join(part.to_bytes(2, "big") for part in parts))


def address_value(address: Address) -> Variant:
    """Write an ``address``."""
    packed = address.packed
    if isinstance(address, IPv4Address):
        return Variant("ipv4", tuple(packed))
    pairs = zip(packed[::2], packed[1::2])
    return Variant("ipv6", tuple(high << 8 | low for high, low in pairs))


def peer_of(record: Any) -> Peer:
    """Read a ``socket-address``."""
    return Peer(address_of(record.address), record.port)


def peer_value(peer: Peer) -> dict[str, object]:
    """Write a ``socket-address``."""
    return {"address": address_value(peer.address), "port": peer.port}


def family_of(address: Address) -> Family:
    """Return the family of an address."""
    return "ipv4" if isinstance(address, IPv4Address) else "ipv6"


def socket_name(name: Any) -> Peer:
    """Read what the system says of a socket's end."""
    host, port = name[:2]
    return Peer(ip_address(host.partition("%")[0]), port)
