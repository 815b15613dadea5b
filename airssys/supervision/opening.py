"""Open a supervisor: a nursery, the children's siblings, and who attends to them."""

from __future__ import annotations

import random as _random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

import anyio

from ..core.emitter import Emitter
from ..core.event import Instrument
from ..core.restart import (
    AutoShutdown,
    Backoff,
    Intensity,
    StopOrder,
    Strategy,
    Supervision,
    SupervisorRules,
)
from ..isolated import Isolated
from ..uncut import keep_cancels, keeping_cancels, native_cancels, uncut
from .attendant import Attendant
from .child import Siblings
from .supervisor import Supervisor
from .turns import Turns

__all__ = ("open_supervisor", "run_supervisor")


@asynccontextmanager
async def open_supervisor(
    *,
    name: str = "supervisor",
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: Intensity = Intensity(),  # noqa: B008 - a frozen value
    backoff: Backoff = Backoff(),  # noqa: B008 - a frozen value
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    stop: StopOrder | Literal["ordered", "together"] = StopOrder.ORDERED,
    instrument: Instrument | None = None,
    random: Callable[[], float] = _random.random,
) -> AsyncIterator[Supervisor]:
    """Open a supervisor; leaving the block stops its children in reverse order.

    However the block is left (its end, an exception, a cancellation from outside), the
    block ends first and the children are stopped after it. Children are shielded from
    cancellations from outside until then, so each has its ``shutdown`` seconds.

    The supervisor itself ends the block, by cancelling it, when restarts run out (then
    `RestartsExhausted` leaves the block, in an ExceptionGroup, as from any nursery) and
    when ``auto_shutdown`` says so (then the block ends as if by itself).

    Args:
        name: Names the supervisor in events and errors.
        strategy: Which siblings a restart takes along.
        intensity: How many restarts within how many seconds are too many.
        backoff: How long a child waits before it is started again.
        auto_shutdown: Whether the end of significant children ends the supervisor.
        stop: Whether children are stopped one after the other, the last first, so that
            their graces add up, or all together.
        instrument: Gets every event. Its first error is logged, and no other.
        random: Gives numbers from 0 up to 1, for the jitter of ``backoff``.
    """
    rules = SupervisorRules(
        strategy=strategy,
        intensity=intensity,
        backoff=backoff,
        auto_shutdown=auto_shutdown,
        stop=stop,
    )
    told = None if instrument is None else Isolated(instrument)
    async with (
        keeping_cancels(),
        run_supervisor(rules, name=name, instrument=told, random=random) as supervisor,
    ):
        yield supervisor


@asynccontextmanager
async def run_supervisor(
    rules: SupervisorRules,
    *,
    name: str,
    instrument: Instrument | None,
    random: Callable[[], float],
) -> AsyncIterator[Supervisor]:
    """Open a supervisor as `open_supervisor` does, with its rules as one value."""
    before = native_cancels()
    async with anyio.create_task_group() as nursery:
        turns = Turns(name)
        emitter = Emitter(instrument, anyio.current_time)
        siblings = Siblings(name, emitter, nursery, turns)
        attendant = Attendant(
            siblings=siblings, turns=turns, state=Supervision(rules), random=random
        )
        nursery.start_soon(attendant.attend, name=f"{name}: attend")
        try:
            yield Supervisor(siblings=siblings, turns=turns, rules=rules)
        finally:
            await uncut(attendant.leave)
            if siblings.fatal is not None:
                raise siblings.fatal
    # It ended as if by itself: older anyio takes a cancel of those cycles for its own.
    keep_cancels(before if nursery.cancel_scope.cancel_called else native_cancels())
