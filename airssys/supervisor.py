"""Run children under supervision: a nursery that carries out `core.restart`.

Each child is a task. The supervisor starts children in order, one at a time, and stops
them in reverse; when one ends by itself, the rules decide what follows.
"""

from __future__ import annotations

import random as _random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from enum import Enum
from heapq import heapify, heappop, heappush
from inspect import isfunction, ismethod, signature
from math import inf

import anyio
import anyio.abc
import anyio.lowlevel
from attrs import define, field, frozen

from .abc import Instrument
from .core.errors import (
    ChildRefused,
    DuplicateChild,
    NoSuchChild,
    RestartsExhausted,
    Unhealthy,
)
from .core.event import (
    ChildExited,
    ChildRestarting,
    ChildStarted,
    Event,
    HealthChecked,
    SupervisorGaveUp,
)
from .core.restart import (
    AutoShutdown,
    Backoff,
    ChildSpec,
    CountFailure,
    Crashed,
    CutOff,
    Escalate,
    Exit,
    Forget,
    Health,
    HealthCheck,
    Intensity,
    Keep,
    Normal,
    Recover,
    Restart,
    RestartChildren,
    ShutDown,
    Stopped,
    Strategy,
    Supervision,
    unwrap,
)

__all__ = ("ChildState", "ChildStatus", "Supervisor", "open_supervisor", "supervise")


class ChildState(Enum):
    """What a child does."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    RESTARTING = "restarting"
    """It ended and waits to be started again."""
    EXITED = "exited"
    """It ended by itself and is not started again by itself."""
    STOPPED = "stopped"
    """It was stopped; `Supervisor.restart` starts it again."""


_HAS_TASK = {ChildState.STARTING, ChildState.RUNNING, ChildState.STOPPING}


@frozen
class ChildStatus:
    """What a supervisor knows of a child at one moment."""

    id: str
    state: ChildState
    restarts: int
    """How often it was started again."""
    last_exit: Exit | None
    """How it ended last; None if it never did."""
    restart: Restart
    children: tuple[ChildStatus, ...] = ()
    """Its own children, if the child started with a `Supervisor` as its value."""


@asynccontextmanager
async def open_supervisor(
    *,
    name: str = "supervisor",
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: Intensity = Intensity(),  # noqa: B008 - a frozen value
    backoff: Backoff = Backoff(),  # noqa: B008 - a frozen value
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
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
        instrument: Is told every event.
        random: Gives numbers from 0 up to 1, for the jitter of ``backoff``.
    """
    async with anyio.create_task_group() as nursery:
        supervisor = Supervisor(
            name=name,
            rules=Supervision(strategy, intensity, backoff, auto_shutdown),
            nursery=nursery,
            instrument=instrument,
            random=random,
        )
        nursery.start_soon(supervisor._attend, name=f"{name}: attend")  # noqa: SLF001
        try:
            yield supervisor
        finally:
            with anyio.CancelScope(shield=True):
                await supervisor._leave()  # noqa: SLF001


def supervise(
    id: str,  # noqa: A002 - the name of the spec's field
    specs: Iterable[ChildSpec],
    *,
    restart: Restart = Restart.PERMANENT,
    significant: bool = False,
    strategy: Strategy = Strategy.ONE_FOR_ONE,
    intensity: Intensity = Intensity(),  # noqa: B008 - a frozen value
    backoff: Backoff = Backoff(),  # noqa: B008 - a frozen value
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER,
    instrument: Instrument | None = None,
    random: Callable[[], float] = _random.random,
) -> ChildSpec:
    """Describe a child that is a supervisor and starts children of its own, in order.

    ``await parent.start(supervise(...))`` returns the nested `Supervisor`. Its name is
    the parent's and ``id``, joined by ``/``. Without an ``instrument`` it tells the
    parent's. It is given as long to stop as its own children need (OTP: infinity).
    """
    specs = tuple(specs)

    async def run(*, task_status: anyio.abc.TaskStatus[Supervisor]) -> None:
        name, told = id, instrument
        if isinstance(task_status, _Start):
            parent = task_status.child.supervisor
            name, told = f"{parent.name}/{id}", told or parent.instrument
        async with open_supervisor(
            name=name,
            strategy=strategy,
            intensity=intensity,
            backoff=backoff,
            auto_shutdown=auto_shutdown,
            instrument=told,
            random=random,
        ) as nested:
            for spec in specs:
                await nested.start(spec)
            task_status.started(nested)
            await anyio.sleep_forever()

    return ChildSpec(id, run, restart=restart, significant=significant, shutdown=None)


