"""Keep what guests were told of names, and what they hold without a grant.

A guest of ``airssys:ext-network`` connects by name. A program for POSIX looks a name up
first and then connects to an address, so the grant of the name must hold for what its
own look-up has said, and for nothing else.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final
from weakref import WeakKeyDictionary

from attrs import define, field, frozen

from ...core.grants.addresses import Address
from ...hostcalls.call import Call, Standing

__all__ = ("MOST_KNOWN", "Dealings", "Lead", "Ledger")

MOST_KNOWN: Final = 1024
"""Addresses that are kept of one guest; what was told first goes first."""
_MOST_NAMES: Final = 8
"""Names that are kept of one address."""


@frozen
class Lead:
    """A name that led to an address."""

    name: str
    """In normal form, as it was asked for."""
    canonical: str = ""
    """What it stands for, where that is another."""


@define(eq=False)
class Dealings:
    """What one guest was told, and has."""

    looking: int = 0
    """Look-ups under way."""
    ungranted: int = 0
    """Sockets that were opened without any grant of the network."""
    _leads: OrderedDict[Address, tuple[Lead, ...]] = field(
        factory=OrderedDict, init=False
    )

    def learn(self, lead: Lead, addresses: Iterable[Address]) -> None:
        """Note where a look-up that was allowed has led."""
        for address in addresses:
            others = (one for one in self._leads.pop(address, ()) if one != lead)
            self._leads[address] = (lead, *others)[:_MOST_NAMES]
            if len(self._leads) > MOST_KNOWN:
                self._leads.popitem(last=False)

    def leads(self, address: Address) -> tuple[Lead, ...]:
        """Return the names that led to an address, the last one first."""
        return self._leads.get(address, ())


@define(eq=False)
class Ledger:
    """The dealings of all guests, by their standing: who shares it is one guest."""

    _dealings: WeakKeyDictionary[Standing, Dealings] = field(
        factory=WeakKeyDictionary, init=False
    )

    def of(self, call: Call) -> Dealings:
        """Return those of a caller."""
        return self._dealings.setdefault(call.standing, Dealings())
