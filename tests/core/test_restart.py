from __future__ import annotations

import inspect
import math
from itertools import pairwise

import pytest
from attrs import evolve, frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from airssys.core.child import (
    ChildSpec,
    Crashed,
    Exit,
    Normal,
    Restart,
    Stopped,
)
from airssys.core.health import HealthCheck
from airssys.core.restart import (
    AutoShutdown,
    Backoff,
    Decision,
    Escalate,
    Forget,
    Intensity,
    Keep,
    RestartChildren,
    ShutDown,
    Strategy,
    Supervision,
    SupervisorRules,
)

CRASH = Crashed(ValueError("boom"))
MANY = Intensity(1_000_000)


async def run() -> None: ...


@frozen
class Member:
    spec: ChildSpec
    active: bool = True


def family(*specs: ChildSpec, inactive: tuple[str, ...] = ()) -> dict[str, Member]:
    return {spec.id: Member(spec, spec.id not in inactive) for spec in specs}


def letters(text: str, restart: Restart = Restart.PERMANENT) -> tuple[ChildSpec, ...]:
    return tuple(ChildSpec(letter, run, restart=restart) for letter in text)


def decide(
    rules: Supervision,
    child: str,
    how: Exit,
    children: dict[str, Member],
) -> Decision:
    return rules.exited(child, how, children, now=0.0, random=0.0)[1]


# --- specs ------------------------------------------------------------------------


def test_the_defaults_are_those_of_otp() -> None:
    spec = ChildSpec("a", run)

    assert spec.restart is Restart.PERMANENT
    assert spec.shutdown == 5.0
    assert not spec.significant
    assert Intensity() == Intensity(1, 5.0)
    assert SupervisorRules().strategy is Strategy.ONE_FOR_ONE
    assert SupervisorRules().auto_shutdown is AutoShutdown.NEVER


def test_a_significant_child_needs_an_auto_shutdown() -> None:
    spec = ChildSpec("a", run, restart=Restart.TEMPORARY, significant=True)

    SupervisorRules(auto_shutdown=AutoShutdown.ANY_SIGNIFICANT).check(spec)
    SupervisorRules().check(ChildSpec("a", run))
    with pytest.raises(ValueError, match="auto_shutdown is 'never'"):
        SupervisorRules().check(spec)


def test_numbers_without_meaning_are_refused() -> None:
    with pytest.raises(ValueError, match="restarts"):
        Intensity(restarts=-1)
    with pytest.raises(ValueError, match="period"):
        Intensity(period=0)
    with pytest.raises(ValueError, match="jitter"):
        Backoff(jitter=1.1)
    with pytest.raises(ValueError, match="factor"):
        Backoff(factor=0.5)
    with pytest.raises(ValueError, match="shutdown"):
        ChildSpec("a", run, shutdown=-1)
    with pytest.raises(ValueError, match="id"):
        ChildSpec("", run)
    with pytest.raises(ValueError, match="failures"):
        HealthCheck(run, failures=0)


# --- which exits restart ----------------------------------------------------------


@pytest.mark.parametrize(
    ("restart", "how", "expected"),
    [
        (Restart.PERMANENT, Normal(), RestartChildren((), ("a",), 0)),
        (Restart.PERMANENT, CRASH, RestartChildren((), ("a",), 0)),
        (Restart.PERMANENT, Stopped(), Keep()),
        (Restart.TRANSIENT, Normal(), Keep()),
        (Restart.TRANSIENT, CRASH, RestartChildren((), ("a",), 0)),
        (Restart.TRANSIENT, Stopped(), Keep()),
        (Restart.TEMPORARY, Normal(), Forget()),
        (Restart.TEMPORARY, CRASH, Forget()),
        (Restart.TEMPORARY, Stopped(), Forget()),
    ],
)
def test_the_restart_type_decides_which_exits_restart(
    restart: Restart, how: Exit, expected: Decision
) -> None:
    children = family(*letters("a", restart))

    assert decide(Supervision(), "a", how, children) == expected


@pytest.mark.parametrize(
    ("strategy", "stop", "start"),
    [
        (Strategy.ONE_FOR_ONE, "", "b"),
        (Strategy.REST_FOR_ONE, "dc", "bcd"),
        (Strategy.ONE_FOR_ALL, "dca", "abcd"),
    ],
)
def test_the_strategy_decides_who_is_taken_along(
    strategy: Strategy, stop: str, start: str
) -> None:
    decision = decide(
        Supervision(SupervisorRules(strategy=strategy)),
        "b",
        CRASH,
        family(*letters("abcd")),
    )

    assert decision == RestartChildren(tuple(stop), tuple(start), 0)