@define(eq=False)
class _Child:
    """A child over all its restarts; the fields below ``state`` are of one start."""

    spec: ChildSpec
    supervisor: Supervisor
    tells_start: bool
    """Whether ``run`` has a parameter ``task_status``."""
    restarts: int = 0
    last_exit: Exit | None = None
    kept: bool = True
    """Whether the spec outlives the next stop."""
    for_good: bool = False
    """Whether nothing follows the stop under way but, perhaps, a call by hand."""
    given_up: bool = False
    """Whether ``spec.gone`` was called since the last start."""
    state: ChildState = ChildState.STARTING
    scope: anyio.CancelScope = field(init=False)
    start: _Start | None = None
    ended: anyio.Event | None = None
    """Made by the first who waits for the end of the task."""
    health: anyio.CancelScope | None = None
    """Ends the health checks."""
    blame: Exception | None = None
    """Why the supervisor cut the child off, where that makes its end a crash."""
    cut_off: bool = False
    fallen: Exit | None = None
    """How it ended by itself, until the rules have decided about it."""

    @property
    def has_task(self) -> bool:
        return self.state in _HAS_TASK

    @property
    def active(self) -> bool:
        return self.state in _HAS_TASK or self.state is ChildState.RESTARTING

    async def wait_ended(self) -> None:
        if self.has_task:
            if self.ended is None:
                self.ended = anyio.Event()
            await self.ended.wait()


@define(eq=False)
class _Start:
    """What a child is given as ``task_status``."""

    child: _Child
    settled: anyio.Event = field(factory=anyio.Event)
    """Set when the child has started, or has ended before that."""
    value: object = None
    failed: Exit | None = None

    def started(self, value: object = None) -> None:
        """Tell the supervisor that the child has started."""
        if self.settled.is_set():
            raise RuntimeError(f"child {self.child.spec.id!r} called started() twice")
        self.value = value
        self.settled.set()
        self.child.supervisor._has_started(self.child)  # noqa: SLF001


@define(eq=False)
class _Turn:
    """A place in the queue of those who want to start or stop children."""

    caller: _Child | None = None
    come: anyio.Event = field(factory=anyio.Event)
    refused: str = ""


_within: ContextVar[_Child | None] = ContextVar("airssys child", default=None)
"""The child a task belongs to. Only used to refuse waits that would never end."""

_STOPPING = "the supervisor is stopping"


