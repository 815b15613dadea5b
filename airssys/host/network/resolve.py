"""Look names and addresses up, through the system or from a table."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Address, ip_address
from typing import Final, Protocol, TypeVar
from weakref import WeakValueDictionary

import anyio
import anyio.lowlevel
import anyio.to_thread
from attrs import define, field, frozen

from ...core.grants.addresses import Address

__all__ = ("MOST_ADDRESSES", "Answer", "FixedResolver", "Resolver", "SystemResolver")

_T = TypeVar("_T")

MOST_ADDRESSES: Final = 64
"""Addresses of one name; what goes beyond is not looked at."""
_THREADS: Final = 32
"""Look-ups that are waited for at one time."""
_EACH: Final = 4
"""Of one asker at one time, with those it gave up: each keeps its thread until the
system answers, which can take half a minute. Others must not have to wait for that."""


@define(eq=False)
class _Asker:
    """The look-ups of one asker."""

    under_way: set[object] = field(factory=set, init=False)
    """Those that keep a thread, waited for or not."""
    waited: int = field(default=0, init=False)
    """How many of them somebody waits for."""
    _over: anyio.Event = field(factory=anyio.Event, init=False)

    async def wait_turn(self) -> None:
        """Wait until there may be another one.

        Raises:
            OSError: All were given up, and nobody knows when they end.
        """
        while len(self.under_way) >= _EACH:
            if not self.waited:
                raise socket.gaierror(
                    socket.EAI_AGAIN, "earlier look-ups that were given up go on still"
                )
            await self._over.wait()

    def end(self) -> None:
        """Note that nobody waits for one any more, as it is over or was given up."""
        self.waited -= 1
        self._over.set()
        self._over = anyio.Event()


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
    canonical: str = ""
    """What the name stands for, where that is another: an alias in DNS or in the hosts
    file, a short name with the system's search list. What is forbidden is so by it."""


class Resolver(Protocol):
    """**Protocol:** someone who knows names. It is cancelled when it takes too long."""

    async def lookup(self, name: str, *, asker: str) -> Answer:
        """Return the addresses of a name in normal form.

        Args:
            name: The name.
            asker: The id of the actor that wants to know, to share fairly.

        Raises:
            OSError: The name has no address, or nobody could tell.
        """
        ...

    async def reverse(self, address: Address, *, asker: str) -> str:
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

    _all: anyio.CapacityLimiter | None = field(default=None, init=False)
    _askers: WeakValueDictionary[str, _Asker] = field(
        factory=WeakValueDictionary, init=False
    )

    async def lookup(self, name: str, *, asker: str = "") -> Answer:
        found = await self._run(
            asker,
            lambda: socket.getaddrinfo(
                name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
            ),
        )
        canonical = next((each[3] for each in found if each[3]), "")
        addresses = tuple(str(sockaddr[0]) for *_, sockaddr in found)
        return Answer(addresses, None, canonical.lower().removesuffix("."))

    async def reverse(self, address: Address, *, asker: str = "") -> str:
        host, _ = await self._run(
            asker, lambda: socket.getnameinfo((str(address), 0), socket.NI_NAMEREQD)
        )
        return host

    async def _run(self, asker: str, look_up: Callable[[], _T]) -> _T:
        mine = self._askers.setdefault(asker, _Asker())
        await mine.wait_turn()
        if self._all is None:
            self._all = anyio.CapacityLimiter(_THREADS)
        # Whoever gets it first, the thread as it begins or the task as it gives up.
        turn = threading.Lock()
        mine.under_way.add(turn)
        mine.waited += 1

        def run() -> _T:
            if not turn.acquire(blocking=False):
                raise TimeoutError  # it was given up, so nobody hears of this
            try:
                return look_up()
            finally:
                mine.under_way.discard(turn)

        try:
            async with self._all:
                # Its own limiter: backends differ in whether what is given up counts.
                return await anyio.to_thread.run_sync(
                    run, abandon_on_cancel=True, limiter=anyio.CapacityLimiter(1)
                )
        finally:
            if turn.acquire(blocking=False):
                mine.under_way.discard(turn)
            mine.end()


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

    async def lookup(self, name: str, *, asker: str = "") -> Answer:  # noqa: ARG002
        await anyio.lowlevel.checkpoint()
        try:
            return self.names[name]
        except KeyError:
            raise _unknown(name) from None

    async def reverse(self, address: Address, *, asker: str = "") -> str:  # noqa: ARG002
        await anyio.lowlevel.checkpoint()
        for name, answer in self.names.items():
            if address in answer.addresses:
                return name
        raise _unknown(address)


def _unknown(asked: object) -> socket.gaierror:
    return socket.gaierror(socket.EAI_NONAME, f"nothing is known of {asked}")
