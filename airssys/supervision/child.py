"""Run one child: start its task, watch its health, stop it, note how it ended."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from inspect import isfunction, ismethod, signature

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup
from attrs import define, field

from ..core.child import (
    ChildSpec,
    Crashed,
    Exit,
    Normal,
    Stopped,
    raised,
)
from ..core.emitter import Emitter
from ..core.errors import ChildRefused, NoSuchChild, StartTimeout
from ..core.event import ChildExited, ChildStarted
from ..core.health import HealthCheck
from ..uncut import on_asyncio, uncut
from .health import watch
from .status import ChildState
from .turns import Turns

__all__ = ("Child", "Siblings", "Start")


_within: ContextVar[Child | None] = ContextVar("airssys child", default=None)
"""The child a task belongs to. Only used to refuse waits that would never end."""


@define(eq=False)
class Siblings:
    """The children of one supervisor, and what they share."""

    name: str
    """The supervisor's."""
    emitter: Emitter
    nursery: TaskGroup
    turns: Turns
    by_id: dict[str, Child] = field(factory=dict, init=False)
    """In start order."""
    fallen: deque[Child] = field(factory=deque, init=False)
    """Those that ended by themselves, for the rules to decide about."""
    outer: Child | None = field(factory=_within.get, init=False)
    """The child of another supervisor that this one was opened in."""
    fatal: BaseException | None = field(default=None, init=False)
    """What ends the program, to be raised when all children have ended."""

    def take_down(self, error: BaseException) -> None:
        """End all children in order, and raise the error after them.

        asyncio leaves its loop at once for these errors, without a regard to who still
        runs. So none may leave a task.
        """
        self.fatal = self.fatal or error
        self.turns.closing = True
        self.nursery.cancel_scope.cancel()

    def caller(self) -> Child | None:
        """Return the child among these that the current task belongs to."""
        child = _within.get()
        while child is not None and child.siblings is not self:
            child = child.siblings.outer
        return child

    def known(self, id: str) -> Child:  # noqa: A002 - the spec's word
        """Return the child of that id. Raises `NoSuchChild`."""
        child = self.by_id.get(id)
        if child is None:
            raise NoSuchChild(self.name, id, tuple(self.by_id))
        return child

    def forget(self, child: Child) -> None:
        """Forget a child and its spec."""
        child.fallen = None
        self.by_id.pop(child.spec.id, None)
        child.give_up()


