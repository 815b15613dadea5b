"""Run children under supervision: a nursery that carries out `core.restart`.

Each child is a task. The supervisor starts children in order, one at a time, and stops
them in reverse; when one ends by itself, the rules decide what follows.
"""

from __future__ import annotations

import random as _random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from heapq import heapify, heappop, heappush
from math import inf
from typing import Literal

import anyio
import anyio.abc
import anyio.lowlevel
from attrs import define, field

from ..core.child import ChildSpec, Crashed, Stopped
from ..core.emitter import Emitter
from ..core.errors import ChildRefused, DuplicateChild, RestartsExhausted
from ..core.event import ChildRestarting, Instrument, SupervisorGaveUp
from ..core.restart import (
    AutoShutdown,
    Backoff,
    Escalate,
    Forget,
    Intensity,
    Keep,
    RestartChildren,
    ShutDown,
    StopOrder,
    Strategy,
    Supervision,
    SupervisorRules,
)
from ..isolated import Isolated
from ..uncut import keep_cancels, keeping_cancels, native_cancels, uncut
from .child import Child, Siblings
from .status import ChildState, ChildStatus
from .turns import STOPPING, Turns

__all__ = (
    "Supervisor",
    "open_supervisor",
    "run_supervisor",
)


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
        stop=StopOrder(stop),
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
        supervisor = Supervisor(
            siblings=Siblings(
                name, Emitter(instrument, anyio.current_time), nursery, turns
            ),
            turns=turns,
            state=Supervision(rules),
            random=random,
        )
        nursery.start_soon(supervisor._attend, name=f"{name}: attend")  # noqa: SLF001
        try:
            yield supervisor
        finally:
            await uncut(supervisor._leave)  # noqa: SLF001
            fatal = supervisor._siblings.fatal  # noqa: SLF001
            if fatal is not None:
                raise fatal
    # It ended as if by itself: older anyio takes a cancel of those cycles for its own.
    keep_cancels(before if nursery.cancel_scope.cancel_called else native_cancels())


@define(eq=False)
class _Anew:
    """A restart by hand, which goes on when its caller has been cancelled."""

    child: Child
    done: anyio.Event = field(factory=anyio.Event, init=False)
    awaited: bool = field(default=True, init=False)
    """Whether the caller is still there to be told how it ended."""
    value: object = field(default=None, init=False)
    failed: Exception | None = field(default=None, init=False)


