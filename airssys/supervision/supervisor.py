"""Start, stop and restart children by hand.

Each child is a task. The supervisor starts children in order, one at a time, and stops
them in reverse; when one ends by itself, the rules decide what follows (`attendant`).
"""

from __future__ import annotations

import anyio
import anyio.lowlevel
from attrs import define, field

from ..core.child import ChildSpec, Crashed
from ..core.errors import ChildRefused, DuplicateChild
from ..core.restart import SupervisorRules
from .child import Child, Siblings
from .status import ChildState, ChildStatus
from .turns import Turns

__all__ = ("Supervisor",)


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
    _rules: SupervisorRules

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
        if not isinstance(spec, ChildSpec):
            raise TypeError(f"start() takes a ChildSpec, not {spec!r}")
        self._rules.check(spec)
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
        if child.was_stopped:
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