def test_temporary_siblings_are_stopped_and_not_started() -> None:
    children = family(*letters("ab"), *letters("t", Restart.TEMPORARY), *letters("c"))

    decision = decide(
        Supervision(SupervisorRules(strategy=Strategy.ONE_FOR_ALL)),
        "a",
        CRASH,
        children,
    )

    assert decision == RestartChildren(("c", "t", "b"), ("a", "b", "c"), 0)


def test_siblings_that_have_ended_are_not_stopped_but_started() -> None:
    children = family(*letters("abc"), inactive=("a", "b"))

    decision = decide(
        Supervision(SupervisorRules(strategy=Strategy.ONE_FOR_ALL)),
        "a",
        CRASH,
        children,
    )

    assert decision == RestartChildren(("c",), ("a", "b", "c"), 0)


# --- intensity --------------------------------------------------------------------


def test_one_restart_too_many_escalates_with_the_history() -> None:
    children = family(*letters("a"))
    rules = Supervision(SupervisorRules(intensity=Intensity(1, 5.0)))

    rules, first = rules.exited("a", CRASH, children, now=10.0, random=0)
    rules, second = rules.exited("a", Normal(), children, now=15.0, random=0)

    assert first == RestartChildren((), ("a",), 0)
    assert second == Escalate(
        (
            "-5.000 s: child 'a': crash: ValueError: boom",
            "0.000 s: child 'a': normal",
        )
    )


def test_a_restart_older_than_the_period_no_longer_counts() -> None:
    children = family(*letters("a"))
    rules = Supervision(SupervisorRules(intensity=Intensity(1, 5.0)))

    rules, _ = rules.exited("a", CRASH, children, now=10.0, random=0)
    rules, decision = rules.exited("a", CRASH, children, now=15.1, random=0)

    assert decision == RestartChildren((), ("a",), 0)
    assert [counted.at for counted in rules.history] == [15.1]


def test_an_intensity_of_zero_allows_no_restart() -> None:
    rules = Supervision(SupervisorRules(intensity=Intensity(0)))

    assert isinstance(decide(rules, "a", CRASH, family(*letters("a"))), Escalate)


def test_exits_without_restart_do_not_count() -> None:
    children = family(*letters("a", Restart.TEMPORARY), *letters("b"))
    rules = Supervision(SupervisorRules(intensity=Intensity(1)))

    for _ in range(5):
        rules, _ = rules.exited("a", CRASH, children, now=0, random=0)

    assert isinstance(decide(rules, "b", CRASH, children), RestartChildren)


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3)), max_size=60),
    st.integers(0, 4),
    st.floats(0.01, 5),
)
def test_restarts_in_any_period_never_exceed_the_intensity(
    exits: list[tuple[str, float]], restarts: int, period: float
) -> None:
    rules = Supervision(SupervisorRules(intensity=Intensity(restarts, period)))
    children = family(*letters("abc"))
    now, taken = 0.0, list[float]()

    for child, later in exits:
        now += later
        rules, decision = rules.exited(child, CRASH, children, now=now, random=0)
        if isinstance(decision, RestartChildren):
            taken.append(now)

    for first in taken:
        within = [at for at in taken if first <= at <= first + period]
        assert len(within) <= restarts


# --- backoff ----------------------------------------------------------------------

BACKOFFS = st.builds(
    Backoff,
    initial=st.floats(0, 1e6),
    factor=st.floats(1, 1e3),
    maximum=st.floats(0, 1e9),
    jitter=st.floats(0, 1),
)