@define(eq=False, kw_only=True)
class Supervisor:
    """Starts, stops and restarts children; made by `open_supervisor`.

    Calls and exits are dealt with one at a time, in the order they came. A call from
    inside a child that is itself being started or stopped would wait for itself, so it
    fails with `ChildRefused`; so do all calls once the supervisor is stopping.
    """

    _siblings: Siblings
    _turns: Turns
    _state: Supervision
    _random: Callable[[], float]
    _due: list[tuple[float, tuple[str, ...]]] = field(factory=list, init=False)
    """A heap of restarts to come: when, and of which children."""
    _attending: anyio.CancelScope = field(factory=anyio.CancelScope, init=False)

    @property
    def name(self) -> str:
        """Its name in events and errors."""
        return self._siblings.name

    @property
    def children(self) -> tuple[ChildStatus, ...]:
        """All children at this moment, in start order."""
        return tuple(_status(child) for child in self._siblings.by_id.values())

    async def start(self, spec: ChildSpec) -> object:
        """Start a child and return the value it passes to ``task_status.started()``.

        The id of a child that was stopped, or has ended for good, is free: the new spec
        replaces the old one, at the end of the order.

        Raises:
            DuplicateChild: A child of that id runs, or is about to be restarted.
            ValueError: The child is significant and ``auto_shutdown`` is never.
            ChildRefused: The supervisor cannot start children now, or the child
                returned before it had started.
            Exception: What the child raised before it had started. It is not restarted
                and its id stays free.
        """
        self._state.rules.check(spec)
        await anyio.lowlevel.checkpoint_if_cancelled()
        await self._turns.take(spec.id, "start", self._siblings.caller())
        try:
            known = self._siblings.by_id.get(spec.id)
            if known is not None and (known.active or known.fallen is not None):
                raise DuplicateChild(self.name, spec.id, known.state.value)
            child = Child(spec, self._siblings)
            self._siblings.by_id[spec.id] = child
            started = False
            try:
                value = await child.begin()
                started = True
            finally:
                if started and known is not None:
                    self._siblings.by_id[spec.id] = self._siblings.by_id.pop(spec.id)
                elif known is not None:
                    child.fallen = None
                    self._siblings.by_id[spec.id] = known
                    child.give_up()
                elif not started:
                    self._siblings.forget(child)
            return value
        finally:
            self._turns.pass_on()

    async def stop(self, id: str) -> None:  # noqa: A002 - the spec's word
        """Stop a child and wait until it has ended; keep its spec.

        The child is asked, given its ``shutdown`` seconds, and cut off; one that waits
        for its restart is not restarted. It stays stopped until `restart`, or `start`
        with that id, or until the restart of a sibling takes it along (as in OTP;
        `remove` it to prevent that). A temporary child's spec is not kept.

        A child that stops itself is cut off at once, and the call does not return. If
        the caller is cancelled, the child is cut off at once. A child that has not
        started yet is cut off at once too, and its `start` fails with `ChildRefused`.

        Raises:
            NoSuchChild: The supervisor has no child of that id.
            ChildRefused: The supervisor cannot stop children now.
        """
        await self._stop_one(id, "stop", forget=False)

    async def remove(self, id: str) -> None:  # noqa: A002 - the spec's word
        """Stop a child as `stop` does, and forget its spec."""
        await self._stop_one(id, "remove", forget=True)

    async def restart(self, id: str) -> object:  # noqa: A002 - the spec's word
        """Stop a child if it runs, start it anew from its spec, and return its value.

        This does not count against the intensity and waits for no backoff. If the start
        fails, the child's exception is raised here and the child stays as it is. If the
        caller is cancelled once the child is being stopped, the restart goes on without
        it; the rules decide what follows if it fails then.

        Raises:
            NoSuchChild: The supervisor has no child of that id.
            ChildRefused: The supervisor cannot restart children now, or the call comes
                from inside that child: it would end with it. Let the child return or
                raise instead, and the rules restart it.
        """
        caller = self._siblings.caller()
        if caller is not None and caller.spec.id == id:
            why = "the call comes from inside that child, and would end with it"
            raise ChildRefused(self.name, id, "restart", why)
        await anyio.lowlevel.checkpoint_if_cancelled()
        await self._turns.take(id, "restart", caller)
        anew = None
        try:
            self._turns.check(id, "restart")
            anew = _Anew(self._siblings.known(id))
            # Not by the caller, who may be cancelled half-way.
            self._siblings.nursery.start_soon(
                self._restart_by_hand, anew, name=f"{self.name}: restart {id}"
            )
        finally:
            if anew is None:
                self._turns.pass_on()
        heard = False
        try:
            await anew.done.wait()
            heard = True
        finally:
            anew.awaited = heard
            if anew.done.is_set() and not heard:
                self._leave_to_rules(anew)
        if anew.failed is not None:
            raise anew.failed
        return anew.value

    async def _restart_by_hand(self, anew: _Anew) -> None:
        """Carry out a `restart`, whether or not its caller still waits for it."""
        child = anew.child
        try:
            # Leaving the supervisor stops the child, and so ends this.
            with anyio.CancelScope(shield=True):
                # Even if a removal is still under way.
                child.kept, child.for_good = True, False
                await child.stop()
                child.restarts += 1
                anew.value = await child.begin()
        except Exception as error:  # noqa: BLE001 - the caller's, or the rules decide
            anew.failed = error
        finally:
            self._turns.pass_on()
            anew.done.set()
            if not anew.awaited:
                self._leave_to_rules(anew)

    def _leave_to_rules(self, anew: _Anew) -> None:
        """Let the rules decide about a restart that failed, as its caller cannot."""
        child = anew.child
        if anew.failed is None or self._turns.closing or child.active:
            return
        if _was_stopped(child):
            return
        child.state, child.fallen = ChildState.EXITED, Crashed(anew.failed)
        self._siblings.fallen.append(child)
        self._turns.want_own()

    async def _stop_one(self, id: str, tried: str, *, forget: bool) -> None:  # noqa: A002
        await anyio.lowlevel.checkpoint()
        starting = self._siblings.by_id.get(id)
        cut = False
        if starting is not None and starting is not self._siblings.caller():
            # Its start has the turn; should it hang, it would hold up this for ever.
            cut = starting.cut_start()
        await self._turns.take(id, tried, self._siblings.caller())
        try:
            if cut and id not in self._siblings.by_id:
                return  # It was the first start, so that nothing is left of it.
            child = self._siblings.known(id)
            child.kept = not forget and child.spec.restart.keeps_spec
            child.for_good = True
            await child.stop(at_once=self._siblings.caller() is child)
        finally:
            self._turns.pass_on()

    async def _attend(self) -> None:
        """Attend to exits, and to restarts that are due, whenever the turn comes."""
        with self._attending:
            while not self._turns.closing:
                await self._turns.take_own(self._due[0][0] if self._due else inf)
                try:
                    # What happens meanwhile waits for the next turn: calls are not
                    # kept waiting by a child that falls again and again.
                    while not self._turns.own_wanted and not self._turns.closing:
                        if self._siblings.fallen:
                            await self._decide(self._siblings.fallen.popleft())
                        elif self._due and self._due[0][0] <= anyio.current_time():
                            await self._start_again(heappop(self._due)[1])
                        else:
                            break
                finally:
                    self._turns.pass_on()

    async def _decide(self, child: Child) -> None:
        """Carry out what the rules say about a child that ended by itself."""
        how, child.fallen = child.fallen, None
        if how is None:
            return  # It was stopped, or taken along, since.
        self._state, decision = self._state.exited(
            child.spec.id,
            how,
            self._siblings.by_id,
            now=anyio.current_time(),
            random=self._random(),
        )
        match decision:
            case Keep():
                child.give_up()
            case Forget():
                self._siblings.forget(child)
            case RestartChildren():
                await self._restart(child, decision)
            case ShutDown():
                self._turns.closing = True
                self._siblings.nursery.cancel_scope.cancel()
            case Escalate(history):
                self._turns.closing = True
                self._siblings.emitter.emit(
                    lambda at: SupervisorGaveUp(
                        at=at,
                        subject=self.name,
                        child=child.spec.id,
                        history=history,
                    )
                )
                allowed = self._state.rules.intensity
                raise RestartsExhausted(
                    self.name,
                    child.spec.id,
                    allowed.restarts,
                    allowed.period,
                    history,
                ) from (how.error if isinstance(how, Crashed) else None)

    async def _restart(self, child: Child, decision: RestartChildren) -> None:
        due = anyio.current_time() + decision.delay
        child.state = ChildState.RESTARTING
        along = tuple(other for other in decision.start if other != child.spec.id)
        self._siblings.emitter.emit(
            lambda at: ChildRestarting(
                at=at,
                subject=child.spec.id,
                supervisor=self.name,
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
            if (sibling := self._siblings.by_id.get(other)) is not None:
                sibling.state, sibling.fallen = ChildState.RESTARTING, None
        heappush(self._due, (due, decision.start))

    async def _start_again(self, ids: tuple[str, ...]) -> None:
        """Start children in order; one that fails to start has ended once more."""
        for index, each in enumerate(ids):
            child = self._siblings.by_id.get(each)
            if child is None or child.state is not ChildState.RESTARTING:
                continue  # It was removed, stopped or restarted by hand since.
            child.restarts += 1
            try:
                await child.begin()
            except Exception as error:  # noqa: BLE001 - the rules decide about it
                if _was_stopped(child):
                    continue
                child.state, child.fallen = ChildState.EXITED, Crashed(error)
                self._siblings.fallen.appendleft(child)
                heappush(self._due, (anyio.current_time(), ids[index + 1 :]))
                self._turns.want_own()
                return

    async def _leave(self) -> None:
        """Stop all children, the last one first."""
        self._turns.closing = True
        self._attending.cancel()
        self._turns.refuse(STOPPING)
        await self._stop_all(tuple(reversed(self._siblings.by_id)), None)

    async def _stop_all(
        self, ids: tuple[str, ...], along: tuple[str, ...] | None
    ) -> None:
        """Stop children in this order, or together.

        Args:
            ids: Which.
            along: Those whose specs are kept for a restart; None: they end for good.
        """
        match self._state.rules.stop:
            case StopOrder.ORDERED:
                for each in ids:
                    await self._stop_along(each, along)
            case StopOrder.TOGETHER:
                async with anyio.create_task_group() as nursery:
                    for each in ids:
                        nursery.start_soon(self._stop_along, each, along)

    async def _stop_along(self, id: str, along: tuple[str, ...] | None) -> None:  # noqa: A002
        child = self._siblings.by_id.get(id)
        if child is None:
            return  # Its removal was under way.
        if along is not None:
            child.kept = child.kept and id in along
        child.for_good = along is None
        await child.stop()


def _was_stopped(child: Child) -> bool:
    """Tell whether a start failed because somebody stopped the child."""
    return isinstance(child.last_exit, Stopped)


def _status(child: Child) -> ChildStatus:
    value = child.value
    return ChildStatus(
        child.spec.id,
        child.state,
        child.restarts,
        child.last_exit,
        child.spec.restart,
        value.children if isinstance(value, Supervisor) else (),
    )