@define(eq=False, kw_only=True)
class Supervisor:
    """Starts, stops and restarts children; made by `open_supervisor`.

    Calls and exits are dealt with one at a time, in the order they came. A call from
    inside a child that is itself being started or stopped would wait for itself, so it
    fails with `ChildRefused`; so do all calls once the supervisor is stopping.
    """

    name: str
    instrument: Instrument | None
    _rules: Supervision
    _nursery: anyio.abc.TaskGroup
    _random: Callable[[], float]
    _children: dict[str, _Child] = field(factory=dict, init=False)
    """In start order."""
    _outer: _Child | None = field(factory=_within.get, init=False)
    """The child of another supervisor that this one was opened in."""
    _closing: bool = field(default=False, init=False)
    _busy: bool = field(default=False, init=False)
    """Whether it is someone's turn."""
    _turns: deque[_Turn] = field(factory=deque, init=False)
    """Those whose turn is still to come."""
    _own_turn: _Turn = field(factory=_Turn, init=False)
    """The supervisor's own, to attend to exits and restarts."""
    _queued: bool = field(default=False, init=False)
    """Whether the supervisor's own turn was asked for."""
    _fallen: deque[_Child] = field(factory=deque, init=False)
    """Children that ended by themselves, for the rules to decide about."""
    _due: list[tuple[float, tuple[str, ...]]] = field(factory=list, init=False)
    """A heap of restarts to come: when, and of which children."""
    _attending: anyio.CancelScope = field(factory=anyio.CancelScope, init=False)

    @property
    def children(self) -> tuple[ChildStatus, ...]:
        """All children at this moment, in start order."""
        return tuple(_status(child) for child in self._children.values())

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
        self._rules.check(spec)
        await anyio.lowlevel.checkpoint_if_cancelled()
        await self._take_turn(spec.id, "start")
        try:
            known = self._children.get(spec.id)
            if known is not None and (known.active or known.fallen is not None):
                raise DuplicateChild(self.name, spec.id, known.state.value)
            child = _Child(spec, self, _tells_start(spec.run))
            self._children[spec.id] = child
            started = False
            try:
                value = await self._begin(child)
                started = True
            finally:
                if started and known is not None:
                    self._children[spec.id] = self._children.pop(spec.id)
                elif known is not None:
                    child.fallen = None
                    self._children[spec.id] = known
                    _give_up(child)
                elif not started:
                    self._forget(child)
            return value
        finally:
            self._next_turn()

    async def stop(self, id: str) -> None:  # noqa: A002 - the spec's word
        """Stop a child and wait until it has ended; keep its spec.

        The child is asked, given its ``shutdown`` seconds, and cut off; one that waits
        for its restart is not restarted. It stays stopped until `restart`, or `start`
        with that id, or until the restart of a sibling takes it along (as in OTP;
        `remove` it to prevent that). A temporary child's spec is not kept.

        A child that stops itself is cut off at once, and the call does not return. If
        the caller is cancelled, the child is cut off at once.

        Raises:
            NoSuchChild: There is none of that id.
            ChildRefused: The supervisor cannot stop children now.
        """
        await self._stop_one(id, "stop", forget=False)

    async def remove(self, id: str) -> None:  # noqa: A002 - the spec's word
        """Stop a child as `stop` does, and forget its spec."""
        await self._stop_one(id, "remove", forget=True)

    async def restart(self, id: str) -> object:  # noqa: A002 - the spec's word
        """Stop a child if it runs, start it anew from its spec, and return its value.

        This does not count against the intensity and waits for no backoff. If the start
        fails, the child's exception is raised here and the child stays as it is.

        Raises:
            NoSuchChild: There is none of that id.
            ChildRefused: The supervisor cannot restart children now, or the call comes
                from inside that child: it would end with it. Let the child return or
                raise instead, and the rules restart it.
        """
        caller = self._caller()
        if caller is not None and caller.spec.id == id:
            why = "the call comes from inside that child, and would end with it"
            raise ChildRefused(self.name, id, "restart", why)
        await anyio.lowlevel.checkpoint_if_cancelled()
        await self._take_turn(id, "restart")
        try:
            child = self._known(id)
            # Even if a removal is still under way.
            child.kept, child.for_good = True, False
            await self._stop(child)
            child.restarts += 1
            return await self._begin(child)
        finally:
            self._next_turn()

    async def _stop_one(self, id: str, tried: str, *, forget: bool) -> None:  # noqa: A002
        await anyio.lowlevel.checkpoint()
        await self._take_turn(id, tried)
        try:
            child = self._known(id)
            child.kept = not forget and child.spec.restart is not Restart.TEMPORARY
            child.for_good = True
            await self._stop(child, at_once=self._caller() is child)
        finally:
            self._next_turn()

    # --- whose turn it is ---------------------------------------------------------

    def _caller(self) -> _Child | None:
        """Return the child of this supervisor that the current task belongs to."""
        child = _within.get()
        while child is not None and child.supervisor is not self:
            child = child.supervisor._outer  # noqa: SLF001
        return child

    async def _take_turn(self, id: str, tried: str) -> None:  # noqa: A002
        caller = self._caller()
        if self._closing:
            raise ChildRefused(self.name, id, tried, _STOPPING)
        if caller is not None and caller.state is not ChildState.RUNNING:
            raise ChildRefused(self.name, id, tried, _waits_for(caller))
        if not self._busy:
            self._busy = True
            return
        turn = _Turn(caller)
        self._turns.append(turn)
        waited = False
        try:
            await turn.come.wait()
            waited = True
        finally:
            if not waited and not turn.refused:
                if turn.come.is_set():
                    self._next_turn()
                else:
                    self._turns.remove(turn)
        if turn.refused:
            raise ChildRefused(self.name, id, tried, turn.refused)

    def _next_turn(self) -> None:
        if self._turns:
            self._turns.popleft().come.set()
        else:
            self._busy = False

    def _queue_own_turn(self) -> None:
        if not self._queued:
            self._queued = True
            self._turns.append(self._own_turn)
            if not self._busy:
                self._busy = True
                self._next_turn()

    def _refuse(self, why: str, caller: _Child | None = None) -> None:
        """Send away those who wait for their turn: all, or those inside a child."""
        for turn in tuple(self._turns):
            if caller is None or turn.caller is caller:
                self._turns.remove(turn)
                turn.refused = why
                turn.come.set()

    # --- one child ----------------------------------------------------------------

    def _known(self, id: str) -> _Child:  # noqa: A002
        child = self._children.get(id)
        if child is None:
            raise NoSuchChild(self.name, id, tuple(self._children))
        return child

    def _forget(self, child: _Child) -> None:
        child.fallen = None
        self._children.pop(child.spec.id, None)
        _give_up(child)

    async def _begin(self, child: _Child) -> object:
        """Start the task of a child, wait until it has started, return its value."""
        spec = child.spec
        if self._closing:
            raise ChildRefused(self.name, spec.id, "start", _STOPPING)
        child.scope = anyio.CancelScope(shield=True)
        child.start = child.ended = child.blame = child.fallen = None
        child.cut_off = child.for_good = child.given_up = False
        child.kept = True
        child.state = ChildState.STARTING
        if not child.tells_start:
            self._has_started(child)
            self._nursery.start_soon(self._live, child, name=spec.id)
            await anyio.lowlevel.cancel_shielded_checkpoint()
            return None

        child.start = start = _Start(child)
        self._nursery.start_soon(self._live, child, name=spec.id)
        settled = False
        try:
            await start.settled.wait()
            settled = True
        finally:
            if not settled and child.has_task:
                child.state = ChildState.STOPPING
                child.scope.cancel()
                with anyio.CancelScope(shield=True):
                    await child.wait_ended()
        match start.failed:
            case None:
                return start.value
            case Crashed(error):
                raise error
            case Normal():
                why = "it returned before it called task_status.started()"
                raise ChildRefused(self.name, spec.id, "start", why)
            case Stopped():
                why = "it was stopped before it had started"
                raise ChildRefused(self.name, spec.id, "start", why)

    def _has_started(self, child: _Child) -> None:
        if child.state is not ChildState.STARTING:
            return
        child.state = ChildState.RUNNING
        spec = child.spec
        self._tell(ChildStarted, spec.id, child.restarts)
        if spec.health is not None:
            child.health = anyio.CancelScope()
            self._nursery.start_soon(
                self._watch, child, spec.health, child.health, name=f"{spec.id}: health"
            )

    async def _live(self, child: _Child) -> None:
        """Be the task of a child."""
        _within.set(child)
        spec = child.spec
        how: Exit | None = None
        try:
            with child.scope:
                if child.start is None:
                    await spec.run(*spec.args)
                else:
                    await spec.run(*spec.args, task_status=child.start)
            how = Normal()
        except Exception as error:  # noqa: BLE001 - a crash ends the child, no more
            how = Crashed(unwrap(error))
        except anyio.get_cancelled_exc_class() as error:
            # Not ours, which stops at the scope: on asyncio, someone cancelled what the
            # child awaited, and that must not pass for a cancelled nursery.
            how = Crashed(error)
        finally:
            self._has_ended(child, how)

    def _has_ended(self, child: _Child, how: Exit | None) -> None:
        """Note how a child's task ended; None if it takes the nursery down."""
        if child.blame is not None:
            how = Crashed(child.blame)
        elif child.state is ChildState.STOPPING and not isinstance(how, Crashed):
            how = Stopped(child.cut_off)
        child.last_exit = how
        if child.health is not None:
            child.health.cancel()
        match child.state:
            case ChildState.STOPPING:
                child.state = ChildState.STOPPED
                self._has_stopped(child)
            case ChildState.RUNNING if how is not None:
                child.state = ChildState.EXITED
                child.fallen = how
                self._fallen.append(child)
                self._queue_own_turn()
            case _:
                child.state = ChildState.EXITED
        if how is not None:
            self._tell(ChildExited, child.spec.id, how.how, how.reason)
        if child.start is not None and not child.start.settled.is_set():
            child.start.failed = how or Stopped()
            child.start.settled.set()
        if child.ended is not None:
            child.ended.set()

    async def _stop(self, child: _Child, *, at_once: bool = False) -> None:
        """Stop a child, whatever it does: ask, wait, cut off."""
        if not child.has_task:
            if child.active or child.fallen is not None:
                child.state = ChildState.STOPPED
                child.fallen = None
            self._has_stopped(child)
            return
        if child.state is ChildState.STOPPING:
            await child.wait_ended()  # Whoever asked it to stop sees to its end.
            return
        at_once = at_once or child.state is ChildState.STARTING
        child.state = ChildState.STOPPING
        self._refuse(_waits_for(child), child)
        if child.health is not None:
            child.health.cancel()
        try:
            if not at_once and self._asks(child):
                with anyio.move_on_after(child.spec.shutdown):
                    await child.wait_ended()
                child.cut_off = child.has_task
        finally:
            child.scope.cancel()
        await child.wait_ended()

    def _has_stopped(self, child: _Child) -> None:
        if not child.kept:
            self._forget(child)
        elif child.for_good:
            _give_up(child)

    def _asks(self, child: _Child) -> bool:
        """Ask a child to stop, if there is a way other than cancelling it."""
        spec = child.spec
        if spec.stop is None or spec.shutdown == 0:
            return False
        try:
            spec.stop()
        except Exception as error:  # noqa: BLE001 - it becomes the child's crash
            child.blame = error
            return False
        return True

    async def _watch(
        self, child: _Child, check: HealthCheck, scope: anyio.CancelScope
    ) -> None:
        """Ask a running child how it is, again and again."""
        _within.set(child)  # The check ends with the child.
        asked, health = child.spec.id, Health()
        with scope:
            while True:
                await anyio.sleep(check.every)
                problem = await _problem(check)
                health, verdict = health.checked(problem, check.failures)
                match verdict:
                    case Keep():
                        pass
                    case Recover():
                        self._tell(HealthChecked, asked, True, 0)  # noqa: FBT003
                    case CountFailure(reason):
                        self._tell(HealthChecked, asked, False, health.failures, reason)  # noqa: FBT003
                    case CutOff(reason):
                        self._tell(HealthChecked, asked, False, health.failures, reason)  # noqa: FBT003
                        child.blame = Unhealthy(asked, health.failures, reason)
                        child.scope.cancel()
                        return

    # --- all children -------------------------------------------------------------

    async def _attend(self) -> None:
        """Attend to exits, and to restarts that are due, whenever the turn comes."""
        with self._attending:
            while not self._closing:
                turn = self._own_turn
                with anyio.CancelScope(deadline=self._due[0][0] if self._due else inf):
                    await turn.come.wait()
                if not turn.come.is_set():
                    self._queue_own_turn()
                    await turn.come.wait()
                self._own_turn, self._queued = _Turn(), False
                try:
                    # What happens meanwhile waits for the next turn: calls are not
                    # kept waiting by a child that falls again and again.
                    while not self._queued and not self._closing:
                        if self._fallen:
                            await self._decide(self._fallen.popleft())
                        elif self._due and self._due[0][0] <= anyio.current_time():
                            await self._start_again(heappop(self._due)[1])
                        else:
                            break
                finally:
                    self._next_turn()

    async def _decide(self, child: _Child) -> None:
        """Carry out what the rules say about a child that ended by itself."""
        how, child.fallen = child.fallen, None
        if how is None:
            return  # It was stopped, or taken along, since.
        self._rules, decision = self._rules.exited(
            child.spec.id,
            how,
            self._children,
            now=anyio.current_time(),
            random=self._random(),
        )
        match decision:
            case Keep():
                _give_up(child)
            case Forget():
                self._forget(child)
            case RestartChildren():
                await self._restart(child, decision)
            case ShutDown():
                self._closing = True
                self._nursery.cancel_scope.cancel()
            case Escalate(history):
                self._closing = True
                self._tell(SupervisorGaveUp, child.spec.id, history)
                allowed = self._rules.intensity
                raise RestartsExhausted(
                    self.name,
                    child.spec.id,
                    allowed.restarts,
                    allowed.period,
                    history,
                ) from (how.error if isinstance(how, Crashed) else None)

    async def _restart(self, child: _Child, decision: RestartChildren) -> None:
        due = anyio.current_time() + decision.delay
        child.state = ChildState.RESTARTING
        along = tuple(other for other in decision.start if other != child.spec.id)
        self._tell(ChildRestarting, child.spec.id, decision.delay, along)
        # Whoever was to be started before, and is part of this, waits for this.
        self._due = [
            (at, tuple(other for other in ids if other not in decision.start))
            for at, ids in self._due
        ]
        heapify(self._due)
        with anyio.CancelScope(shield=True):
            for other in decision.stop:
                # A child whose removal is under way may be gone by now.
                if (sibling := self._children.get(other)) is not None:
                    sibling.kept = sibling.kept and other in along
                    sibling.for_good = False
                    await self._stop(sibling)
        for other in along:
            if (sibling := self._children.get(other)) is not None:
                sibling.state, sibling.fallen = ChildState.RESTARTING, None
        heappush(self._due, (due, decision.start))

    async def _start_again(self, ids: tuple[str, ...]) -> None:
        """Start children in order; one that fails to start has ended once more."""
        for index, each in enumerate(ids):
            child = self._children.get(each)
            if child is None or child.state is not ChildState.RESTARTING:
                continue  # It was removed, stopped or restarted by hand since.
            child.restarts += 1
            try:
                await self._begin(child)
            except Exception as error:  # noqa: BLE001 - the rules decide about it
                child.state, child.fallen = ChildState.EXITED, Crashed(error)
                self._fallen.appendleft(child)
                heappush(self._due, (anyio.current_time(), ids[index + 1 :]))
                self._queue_own_turn()
                return

    async def _leave(self) -> None:
        """Stop all children, the last one first."""
        self._closing = True
        self._attending.cancel()
        self._refuse(_STOPPING)
        for child in reversed(tuple(self._children.values())):
            child.for_good = True
            await self._stop(child)

    def _tell(self, kind: Callable[..., Event], *about: object) -> None:
        if self.instrument is not None:
            self.instrument.event(kind(anyio.current_time(), self.name, *about))


