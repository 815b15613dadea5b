"""Call the guest of an actor: tell of what was cut off, charge what it computed."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, Self

import anyio
from attrs import frozen

from ..core.budget import Budget
from ..core.errors import (
    GuestExited,
    GuestTrapped,
    OutOfComputing,
    OutOfFuel,
    OutOfMemory,
    Overtime,
    TooManyHandles,
    ValuesTooLarge,
    WitError,
)
from ..core.event import CallCut
from ..core.limits import Limits, Usage
from ..engine.meter import Metered
from .registry import ActorEntry, Registry

__all__ = ("Callee", "GuestCalls")


class Callee(Protocol):
    """**Protocol:** what a component actor needs of an `airssys.Instance`."""

    @property
    def limits(self) -> Limits: ...
    @property
    def usage(self) -> Usage: ...
    async def call(self, export: str, *args: Any) -> Any: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
        /,
    ) -> None: ...


@frozen(eq=False)
class GuestCalls:
    """The calls of one instance, in the name of an actor."""

    instance: Callee
    entry: ActorEntry
    registry: Registry

    @property
    def budget(self) -> Budget | None:
        """What is left of the actor's quota; None: it has none."""
        standing = self.entry.standing
        return None if standing is None else standing.budget

    async def call(self, export: str, *args: object) -> Any:
        """Call an exported function, as `airssys.Instance.call` does."""
        why = "cancelled"
        try:
            budget = self.budget
            if budget is None or not budget.rates["cpu"]:
                result = await self.instance.call(export, *args)
            else:
                result = await self._metered(budget, export, *args)
            why = ""
        except (WitError, GuestExited):
            why = ""
            raise
        except Exception as error:
            why = _cut_by(error)
            raise
        finally:
            if why:
                self._note_cut(export, why)
        return result

    def _note_cut(self, export: str, why: str) -> None:
        self.registry.office.emitter.emit(
            lambda at: CallCut(at=at, subject=self.entry.id, export=export, why=why)
        )

    async def _metered(self, budget: Budget, export: str, *args: object) -> Any:
        """Call the guest and charge the actor what it computed."""
        threaded = self.instance.usage.threaded
        call = Metered(self.instance.call(export, *args))
        try:
            return await call
        finally:
            used = call.seconds + self.instance.usage.threaded - threaded
            budget.charge("cpu", used, anyio.current_time())


def _cut_by(error: Exception) -> str:
    match error:
        case OutOfFuel():
            return "fuel"
        case Overtime():
            return "time"
        case OutOfComputing():
            return "computing"
        case OutOfMemory():
            return "memory"
        case ValuesTooLarge():
            return "values"
        case TooManyHandles():
            return "handles"
        case GuestTrapped():
            return "trap"
        case _:
            return "host"
