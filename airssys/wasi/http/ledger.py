"""Bound what a guest keeps in the host by way of HTTP: fields, bodies, requests.

Each of them is small, but a guest can have many. So what all of one guest's hold
together is counted, and given back when the objects are gone, however they go.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from attrs import define, field

from ...hostcalls.call import Call, Standing
from ..polling import Source

__all__ = ("Ledger", "Ledgers")


@define(eq=False)
class Ledger:
    """What one guest holds of something, and the most that it may."""

    most: int
    used: int = field(default=0, init=False)
    _waiting: set[Source] = field(factory=set, init=False, repr=False)
    """Of what may have to wait for others to give something back."""

    @property
    def left(self) -> int:
        """How much more there may be."""
        return self.most - self.used

    def hold(self, amount: int) -> bool:
        """Count so much more; False: it would be too much, and nothing is counted."""
        if amount > self.left:
            return False
        self.used += amount
        return True

    def release(self, amount: int) -> None:
        """Count so much less; in any thread."""
        self.used -= amount

    def give_back(self, amount: int) -> None:
        """Count so much less, and tell who waits where there was nothing left."""
        full = self.left <= 0
        self.release(amount)
        if full:
            for source in tuple(self._waiting):
                source.touch()

    def watch(self, source: Source) -> None:
        """Touch a source when there is something left again."""
        self._waiting.add(source)

    def unwatch(self, source: Source) -> None:
        """Touch it no more."""
        self._waiting.discard(source)


@define(eq=False)
class Ledgers:
    """A ledger for each guest, or for all instances that share a `Standing`."""

    most: int
    _of: WeakKeyDictionary[Standing, Ledger] = field(
        factory=WeakKeyDictionary, init=False
    )

    def of(self, call: Call) -> Ledger:
        """Return the caller's."""
        found = self._of.get(call.standing)
        if found is None:
            found = self._of[call.standing] = Ledger(self.most)
        return found
