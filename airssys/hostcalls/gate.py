"""Stand between every host call and the host function: check, quota, event, body."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable
from typing import Any, Final

import anyio
from attrs import define, field

from ..core.budget import Budget
from ..core.emitter import Emitter
from ..core.errors import CapabilityDenied, WitError
from ..core.event import Denied, Granted, Instrument
from ..core.grants.capabilities import Capability, Denial, uncovered, words
from .call import Call
from .interface import HostFunction

__all__ = ("SHOWN", "Gate")

SHOWN: Final = 300
"""Characters of what a guest made up that an event or an error has."""


@define(eq=False)
class Gate:
    """The way in: a `Guard`, and what a body checks with itself.

    What it refuses reaches the guest as the function's ``err`` where the function says
    how. Elsewhere, as in a user's extension without ``denied=``, `CapabilityDenied` is
    raised: that ends the instance, and its supervisor decides.
    """

    instrument: Instrument | None = None
    """Gets every denial; None: nobody does."""
    grants: bool = field(default=False, kw_only=True)
    """Whether what is granted is an event too."""
    handed: bool = field(default=False, kw_only=True)
    """Whether an extension's function that says nothing of its needs is checked all the
    same: that its interface is granted, as it was when the component was handed it."""
    clock: Callable[[], float] = field(default=time.time, kw_only=True)
    """The wall clock, for grants that expire."""
    emitter: Emitter = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.emitter = Emitter(self.instrument, anyio.current_time)
        self.grants = self.grants and self.instrument is not None

    def __call__(
        self, function: HostFunction, call: Call, args: Sequence[Any], /
    ) -> object:
        """Run a host function if its caller may, as `Guard` says.

        A caller that has used up its quota of host calls waits here.

        Raises:
            WitError: No grant covers what it needs.
            CapabilityDenied: The same, where the function cannot tell the guest.
        """
        return self._pass(function, call, args, call.standing.budget)

    def _pass(
        self,
        function: HostFunction,
        call: Call,
        args: Sequence[Any],
        budget: Budget | None,
    ) -> object:
        standing, need, denial, problem = call.standing, None, None, None
        now = None
        if function.needs is not None:
            try:
                need = function.needs(*args)
            except WitError as error:
                problem = error
        if need is not None:
            denial = standing.grants.check(need, self.clock())
        elif self.handed and not function.needed:
            denial = self._taken_back(call)
        # What is denied counts as well, or nothing would hold up who tries again and
        # again.
        if budget is not None:
            now = anyio.current_time()
            wait = budget.take("host_calls", 1, now)
            if wait:
                return self._later(wait, budget, function, call, args, denial)
        if denial is not None:
            raise self._refusal(function, call, denial, now)
        if problem is not None:
            # The arguments are malformed, so no grant could cover them.
            self.refused(call, f"call {function.name!r} so", str(problem)[:SHOWN])
            raise problem
        if need is not None and self.grants:
            self.granted(call, need, now=now)
        outcome = function.body(call, *args)
        checked = need is not None or (self.handed and not function.needed)
        if checked and hasattr(outcome, "__await__"):
            return self._after(outcome, function, call, need)
        return outcome

    async def _after(
        self,
        outcome: Awaitable[object],
        function: HostFunction,
        call: Call,
        need: Capability | None,
    ) -> object:
        """Wait for a function, and check again: meanwhile a grant may be gone.

        What the function has done is done, but what comes of it is not handed over.
        """
        before = call.grants
        result = await outcome
        if call.grants is before and not before.expires:
            return result
        denial = self._taken_back(call) if need is None else self.judge(call, need)
        if denial is not None:
            raise self._refusal(function, call, denial)
        return result

    def _refusal(
        self,
        function: HostFunction,
        call: Call,
        denial: Denial,
        now: float | None = None,
    ) -> Exception:
        """Tell of a denial, and return what to raise for it."""
        self.report(call, denial, now=now)
        if function.denied is not None:
            return WitError(function.denied(self.words(denial)))
        return CapabilityDenied(call.who, denial.needed, denial.granted, denial.reason)

    def _taken_back(self, call: Call) -> Denial | None:
        """Return why a caller may not use an extension at all any more."""
        interface = call.function.partition("#")[0]
        if call.grants.offers(interface, self.clock()):
            return None
        held = call.grants.interfaces
        return Denial("custom", interface, "", uncovered(held), held)

    async def _later(
        self,
        wait: float,
        budget: Budget,
        function: HostFunction,
        call: Call,
        args: Sequence[Any],
        denial: Denial | None,
    ) -> object:
        """Wait for the quota, then check again: meanwhile a grant may be gone."""
        # On credit, so that of all who share a quota whoever came first goes first.
        budget.charge("host_calls", 1, anyio.current_time())
        waited = False
        try:
            await anyio.sleep(wait)
            waited = True
        finally:
            if not waited:  # those behind must not wait for a call that never comes
                budget.refund("host_calls", 1, anyio.current_time())
                if denial is not None:  # it was tried, though nobody hears the answer
                    self.report(call, denial)
        outcome = self._pass(function, call, args, None)
        return await outcome if isawaitable(outcome) else outcome

    def judge(self, call: Call, need: Capability) -> Denial | None:
        """Return why a caller may not, or None; in any thread, without an event."""
        return call.standing.grants.check(need, self.clock())

    def allowed(self, call: Call, need: Capability, shown: str = "") -> str:
        """Check a capability inside a body, at the moment of use.

        Args:
            call: Who asks.
            need: What for.
            shown: What the guest itself has asked for, where that is not what the
                capability names: it must not learn where a link of others points to.

        Returns:
            Why it is denied, for the guest; empty where it is allowed.
        """
        denial = self.judge(call, need)
        if denial is not None:
            self.report(call, denial, shown)
            return self.words(denial, shown)
        if self.grants:
            self.granted(call, need, shown)
        return ""

    def words(self, denial: Denial, shown: str = "") -> str:
        """Return what a guest is told of a denial."""
        if shown and denial.action:
            needed = words(denial.section, denial.action, shown)
            return f"may not {needed}: {denial.reason}"
        return f"may not {denial.needed}: {denial.reason}"

    def report(
        self, call: Call, denial: Denial, shown: str = "", now: float | None = None
    ) -> None:
        """Emit the event of a denial; on the event loop's thread."""
        self.emitter.emit(
            lambda at: Denied(
                at=at,
                subject=call.who,
                operation=call.function,
                section=denial.section,
                action=denial.action,
                target=denial.target,
                attempt=denial.attempt,
                reason=denial.reason,
                resource=shown,
                correlation=call.correlation,
            ),
            now,
        )

    def refused(self, call: Call, attempt: str, reason: str, shown: str = "") -> None:
        """Emit the event of a refusal that no grant would change.

        That is a quota that is used up, or an argument that is malformed.

        Args:
            call: Who asked.
            attempt: What was tried, in words.
            reason: Why not.
            shown: What the guest itself has asked for, where that has other words.
        """
        self.emitter.emit(
            lambda at: Denied(
                at=at,
                subject=call.who,
                operation=call.function,
                attempt=attempt,
                reason=reason,
                resource=shown,
                correlation=call.correlation,
            )
        )

    def granted(
        self, call: Call, need: Capability, shown: str = "", now: float | None = None
    ) -> None:
        """Emit the event of a grant, where such events are wanted; as `report`."""
        if self.grants:
            self.emitter.emit(
                lambda at: Granted(
                    at=at,
                    subject=call.who,
                    operation=call.function,
                    section=need.section,
                    action=need.action,
                    target=need.target,
                    resource=shown,
                    correlation=call.correlation,
                ),
                now,
            )
