"""Bound what a guest keeps in the host by way of HTTP: fields, bodies, requests.

Each of them is small, but a guest can have many. So what all of one guest's hold
together is counted, and given back when the objects are gone, however they go.
"""

from __future__ import annotations

from weakref import WeakKeyDictionary

from attrs import define, field

from ...hostcalls.call import Call, Standing

__all__ = ("Ledger", "Ledgers")


@define(eq=False)
class Ledger:
    """What one guest holds of something, and the most that it may."""

    most: int
    used: int = field(default=0, init=False)

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
        """Count so much less."""
        self.used -= amount


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