@define(eq=False)
class Child:
    """A child over all its restarts; the fields below ``state`` are of one start."""

    spec: ChildSpec
    siblings: Siblings
    tells_start: bool = field(init=False)
    """Whether ``run`` has a parameter ``task_status``."""
    restarts: int = 0
    last_exit: Exit | None = None
    kept: bool = True
    """Whether the spec outlives the next stop."""
    for_good: bool = False
    """Whether the stop under way is final: the rules start the child no more, only a
    call by hand can."""
    given_up: bool = False
    """Whether ``spec.gone`` was called since the last start."""
    state: ChildState = ChildState.STARTING
    begun: bool = False
    """Whether its task has had its first step."""
    scope: anyio.CancelScope = field(init=False)
    start: Start | None = None
    ended: anyio.Event | None = None
    """Made by the first who waits for the end of the task."""
    health: anyio.CancelScope | None = None
    """Ends the health checks."""
    blame: Exception | None = None
    """Why the supervisor cut the child off, where that makes its end a crash."""
    cut_off: bool = False
    fallen: Exit | None = None
    """How it ended by itself, until the rules have decided about it."""

    def __attrs_post_init__(self) -> None:
        self.tells_start = _tells_start(self.spec.run)

    @property
    def has_task(self) -> bool:
        """Whether there is a task of it, which may be about to end."""
        return self.state.has_task

    @property
    def active(self) -> bool:
        """Whether it has a task, or will get one."""
        return self.state.active

    @property
    def was_stopped(self) -> bool:
        """Whether somebody stopped it: why its start failed, where it did."""
        return isinstance(self.last_exit, Stopped)

    @property
    def value(self) -> object:
        """What it passed to ``task_status.started()``, while it has a task."""
        return self.start.value if self.start is not None and self.has_task else None

    @property
    def refusal(self) -> str:
        """Why a call from inside it would wait for itself; empty while it runs."""
        if self.state is ChildState.RUNNING:
            return ""
        return (
            f"the call comes from inside child {self.spec.id!r}, "
            f"which is {self.state.value} itself"
        )

    async def wait_ended(self) -> None:
        """Wait for the end of the task, if there is one."""
        if self.has_task:
            if self.ended is None:
                self.ended = anyio.Event()
            await self.ended.wait()

    def cut_start(self) -> bool:
        """Stop the child if it is starting; the start fails when it has ended."""
        if self.state is not ChildState.STARTING:
            return False
        self.state = ChildState.STOPPING
        self.scope.cancel()
        return True

    def give_up(self) -> None:
        """Call ``spec.gone``: the child will not start again."""
        if not self.given_up and self.spec.gone is not None:
            self.given_up = True
            try:
                self.spec.gone()
            except (Exception, anyio.get_cancelled_exc_class()):
                # The supervisor, which serves all children, must not fall by it.
                logging.getLogger("airssys").exception(
                    "child %r of supervisor %r: its gone() failed",
                    self.spec.id,
                    self.siblings.name,
                )

    async def begin(self) -> object:
        """Start the task, wait until the child has started, and return its value.

        Raises:
            ChildRefused: The supervisor is stopping, or the child ended before it had
                started.
            Exception: What the child raised before it had started.
        """
        spec = self.spec
        self.siblings.turns.check(spec.id, "start")
        self.scope = anyio.CancelScope(shield=True)
        self.start = self.ended = self.blame = self.fallen = None
        self.cut_off = self.for_good = self.given_up = False
        self.kept = True
        self.begun = False
        self.state = ChildState.STARTING
        if self.tells_start:
            self.start = Start(self)
        else:
            self.note_started()
        self.siblings.nursery.start_soon(self._live, name=spec.id)
        settled = False
        try:
            await self._meet_first_step()
            if self.start is not None:
                await self._settle(self.start)
            settled = True
        finally:
            if not settled:
                await uncut(self.stop)
        if self.start is None:
            return None
        match self.start.failed:
            case None:
                return self.start.value
            case Crashed(error):
                raise error
            case Normal():
                why = "it returned before it called task_status.started()"
                raise ChildRefused(self.siblings.name, spec.id, "start", why)
            case Stopped():
                why = "it was stopped before it had started"
                raise ChildRefused(self.siblings.name, spec.id, "start", why)

    async def _meet_first_step(self) -> None:
        """Wait until the task has had its first step, or will have none.

        asyncio runs tasks in the order in which they were made, so one that has not
        begun when its maker goes on was cancelled before it could: by a program that
        cancels all tasks there are. It notes nothing itself.
        """
        await anyio.lowlevel.cancel_shielded_checkpoint()
        if not self.begun and self.has_task and on_asyncio():
            self.begun = True
            why = "its task was cancelled before it began"
            refused = ChildRefused(self.siblings.name, self.spec.id, "start", why)
            self._note_ended(Crashed(refused))

    async def _settle(self, start: Start) -> None:
        """Wait until the child has started, or has ended before that.

        Raises:
            StartTimeout: It did neither in its time.
        """
        seconds = self.spec.start_timeout
        with anyio.move_on_after(seconds):
            await start.settled.wait()
        if not start.settled.is_set():
            assert seconds is not None
            self.blame = StartTimeout(self.siblings.name, self.spec.id, seconds)
            raise self.blame

    def note_started(self) -> None:
        """Note that it runs from now on, and begin with its health checks."""
        if self.state is not ChildState.STARTING:
            return
        self.state = ChildState.RUNNING
        spec = self.spec
        self.siblings.emitter.emit(
            lambda at: ChildStarted(
                at=at,
                subject=spec.id,
                supervisor=self.siblings.name,
                restarts=self.restarts,
            )
        )
        if spec.health is not None:
            self.health = anyio.CancelScope()
            self.siblings.nursery.start_soon(
                self._watch, spec.health, self.health, name=f"{spec.id}: health"
            )

    async def _live(self) -> None:
        """Be the task of the child."""
        self.begun = True
        _within.set(self)
        spec = self.spec
        how: Exit | None = None
        try:
            with self.scope:
                if self.start is None:
                    await spec.run(*spec.args)
                else:
                    await spec.run(*spec.args, task_status=self.start)
            how = Normal()
        except Exception as error:  # noqa: BLE001 - a crash ends the child, no more
            how = raised(error)
        except (KeyboardInterrupt, SystemExit) as error:
            self.siblings.take_down(error)
        except anyio.get_cancelled_exc_class() as error:
            # Not ours, which stops at the scope: on asyncio, someone cancelled what the
            # child awaited, and that must not pass for a cancelled nursery.
            how = Crashed(error)
        finally:
            try:
                self._note_ended(how)
            except (KeyboardInterrupt, SystemExit) as error:
                self.siblings.take_down(error)

    def _note_ended(self, how: Exit | None) -> None:
        """Note how the task ended; None if it takes the nursery down."""
        if self.blame is not None:
            how = Crashed(self.blame)
        elif self.state is ChildState.STOPPING and not isinstance(how, Crashed):
            how = Stopped(self.cut_off)
        self.last_exit = how
        if self.health is not None:
            self.health.cancel()
        match self.state:
            case ChildState.STOPPING:
                self.state = ChildState.STOPPED
                self._note_stopped()
            case ChildState.RUNNING if how is not None:
                self.state = ChildState.EXITED
                self.fallen = how
                self.siblings.fallen.append(self)
                self.siblings.turns.want_own()
            case (
                ChildState.RUNNING
                | ChildState.STARTING
                | ChildState.RESTARTING
                | ChildState.EXITED
                | ChildState.STOPPED
            ):
                self.state = ChildState.EXITED
        try:
            if how is not None:
                self._tell_ended(how)
        finally:
            # Whatever an instrument does: others wait for this.
            if self.start is not None and not self.start.settled.is_set():
                self.start.failed = how or Stopped()
                self.start.settled.set()
            if self.ended is not None:
                self.ended.set()

    def _tell_ended(self, how: Exit) -> None:
        self.siblings.emitter.emit(
            lambda at: ChildExited(
                at=at,
                subject=self.spec.id,
                supervisor=self.siblings.name,
                how=how.how,
                reason=how.reason,
                status=how.status,
            )
        )

    async def stop(self, *, at_once: bool = False) -> None:
        """Stop the child, whatever it does: ask, wait, cut off."""
        if not self.has_task:
            if self.active or self.fallen is not None:
                self.state = ChildState.STOPPED
                self.fallen = None
            self._note_stopped()
            return
        if not self.begun and on_asyncio():
            # Whoever started it was cut off before it could tell.
            await self._meet_first_step()
            await self.stop(at_once=at_once)
            return
        if self.state is ChildState.STOPPING:
            await self.wait_ended()  # an earlier call stops it already
            return
        at_once = at_once or self.state is ChildState.STARTING
        self.state = ChildState.STOPPING
        self.siblings.turns.refuse(self.refusal, self)
        if self.health is not None:
            self.health.cancel()
        try:
            if not at_once and self._asks():
                with anyio.move_on_after(self.spec.shutdown):
                    await self.wait_ended()
                self.cut_off = self.has_task
        finally:
            self.scope.cancel()
        await self.wait_ended()

    def _note_stopped(self) -> None:
        if not self.kept:
            self.siblings.forget(self)
        elif self.for_good:
            self.give_up()

    def _asks(self) -> bool:
        """Ask the child to stop, if there is a way other than cancelling it."""
        spec = self.spec
        if spec.stop is None or spec.shutdown == 0:
            return False
        try:
            spec.stop()
        except Exception as error:  # noqa: BLE001 - it becomes the child's crash
            self.blame = error
            return False
        return True

    async def _watch(self, check: HealthCheck, scope: anyio.CancelScope) -> None:
        """Cut the child off when its health checks say so."""
        _within.set(self)  # The check ends with the child.
        siblings = self.siblings
        try:
            with scope:
                self.blame = await watch(
                    self.spec.id, check, siblings.emitter, supervisor=siblings.name
                )
                self.scope.cancel()
        except (KeyboardInterrupt, SystemExit) as error:
            siblings.take_down(error)


@define(eq=False)
class Start:
    """What a child is given as ``task_status``."""

    child: Child
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
        self.child.note_started()


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
