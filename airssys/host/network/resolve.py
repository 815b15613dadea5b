"""Look names and addresses up, through the system or from a table."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final, Protocol

import anyio
import anyio.lowlevel
import anyio.to_thread
from attrs import define, field, frozen

from ...core.addresses import Address

__all__ = ("MOST_ADDRESSES", "Answer", "FixedResolver", "Resolver", "SystemResolver")

MOST_ADDRESSES: Final = 64
"""Addresses of one name; what goes beyond is not looked at."""
_THREADS: Final = 8
"""Look-ups under way at one time. One that was given up keeps its thread until the
system answers, which can take half a minute: others of the host's must not run out."""


def _addresses(given: Iterable[Address | str]) -> tuple[Address, ...]:
    found = (
        ip_address(one) if isinstance(one, str) else one for one in dict.fromkeys(given)
    )
    # One with a zone belongs to a link of this host's, which no answer may choose.
    return tuple(
        one for one in found if isinstance(one, IPv4Address) or one.scope_id is None
    )[:MOST_ADDRESSES]


@frozen
class Answer:
    """The addresses of a name."""

    addresses: tuple[Address, ...] = field(converter=_addresses)
    ttl: int | None = None
    """Seconds for which it holds, where that is known."""


class Resolver(Protocol):
    """**Protocol:** someone who knows names. It is cancelled when it takes too long."""

    async def lookup(self, name: str) -> Answer:
        """Return the addresses of a name in normal form.

        Raises:
            OSError: There are none, or nobody could tell.
        """
        ...

    async def reverse(self, address: Address) -> str:
        """Return the name of an address.

        Raises:
            OSError: It has none, or nobody could tell.
        """
        ...


@define(eq=False)
class SystemResolver:
    """Ask the system as every program does, in worker threads.

    Its rules hold: the hosts file, the search list for short names, its cache.
    """

    _limiter: anyio.CapacityLimiter | None = field(default=None, init=False)

    async def lookup(self, name: str) -> Answer:
        found = await anyio.to_thread.run_sync(
            lambda: socket.getaddrinfo(name, None, type=socket.SOCK_STREAM),
            abandon_on_cancel=True,
            limiter=self._threads(),
        )
        return Answer(tuple(str(sockaddr[0]) for *_, sockaddr in found))

    async def reverse(self, address: Address) -> str:
        host, _ = await anyio.to_thread.run_sync(
            lambda: socket.getnameinfo((str(address), 0), socket.NI_NAMEREQD),
            abandon_on_cancel=True,
            limiter=self._threads(),
        )
        return host

    def _threads(self) -> anyio.CapacityLimiter:
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(_THREADS)
        return self._limiter


def _table(
    given: Mapping[str, Answer | Iterable[Address | str]],
) -> Mapping[str, Answer]:
    return {
        name: one if isinstance(one, Answer) else Answer(one)
        for name, one in given.items()
    }


@frozen
class FixedResolver:
    """Know some names from a table, and no others: nothing is asked of anybody."""

    names: Mapping[str, Answer] = field(converter=_table)
    """By name in normal form; each an `Answer`, or addresses."""

    async def lookup(self, name: str) -> Answer:
        await anyio.lowlevel.checkpoint()
        try:
            return self.names[name]
        except KeyError:
            raise _unknown(name) from None

    async def reverse(self, address: IPv4Address | IPv6Address) -> str:
        await anyio.lowlevel.checkpoint()
        for name, answer in self.names.items():
            if address in answer.addresses:
                return name
        raise _unknown(address)


def _unknown(asked: object) -> socket.gaierror:
    return socket.gaierror(socket.EAI_NONAME, f"nothing is known of {asked}")