def _give_up(child: _Child) -> None:
    """Tell whoever keeps something for a child that it will not start again."""
    if not child.given_up and child.spec.gone is not None:
        child.given_up = True
        child.spec.gone()


def _status(child: _Child) -> ChildStatus:
    value = child.start.value if child.start is not None and child.has_task else None
    return ChildStatus(
        child.spec.id,
        child.state,
        child.restarts,
        child.last_exit,
        child.spec.restart,
        value.children if isinstance(value, Supervisor) else (),
    )


def _waits_for(child: _Child) -> str:
    return (
        f"the call comes from inside child {child.spec.id!r}, "
        f"which is {child.state.value} itself"
    )


async def _problem(check: HealthCheck) -> str | None:
    """Ask a child how it is; None: well."""
    with anyio.move_on_after(check.timeout):
        try:
            return "it said so" if await check.check() is False else None
        except Exception as error:  # noqa: BLE001 - a failed check, nothing worse
            return Crashed(error).reason
    return f"no answer within {check.timeout:g} s"


def _tells_start(run: Callable[..., object]) -> bool:
    """Tell whether a child's function has a parameter ``task_status``."""
    plain = run.__func__ if ismethod(run) else run
    if isfunction(plain) and not hasattr(plain, "__wrapped__"):
        code = plain.__code__  # Fifty times quicker than a signature.
        named = code.co_argcount + code.co_kwonlyargcount
        return "task_status" in code.co_varnames[:named]
    try:
        return "task_status" in signature(run).parameters
    except (TypeError, ValueError):  # Not everything has a signature.
        return False
