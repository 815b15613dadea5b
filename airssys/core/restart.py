"""Decide which children restart: a supervisor's rules, without its tasks.

The rules are those of Erlang/OTP's ``supervisor``, with a delay before each restart
(`Backoff`) added. ``now`` is a reading in seconds of any clock that never goes back,
``random`` a number from 0 up to 1; the caller passes both in.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from math import inf
from typing import Protocol, TypeAlias

from attrs import evolve, field, frozen, validators

from .defaults import GRACE, HEALTH_EVERY, HEALTH_FAILURES, HEALTH_TIMEOUT

__all__ = (
    "AutoShutdown",
    "Backoff",
    "Check",
    "Child",
    "ChildSpec",
    "CountFailure",
    "Crashed",
    "CutOff",
    "Decision",
    "Escalate",
    "Exit",
    "Forget",
    "Health",
    "HealthCheck",
    "Intensity",
    "Keep",
    "Normal",
    "Recover",
    "Restart",
    "RestartChildren",
    "ShutDown",
    "Stopped",
    "Strategy",
    "Supervision",
    "unwrap",
)

_AT_LEAST_ZERO = validators.ge(0.0)
_POSITIVE = validators.gt(0.0)


# --- what a supervisor is told ----------------------------------------------------


class Restart(Enum):
    """When a child that ended by itself is started again."""

    PERMANENT = "permanent"
    """Always."""
    TRANSIENT = "transient"
    """After a crash."""
    TEMPORARY = "temporary"
    """Never."""


class Strategy(Enum):
    """Which siblings a restart takes along."""

    ONE_FOR_ONE = "one_for_one"
    """None."""
    ONE_FOR_ALL = "one_for_all"
    """All of them."""
    REST_FOR_ONE = "rest_for_one"
    """Those started after it."""


class AutoShutdown(Enum):
    """When a supervisor ends because its significant children have ended."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    """As soon as one of them ended by itself."""
    ALL_SIGNIFICANT = "all_significant"
    """When the last of them ended by itself."""


@frozen
class Intensity:
    """How many restarts within how many seconds are too many.

    The defaults are OTP's: a second restart within 5 s is one too many.
    """

    restarts: int = field(default=1, validator=validators.ge(0))
    period: float = field(default=5.0, validator=_POSITIVE)


@frozen
class Backoff:
    """How long a child waits before it is started again; by default, not at all."""

    initial: float = field(default=0.0, validator=_AT_LEAST_ZERO)
    """Seconds before the first restart."""
    factor: float = field(default=2.0, validator=validators.ge(1))
    """By how much each further restart of the same child waits longer."""
    maximum: float = field(default=60.0, validator=_AT_LEAST_ZERO)
    """Seconds; no restart waits longer."""
    jitter: float = field(default=0.0, validator=[_AT_LEAST_ZERO, validators.le(1)])
    """The share of the delay left to chance: up to this much is taken off."""
    healthy: float = field(default=30.0, validator=_AT_LEAST_ZERO)
    """Seconds from a restart after which the next one waits ``initial`` again."""

    def delay(self, earlier: int, random: float) -> float:
        """Return the seconds to wait after so many earlier restarts in a row."""
        try:
            longest = self.initial * self.factor**earlier
        except OverflowError:
            longest = inf if self.initial else 0.0
        return min(longest, self.maximum) * (1 - self.jitter * random)


Check: TypeAlias = Callable[[], Awaitable[bool | None]]
"""Asks a child how it is: False, or an exception, is a failure."""


@frozen
class HealthCheck:
    """A question put to a running child again and again."""

    check: Check
    every: float = field(default=HEALTH_EVERY, kw_only=True, validator=_POSITIVE)
    """Seconds from the start of the child, or the last answer, to the next question."""
    timeout: float = field(default=HEALTH_TIMEOUT, kw_only=True, validator=_POSITIVE)
    """Seconds; no answer by then is a failure."""
    failures: int = field(
        default=HEALTH_FAILURES, kw_only=True, validator=validators.ge(1)
    )
    """Failures in a row that end the child."""


@frozen
class ChildSpec:
    """All a supervisor needs to start a child, and to start it again."""

    id: str = field(validator=validators.min_len(1))
    """Names the child; no two children of a supervisor share one."""
    run: Callable[..., Awaitable[object]]
    """Called as ``run(*args)``, anew for each start.

    If it has a parameter ``task_status``, the child has started when it calls
    ``task_status.started(value)``; else at once.
    """
    args: tuple[object, ...] = ()
    restart: Restart = field(default=Restart.PERMANENT, kw_only=True)
    shutdown: float = field(default=GRACE, kw_only=True, validator=_AT_LEAST_ZERO)
    """Seconds from asking the child to stop to cutting it off.

    0: cut off without asking (OTP's brutal kill); ``math.inf``: wait without end.
    """
    significant: bool = field(default=False, kw_only=True)
    """Whether its end counts for `AutoShutdown`; never for a permanent child."""
    health: HealthCheck | None = field(default=None, kw_only=True)
    stop: Callable[[], object] | None = field(default=None, kw_only=True)
    """Asks the running child to stop, and does not wait until it has.

    Without it, cancelling the child is how it is asked.
    """
    gone: Callable[[], object] | None = field(default=None, kw_only=True)
    """Called when the child has ended and the rules will not start it again.

    Also after a first start that failed. What the child shares with its later starts,
    such as a mailbox, is given up here.
    """

    @significant.validator
    def _ends_for_good(self, _: object, significant: bool) -> None:  # noqa: FBT001
        if significant and self.restart is Restart.PERMANENT:
            raise ValueError(
                f"child {self.id!r} cannot be significant: it is permanent, "
                "so it never ends by itself (make it transient or temporary)"
            )


# --- what happens to a child ------------------------------------------------------


@frozen
class Normal:
    """The child returned."""

    how = "normal"
    reason = ""


@frozen
class Crashed:
    """The child raised."""

    error: BaseException
    how = "crash"

    @property
    def reason(self) -> str:
        """The exception's type and text; of a group of one, those of that one."""
        error = unwrap(self.error)
        text = str(error)
        return f"{type(error).__name__}: {text}" if text else type(error).__name__


@frozen
class Stopped:
    """The child ended because its supervisor stopped it."""

    cut_off: bool = False
    """Whether it was cut off after it had been asked in vain."""
    how = "stopped"

    @property
    def reason(self) -> str:
        """Say if the child had to be cut off."""
        return "cut off, as it did not stop when asked" if self.cut_off else ""


Exit: TypeAlias = Normal | Crashed | Stopped


def unwrap(error: BaseException) -> BaseException:
    """Take an exception out of groups that hold nothing else.

    Each supervisor and nursery an exception passes puts it in one more group.
    """
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


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


class Child(Protocol):
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

    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: Intensity = Intensity()
    backoff: Backoff = Backoff()
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    history: tuple[_Counted, ...] = ()
    """Restarts within the last period, oldest first."""
    streaks: Mapping[str, _Streak] = field(factory=dict)
    """By child; those that fell lately and are not healthy again."""

    def check(self, spec: ChildSpec) -> None:
        """Raise ValueError for a spec that these rules have no meaning for."""
        if spec.significant and self.auto_shutdown is AutoShutdown.NEVER:
            raise ValueError(
                f"child {spec.id!r} cannot be significant: its supervisor's "
                "auto_shutdown is 'never'"
            )

    def exited(
        self,
        child: str,
        how: Exit,
        children: Mapping[str, Child],
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
        if not _starts_again(spec.restart, how):
            return self, self._after_the_end_of(spec, how, children)

        recent = tuple(
            counted
            for counted in self.history
            if now <= counted.at + self.intensity.period
        )
        counted = _Counted(now, _told(child, how))
        if len(recent) >= self.intensity.restarts:
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
        delay = self.backoff.delay(earlier, random)
        streaks[child] = _Streak(earlier + 1, now + delay + self.backoff.healthy)
        state = evolve(self, history=(*recent, counted), streaks=streaks)
        return state, self._restart(child, children, delay)

    def _after_the_end_of(
        self, spec: ChildSpec, how: Exit, children: Mapping[str, Child]
    ) -> Decision:
        if spec.significant and not isinstance(how, Stopped):
            others = any(
                each.active and each.spec.significant
                for other, each in children.items()
                if other != spec.id
            )
            ends = {
                AutoShutdown.NEVER: False,
                AutoShutdown.ANY_SIGNIFICANT: True,
                AutoShutdown.ALL_SIGNIFICANT: not others,
            }
            if ends[self.auto_shutdown]:
                return ShutDown()
        return Forget() if spec.restart is Restart.TEMPORARY else Keep()

    def _restart(
        self,
        child: str,
        children: Mapping[str, Child],
        delay: float,
    ) -> RestartChildren:
        if self.strategy is Strategy.ONE_FOR_ONE:
            return RestartChildren((), (child,), delay)
        group = tuple(children)
        if self.strategy is Strategy.REST_FOR_ONE:
            group = group[group.index(child) :]
        return RestartChildren(
            tuple(
                other
                for other in reversed(group)
                if other != child and children[other].active
            ),
            tuple(
                other
                for other in group
                if children[other].spec.restart is not Restart.TEMPORARY
            ),
            delay,
        )


_STARTS_AGAIN: dict[Restart, dict[type[Exit], bool]] = {
    Restart.PERMANENT: {Normal: True, Crashed: True, Stopped: False},
    Restart.TRANSIENT: {Normal: False, Crashed: True, Stopped: False},
    Restart.TEMPORARY: {Normal: False, Crashed: False, Stopped: False},
}


def _starts_again(restart: Restart, how: Exit) -> bool:
    return _STARTS_AGAIN[restart][type(how)]


def _told(child: str, how: Exit) -> str:
    reason = f": {how.reason}" if how.reason else ""
    return f"child {child!r}: {how.how}{reason}"


# --- health -----------------------------------------------------------------------


@frozen
class Recover:
    """Tell that the child is healthy again."""


@frozen
class CountFailure:
    """Tell that the child failed a check, and leave it running."""

    reason: str


@frozen
class CutOff:
    """End the child: it failed too many checks in a row."""

    reason: str


@frozen
class Health:
    """How a running child did in its checks so far."""

    failures: int = 0
    """Failures in a row, up to now."""

    def checked(
        self, problem: str | None, allowed: int
    ) -> tuple[Health, Keep | Recover | CountFailure | CutOff]:
        """Return the health that follows and what to do about an answer.

        Args:
            problem: What was wrong; None for a good answer.
            allowed: Failures in a row that end the child.
        """
        if problem is None:
            return Health(), Recover() if self.failures else Keep()
        health = Health(self.failures + 1)
        if health.failures >= allowed:
            return health, CutOff(problem)
        return health, CountFailure(problem)