@given(BACKOFFS, st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_delay_stays_within_its_bounds(
    backoff: Backoff, earlier: int, random: float
) -> None:
    longest = backoff.delay(earlier, 0.0)
    delay = backoff.delay(earlier, random)

    assert 0 <= longest * (1 - backoff.jitter) <= delay <= longest <= backoff.maximum


@given(BACKOFFS, st.integers(0, 10_000))
def test_a_delay_without_jitter_never_shrinks(backoff: Backoff, earlier: int) -> None:
    steady = evolve(backoff, jitter=0.0)

    assert steady.delay(earlier, 0.5) <= steady.delay(earlier + 1, 0.5)
    assert steady.delay(0, 0.5) == min(steady.initial, steady.maximum)


def test_no_initial_delay_is_no_delay_for_ever() -> None:
    assert Backoff().delay(100_000, 0.0) == 0.0


def test_a_very_long_streak_waits_the_maximum() -> None:
    assert Backoff(0.1, 2.0, 30.0).delay(100_000, 0.0) == 30.0


def test_the_delay_grows_and_resets_after_a_healthy_while() -> None:
    rules = Supervision(
        SupervisorRules(intensity=MANY, backoff=Backoff(1.0, 2.0, 5.0, healthy=10.0))
    )
    children = family(*letters("ab"))
    delays = []

    #            at 0       at 2       at 5       at 10      healthy at 25
    for now in (0.0, 2.0, 5.0, 10.0, 25.0, 36.1):
        rules, decision = rules.exited("a", CRASH, children, now=now, random=0)
        assert isinstance(decision, RestartChildren)
        delays.append(decision.delay)

    assert delays == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    rules, decision = rules.exited("a", CRASH, children, now=51.2, random=0)
    assert decision == RestartChildren((), ("a",), 1.0)


def test_each_child_has_its_own_delay() -> None:
    rules = Supervision(SupervisorRules(intensity=MANY, backoff=Backoff(1.0, 2.0)))
    children = family(*letters("ab"))

    rules, _ = rules.exited("a", CRASH, children, now=0, random=0)
    rules, second = rules.exited("a", CRASH, children, now=1, random=0)
    rules, other = rules.exited("b", CRASH, children, now=1, random=0)

    assert second == RestartChildren((), ("a",), 2.0)
    assert other == RestartChildren((), ("b",), 1.0)


def test_children_that_became_healthy_are_forgotten() -> None:
    rules = Supervision(
        SupervisorRules(intensity=MANY, backoff=Backoff(1.0, healthy=1.0))
    )
    children = family(*letters("ab"))

    rules, _ = rules.exited("a", CRASH, children, now=0, random=0)
    rules, _ = rules.exited("b", CRASH, children, now=100, random=0)

    assert set(rules.streaks) == {"b"}


# --- automatic shutdown -----------------------------------------------------------


def significant(text: str, restart: Restart = Restart.TRANSIENT) -> list[ChildSpec]:
    return [ChildSpec(c, run, restart=restart, significant=True) for c in text]


@pytest.mark.parametrize(
    ("auto_shutdown", "how", "inactive", "expected"),
    [
        (AutoShutdown.NEVER, Normal(), "", Keep()),
        (AutoShutdown.ANY_SIGNIFICANT, Normal(), "", ShutDown()),
        (AutoShutdown.ANY_SIGNIFICANT, CRASH, "", RestartChildren((), ("a",), 0)),
        (AutoShutdown.ANY_SIGNIFICANT, Stopped(), "", Keep()),
        (AutoShutdown.ALL_SIGNIFICANT, Normal(), "", Keep()),
        (AutoShutdown.ALL_SIGNIFICANT, Normal(), "b", ShutDown()),
    ],
)
def test_the_end_of_significant_children_shuts_down(
    auto_shutdown: AutoShutdown, how: Exit, inactive: str, expected: Decision
) -> None:
    rules = Supervision(SupervisorRules(auto_shutdown=auto_shutdown))
    children = family(*significant("ab"), *letters("c"), inactive=tuple(inactive))

    assert decide(rules, "a", how, children) == expected


def test_a_significant_temporary_child_shuts_down_even_by_a_crash() -> None:
    rules = Supervision(SupervisorRules(auto_shutdown=AutoShutdown.ANY_SIGNIFICANT))
    children = family(*significant("a", Restart.TEMPORARY))

    assert decide(rules, "a", CRASH, children) == ShutDown()


def test_other_children_do_not_shut_down() -> None:
    rules = Supervision(SupervisorRules(auto_shutdown=AutoShutdown.ANY_SIGNIFICANT))
    children = family(*significant("a"), *letters("b", Restart.TRANSIENT))

    assert decide(rules, "b", Normal(), children) == Keep()


# --- laws for whole families ------------------------------------------------------

FAMILIES = st.lists(
    st.tuples(st.sampled_from(Restart), st.booleans()), min_size=1, max_size=8
).map(
    lambda members: {
        str(n): Member(ChildSpec(str(n), run, restart=restart), active)
        for n, (restart, active) in enumerate(members)
    }
)


@given(
    FAMILIES,
    st.data(),
    st.sampled_from(Strategy),
    st.sampled_from([Normal(), CRASH, Stopped()]),
)
def test_those_taken_along_are_exactly_what_the_strategy_says(
    children: dict[str, Member], data: st.DataObject, strategy: Strategy, how: Exit
) -> None:
    child = data.draw(st.sampled_from(list(children)))
    order = list(children)
    group = {
        Strategy.ONE_FOR_ONE: [child],
        Strategy.REST_FOR_ONE: order[order.index(child) :],
        Strategy.ONE_FOR_ALL: order,
    }[strategy]

    decision = decide(
        Supervision(SupervisorRules(strategy=strategy)), child, how, children
    )

    if isinstance(decision, RestartChildren):
        lasting = [
            c for c in group if children[c].spec.restart is not Restart.TEMPORARY
        ]
        others = [c for c in reversed(group) if c != child and children[c].active]
        assert list(decision.start) == lasting
        assert list(decision.stop) == others
        assert child in decision.start
    else:
        assert decision in (Keep(), Forget())
        assert children[child].spec.restart is not Restart.PERMANENT or how == Stopped()


class Supervising(RuleBasedStateMachine):
    """Play a supervisor: carry decisions out, let children end at random."""

    @initialize(
        strategy=st.sampled_from(Strategy),
        restarts=st.integers(0, 4),
        period=st.floats(0.1, 10),
        members=st.lists(st.sampled_from(Restart), min_size=1, max_size=6),
    )
    def open(
        self, strategy: Strategy, restarts: int, period: float, members: list[Restart]
    ) -> None:
        self.supervision = Supervision(
            SupervisorRules(
                strategy=strategy,
                intensity=Intensity(restarts, period),
                backoff=Backoff(0.1, 2.0, 1.0, 0.5),
            )
        )
        self.children = family(
            *(ChildSpec(str(n), run, restart=r) for n, r in enumerate(members))
        )
        self.order = list(self.children)
        self.now = 0.0
        self.restarted: list[float] = []
        self.temporary_starts = 0
        self.over = False

    @rule(seconds=st.floats(0, 5))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: not self.over and self.children)
    @rule(
        data=st.data(),
        how=st.sampled_from([Normal(), CRASH]),
        random=st.floats(0, 1, exclude_max=True),
    )
    def end(self, data: st.DataObject, how: Exit, random: float) -> None:
        active = [c for c, member in self.children.items() if member.active]
        if not active:
            return
        child = data.draw(st.sampled_from(active))
        self.children[child] = evolve(self.children[child], active=False)
        before = self.supervision
        self.supervision, decision = self.supervision.exited(
            child, how, self.children, now=self.now, random=random
        )
        match decision:
            case Keep():
                assert self.supervision is before
            case Forget():
                assert self.supervision is before
                del self.children[child]
            case RestartChildren(stop, start, delay):
                assert 0 <= delay <= 1.0
                for other in stop:
                    assert self.children[other].active
                    if other not in start:
                        del self.children[other]
                for other in start:
                    spec = self.children[other].spec
                    self.temporary_starts += spec.restart is Restart.TEMPORARY
                    self.children[other] = Member(spec)
                self.restarted.append(self.now)
            case ShutDown():
                raise AssertionError("nobody is significant")
            case Escalate(history):
                assert len(history) == self.supervision.rules.intensity.restarts + 1
                self.over = True

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "supervision"):
            return
        allowed, period = (
            self.supervision.rules.intensity.restarts,
            self.supervision.rules.intensity.period,
        )
        for at in self.restarted:
            inside = [t for t in self.restarted if at <= t <= at + period]
            assert len(inside) <= allowed
        assert self.temporary_starts == 0
        assert list(self.children) == [c for c in self.order if c in self.children]
        assert len(self.supervision.history) <= allowed
        assert all(a.at <= b.at for a, b in pairwise(self.supervision.history))
        for member in self.children.values():
            lasting = member.spec.restart is Restart.PERMANENT
            assert member.active or not lasting or self.over


TestSupervising = Supervising.TestCase
TestSupervising.settings = settings(max_examples=60, stateful_step_count=30)


def test_the_rules_are_pure() -> None:
    assert not inspect.iscoroutinefunction(Supervision.exited)
    rules = Supervision()
    arguments = ("a", CRASH, family(*letters("a")))

    once = rules.exited(*arguments, now=1.0, random=0.5)
    again = rules.exited(*arguments, now=1.0, random=0.5)

    assert once == again
    assert rules == Supervision()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1.0, 7.0])
def test_a_random_number_out_of_range_takes_nothing_off_a_delay(bad: float) -> None:
    backoff = Backoff(initial=2.0, jitter=0.5)

    assert backoff.delay(0, bad) == 2.0
    assert backoff.delay(0, 1.0) == 1.0
