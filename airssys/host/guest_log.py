"""Write the log lines of guests, as far as each one's quota has room for them."""

from __future__ import annotations

from weakref import WeakKeyDictionary

import anyio
from attrs import define, field

from ..core.budget import Budget
from ..core.emitter import Emitter
from ..core.event import Logged
from ..core.units import show_size_rate
from ..hostcalls.call import Call

__all__ = ("GuestLog",)

_LINE = 40
"""Bytes that a line costs beside its text: the time, the level and a name."""


@define(eq=False)
class GuestLog:
    """The log of all guests of a host: each line is a `Logged` event."""

    emitter: Emitter
    _left_out: WeakKeyDictionary[Budget, int] = field(
        factory=WeakKeyDictionary, init=False
    )
    """Lines by the quota that had no room for them."""

    def write(
        self,
        call: Call,
        level: str,
        message: str,
        fields: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Write a line with the caller's name, or leave it out.

        The guest is not held up: it could be told nothing, and a log is no place to
        wait in. The next line that is let through comes after the number of those that
        were not.
        """
        size = len(message) + sum(len(key) + len(value) for key, value in fields)
        if self._has_room(call, size):
            self._emit(call, level, message, fields)

    def _emit(
        self, call: Call, level: str, message: str, fields: tuple[tuple[str, str], ...]
    ) -> None:
        self.emitter.emit(
            lambda at: Logged(
                at=at,
                subject=call.actor or call.component,
                level=level,
                message=message,
                fields=fields,
            )
        )

    def _has_room(self, call: Call, size: int) -> bool:
        budget = call.standing.budget
        if budget is None:
            return True
        now = anyio.current_time()
        if budget.debt("log", now):
            self._left_out[budget] = self._left_out.get(budget, 0) + 1
            return False
        # On credit, as a line that is longer than the quota must come through too.
        budget.charge("log", size + _LINE, now)
        if lost := self._left_out.pop(budget, 0):
            lines = "line was" if lost == 1 else "lines were"
            most = show_size_rate(int(budget.most("log")))
            self._emit(call, "warn", f"{lost} {lines} left out: more than {most}", ())
        return True
