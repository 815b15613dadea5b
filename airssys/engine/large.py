"""Hold large values to the limits of the instance that they come from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from attrs import frozen

from ..core.errors import OutOfFuel, ValuesTooLarge
from ..core.limits import Limits
from .fiber import Store
from .values.pieces import Held, Meter, TooHeavy

__all__ = ("LargeValues",)


@frozen
class LargeValues:
    """What values of one instance may weigh, and cost."""

    component: str
    limits: Limits

    def too_large(self, function: str, what: str) -> ValuesTooLarge:
        """Return the error for values that weigh more than the limit."""
        return ValuesTooLarge(self.component, function, what, self.limits.values)

    @contextmanager
    def lifting(
        self, store: Store, held: Held, function: str, what: str
    ) -> Iterator[Meter]:
        """Free the values after the block, which lifts them; charge what it lifted.

        A unit of fuel is an instruction, and a byte of Python takes about as long.
        Small values are not charged: they cost no more than the call.

        Raises:
            ValuesTooLarge: They weigh more than the limit.
            OutOfFuel: The call has not the fuel for them.
        """
        meter = Meter(self.limits.values)
        try:
            yield meter
        except TooHeavy:
            raise self.too_large(function, what) from None
        finally:
            held.delete()
            paid = store.charge(meter.taken)
        if not paid:
            assert self.limits.fuel is not None
            raise OutOfFuel(self.component, function, self.limits.fuel)
