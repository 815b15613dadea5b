"""Decide which children restart: a supervisor's rules, without its tasks.

The rules are those of Erlang/OTP's ``supervisor``, with a delay before each restart
(`Backoff`) added. ``now`` is a reading in seconds of any clock that never goes back,
``random`` a number from 0 up to 1; the caller passes both in.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from math import inf
from typing import Protocol, TypeAlias

from attrs import evolve, field, frozen, validators

from .checks import seconds
from .child import ChildSpec, Exit, Stopped

__all__ = (
    "AutoShutdown",
    "Backoff",
    "Decision",
    "Escalate",
    "Forget",
    "Intensity",
    "Keep",
    "RestartChildren",
    "ShutDown",
    "StopOrder",
    "Strategy",
    "Supervised",
    "Supervision",
    "SupervisorRules",
)

_AT_LEAST_ZERO = validators.ge(0.0)
_WHOLE = validators.instance_of(int)
_POSITIVE = validators.gt(0.0)


# --- the rules of a supervisor ----------------------------------------------------


class Strategy(Enum):
    """Which siblings a restart takes along."""

    ONE_FOR_ONE = "one_for_one"
    """None."""
    ONE_FOR_ALL = "one_for_all"
    """All of them."""
    REST_FOR_ONE = "rest_for_one"
    """Those started after it."""

    def group(self, child: str, order: tuple[str, ...]) -> tuple[str, ...]:
        """Return the children that restart when one has to, in start order.

        Args:
            child: The one that has to.
            order: All children, in start order.
        """
        match self:
            case Strategy.ONE_FOR_ONE:
                return (child,)
            case Strategy.ONE_FOR_ALL:
                return order
            case Strategy.REST_FOR_ONE:
                return order[order.index(child) :]


class AutoShutdown(Enum):
    """When a supervisor ends because its significant children have ended."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    """As soon as one of them ended by itself."""
    ALL_SIGNIFICANT = "all_significant"
    """When the last of them ended by itself."""

    @property
    def heeds_children(self) -> bool:
        """Whether the end of a significant child can end the supervisor."""
        match self:
            case AutoShutdown.NEVER:
                return False
            case AutoShutdown.ANY_SIGNIFICANT | AutoShutdown.ALL_SIGNIFICANT:
                return True

    def is_due(self, *, others: bool) -> bool:
        """Tell whether the supervisor ends as a significant child ended by itself.

        Args:
            others: Whether other significant children are still active.
        """
        match self:
            case AutoShutdown.NEVER:
                return False
            case AutoShutdown.ANY_SIGNIFICANT:
                return True
            case AutoShutdown.ALL_SIGNIFICANT:
                return not others


class StopOrder(Enum):
    """How children are stopped when several are."""

    ORDERED = "ordered"
    """One after the other, the last started first; their graces add up."""
    TOGETHER = "together"
    """All at once; the longest grace is how long it takes."""


@frozen
class Intensity:
    """How many restarts within how many seconds are too many.

    The defaults are OTP's: a second restart within 5 s is one too many.
    """

    restarts: int = field(default=1, validator=[_WHOLE, validators.ge(0)])
    period: float = field(default=5.0, converter=seconds, validator=_POSITIVE)


@frozen
class Backoff:
    """How long a child waits before it is started again; by default, not at all."""

    initial: float = field(default=0.0, converter=seconds, validator=_AT_LEAST_ZERO)
    """Seconds before the first restart."""
    factor: float = field(default=2.0, converter=seconds, validator=validators.ge(1))
    """By how much each further restart of the same child waits longer."""
    maximum: float = field(default=60.0, converter=seconds, validator=_AT_LEAST_ZERO)
    """Seconds; no restart waits longer."""
    jitter: float = field(
        default=0.0, converter=seconds, validator=[_AT_LEAST_ZERO, validators.le(1)]
    )
    """The share of the delay left to chance: up to this much is taken off."""
    healthy: float = field(default=30.0, converter=seconds, validator=_AT_LEAST_ZERO)
    """Seconds from a restart after which the next one waits ``initial`` again."""

    def delay(self, earlier: int, random: float) -> float:
        """Return the seconds to wait after so many earlier restarts in a row.

        A random number that is none from 0 to 1 counts as 0: whoever gives it must not
        take the supervisor of all the others down.
        """
        chance = random if 0.0 <= random <= 1.0 else 0.0
        if not self.initial:
            return 0.0
        try:
            longest = min(self.initial * self.factor**earlier, self.maximum)
        except OverflowError:
            longest = self.maximum
        return longest if longest == inf else longest * (1 - self.jitter * chance)


@frozen(kw_only=True)
class SupervisorRules:
    """By which rules a supervisor restarts its children, and when it ends."""

    strategy: Strategy = field(default=Strategy.ONE_FOR_ONE, converter=Strategy)
    """Which siblings a restart takes along; given as a member or its value."""
    intensity: Intensity = field(
        default=Intensity(), validator=validators.instance_of(Intensity)
    )
    """How many restarts within how many seconds are too many."""
    backoff: Backoff = field(
        default=Backoff(), validator=validators.instance_of(Backoff)
    )
    """How long a child waits before it is started again."""
    auto_shutdown: AutoShutdown = field(
        default=AutoShutdown.NEVER, converter=AutoShutdown
    )
    """Whether the end of significant children ends the supervisor."""
    stop: StopOrder = field(default=StopOrder.ORDERED, converter=StopOrder)
    """How children are stopped when several are; given as a member or its value."""

    def check(self, spec: ChildSpec) -> None:
        """Raise ValueError for a spec that these rules have no meaning for."""
        if spec.significant and not self.auto_shutdown.heeds_children:
            raise ValueError(
                f"child {spec.id!r} cannot be significant: its supervisor's "
                f"auto_shutdown is {self.auto_shutdown.value!r}"
            )


# --- what is to be done -----------------------------------------------------------


@frozen
class Keep:
    """Leave the child ended, but keep its spec: a restart may take it along."""


@frozen
class Forget:
    """Drop the child and its spec."""


@frozen
class RestartChildren:
    """Stop some children, wait, and start some."""

    stop: tuple[str, ...]
    """Children to stop before, in this order. Of these, forget the temporary ones."""
    start: tuple[str, ...]
    """Children to start, in this order; the one that ended is among them."""
    delay: float
    """Seconds from now until the start."""


@frozen
class ShutDown:
    """End the supervisor without an error: its significant children have ended."""


@frozen
class Escalate:
    """Stop all children and fail upwards: too many restarts."""

    history: tuple[str, ...]
    """One text for each exit counted, oldest first, with its time before the last."""


Decision: TypeAlias = Keep | Forget | RestartChildren | ShutDown | Escalate


class Supervised(Protocol):
    """**Protocol:** what the rules must know of each child."""

    @property
    def spec(self) -> ChildSpec: ...
    @property
    def active(self) -> bool:
        """Whether it runs, or waits for a restart already decided on."""


@frozen
class _Counted:
    """A restart that counts against the intensity."""

    at: float
    text: str


@frozen
class _Streak:
    """Restarts of one child, each before it was healthy again."""

    restarts: int
    until: float
    """When the child counts as healthy, if it does not fall before."""


@frozen
class Supervision:
    """What a supervisor has to remember for its decisions."""

    rules: SupervisorRules = SupervisorRules()
    history: tuple[_Counted, ...] = ()
    """Restarts within the last period, oldest first."""
    streaks: Mapping[str, _Streak] = field(factory=dict)
    """By the id of a child that fell lately and is not healthy again."""

    def exited(
        self,
        child: str,
        how: Exit,
        children: Mapping[str, Supervised],
        *,
        now: float,
        random: float,
    ) -> tuple[Supervision, Decision]:
        """Return the rules' next state and what to do about the exit of a child.

        A restart whose start fails is an exit like any other: it counts, and is tried
        again (OTP: ``try_again_restart``).

        Args:
            child: The id of the child that ended.
            how: How it ended.
            children: All children in start order, that one included.
            now: The time of the exit.
            random: A random number from 0 up to 1, for the jitter.
        """
        spec = children[child].spec
        if not spec.restart.starts_again(how):
            return self, self._after_the_end_of(spec, how, children)

        recent = tuple(
            counted
            for counted in self.history
            if now <= counted.at + self.rules.intensity.period
        )
        counted = _Counted(now, _in_words(child, how))
        if len(recent) >= self.rules.intensity.restarts:
            history = (*recent, counted)
            return self, Escalate(
                tuple(f"{each.at - now:.3f} s: {each.text}" for each in history)
            )

        streaks = {
            other: streak
            for other, streak in self.streaks.items()
            if now <= streak.until
        }
        earlier = streaks[child].restarts if child in streaks else 0
        delay = self.rules.backoff.delay(earlier, random)
        streaks[child] = _Streak(earlier + 1, now + delay + self.rules.backoff.healthy)
        state = evolve(self, history=(*recent, counted), streaks=streaks)
        return state, self._restart(child, children, delay)

    def _after_the_end_of(
        self, spec: ChildSpec, how: Exit, children: Mapping[str, Supervised]
    ) -> Decision:
        if spec.significant and not isinstance(how, Stopped):
            others = any(
                each.active and each.spec.significant
                for other, each in children.items()
                if other != spec.id
            )
            if self.rules.auto_shutdown.is_due(others=others):
                return ShutDown()
        return Keep() if spec.restart.keeps_spec else Forget()

    def _restart(
        self,
        child: str,
        children: Mapping[str, Supervised],
        delay: float,
    ) -> RestartChildren:
        group = self.rules.strategy.group(child, tuple(children))
        return RestartChildren(
            tuple(
                other
                for other in reversed(group)
                if other != child and children[other].active
            ),
            tuple(other for other in group if children[other].spec.restart.keeps_spec),
            delay,
        )


def _in_words(child: str, how: Exit) -> str:
    reason = f": {how.reason}" if how.reason else ""
    return f"child {child!r}: {how.how}{reason}"
