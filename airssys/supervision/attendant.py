"""Attend to children that end by themselves: carry out what `core.restart` decides."""

from __future__ import annotations

import logging
from collections.abc import Callable
from heapq import heapify, heappop, heappush
from math import inf

import anyio
from attrs import define, field

from ..core.child import Crashed
from ..core.errors import RestartsExhausted
from ..core.event import ChildRestarting, SupervisorGaveUp
from ..core.restart import (
    Escalate,
    Forget,
    Keep,
    RestartChildren,
    ShutDown,
    StopOrder,
    Supervision,
)
from ..uncut import forget_cancel, was_cancelled_here
from .child import Child, Siblings
from .status import ChildState
from .turns import STOPPING, Turns

__all__ = ("Attendant",)


@define(eq=False, kw_only=True)
class Attendant:
    """Decides about each exit, starts children again, and stops them all at the end."""

    siblings: Siblings
    turns: Turns
    state: Supervision
    random: Callable[[], float]
    _due: list[tuple[float, tuple[str, ...]]] = field(factory=list, init=False)
    """A heap of restarts to come: when, and of which children."""
    _attending: anyio.CancelScope = field(factory=anyio.CancelScope, init=False)

    async def attend(self) -> None:
        """Attend to exits, and to restarts that are due, whenever the turn comes."""
        with self._attending:
            while not self.turns.closing:
                try:
                    await self._attend_once()
                except anyio.get_cancelled_exc_class():
                    # On asyncio anybody can cancel this task, which the children need.
                    if was_cancelled_here():
                        raise
                    forget_cancel()

    async def _attend_once(self) -> None:
        await self.turns.take_own(self._due[0][0] if self._due else inf)
        try:
            # What happens meanwhile waits for the next turn: calls are not kept waiting
            # by a child that falls again and again.
            while not self.turns.own_wanted and not self.turns.closing:
                if self.siblings.fallen:
                    await self._decide(self.siblings.fallen.popleft())
                elif self._due and self._due[0][0] <= anyio.current_time():
                    await self._start_again(heappop(self._due)[1])
                else:
                    break
        finally:
            self.turns.pass_on()

    async def _decide(self, child: Child) -> None:
        """Carry out what the rules say about a child that ended by itself."""
        how, child.fallen = child.fallen, None
        if how is None:
            return  # It was stopped, or taken along, since.
        self.state, decision = self.state.exited(
            child.spec.id,
            how,
            self.siblings.by_id,
            now=anyio.current_time(),
            random=self._chance(),
        )
        match decision:
            case Keep():
                child.give_up()
            case Forget():
                self.siblings.forget(child)
            case RestartChildren():
                await self._restart(child, decision)
            case ShutDown():
                self.turns.closing = True
                self.siblings.nursery.cancel_scope.cancel()
            case Escalate(history):
                self.turns.closing = True
                self.siblings.emitter.emit(
                    lambda at: SupervisorGaveUp(
                        at=at,
                        subject=self.siblings.name,
                        child=child.spec.id,
                        history=history,
                    )
                )
                allowed = self.state.rules.intensity
                raise RestartsExhausted(
                    self.siblings.name,
                    child.spec.id,
                    allowed.restarts,
                    allowed.period,
                    history,
                ) from (how.error if isinstance(how, Crashed) else None)

    def _chance(self) -> float:
        """Return a random number; one that cannot be had takes nobody down."""
        try:
            return float(self.random())
        except Exception:
            logging.getLogger("airssys").exception(
                "supervisor %r: its random() failed; delays are as without jitter",
                self.siblings.name,
            )
            return 0.0

    async def _restart(self, child: Child, decision: RestartChildren) -> None:
        due = anyio.current_time() + decision.delay
        child.state = ChildState.RESTARTING
        along = tuple(other for other in decision.start if other != child.spec.id)
        self.siblings.emitter.emit(
            lambda at: ChildRestarting(
                at=at,
                subject=child.spec.id,
                supervisor=self.siblings.name,
                delay=decision.delay,
                taken_along=along,
            )
        )
        # Children that an earlier restart was to start, and that are part of this one,
        # wait for this one.
        self._due = [
            (at, tuple(other for other in ids if other not in decision.start))
            for at, ids in self._due
        ]
        heapify(self._due)
        with anyio.CancelScope(shield=True):
            await self._stop_all(decision.stop, along)
        for other in along:
            if (sibling := self.siblings.by_id.get(other)) is not None:
                sibling.state, sibling.fallen = ChildState.RESTARTING, None
        heappush(self._due, (due, decision.start))

    async def _start_again(self, ids: tuple[str, ...]) -> None:
        """Start children in order; one that fails to start has ended once more."""
        for index, each in enumerate(ids):
            child = self.siblings.by_id.get(each)
            if child is None or child.state is not ChildState.RESTARTING:
                continue  # It was removed, stopped or restarted by hand since.
            child.restarts += 1
            try:
                await child.begin()
            except Exception as error:  # noqa: BLE001 - the rules decide about it
                if child.was_stopped:
                    continue
                child.state, child.fallen = ChildState.EXITED, Crashed(error)
                self.siblings.fallen.appendleft(child)
                heappush(self._due, (anyio.current_time(), ids[index + 1 :]))
                self.turns.want_own()
                return

    async def leave(self) -> None:
        """Stop all children, the last one first."""
        self.turns.closing = True
        self._attending.cancel()
        self.turns.refuse(STOPPING)
        await self._stop_all(tuple(reversed(self.siblings.by_id)), None)

    async def _stop_all(
        self, ids: tuple[str, ...], along: tuple[str, ...] | None
    ) -> None:
        """Stop children in this order, or together.

        Args:
            ids: Which.
            along: Those whose specs are kept for a restart; None: they end for good.
        """
        match self.state.rules.stop:
            case StopOrder.ORDERED:
                for each in ids:
                    await self._stop_along(each, along)
            case StopOrder.TOGETHER:
                async with anyio.create_task_group() as nursery:
                    for each in ids:
                        nursery.start_soon(self._stop_along, each, along)

    async def _stop_along(self, id: str, along: tuple[str, ...] | None) -> None:  # noqa: A002
        child = self.siblings.by_id.get(id)
        if child is None:
            return  # Its removal was under way.
        if along is not None:
            child.kept = child.kept and id in along
        child.for_good = along is None
        await child.stop()
