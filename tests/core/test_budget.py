from __future__ import annotations

from itertools import accumulate
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.budget import Budget, TokenBucket
from airssys.core.errors import QuotaExceeded
from airssys.core.limits import Quota, SharedQuota


def bucket(tokens: float = 5, since: float = -inf) -> TokenBucket:
    """Return a bucket with five tokens a second."""
    made = TokenBucket("a", "messages", rate=5)
    made.tokens, made.since = tokens, since
    return made


@pytest.mark.parametrize(
    ("start", "amount", "now", "wait", "left"),
    [
        pytest.param((5, -inf), 1, 0.0, 0.0, 4.0, id="it is full at first"),
        pytest.param((5, -inf), 5, 0.0, 0.0, 0.0, id="all at once"),
        pytest.param((5, -inf), 6, 0.0, inf, 5.0, id="more than it ever holds"),
        pytest.param((0, 0), 1, 0.0, 0.2, 0.0, id="empty"),
        pytest.param((0, 0), 2, 0.2, 0.2, 1.0, id="not enough"),
        pytest.param((0, 0), 1, 1.0, 0.0, 4.0, id="filled up again"),
        pytest.param((0, 0), 1, 9.0, 0.0, 4.0, id="never above full"),
        pytest.param((0, 8), 1, 7.0, 0.2, 0.0, id="clock went back"),
    ],
)
def test_tokens_are_taken_where_they_are_there(
    start: tuple[float, float], amount: float, now: float, wait: float, left: float
) -> None:
    five = bucket(*start)

    waited = five.wait(amount, now)
    if not waited:
        five.charge(amount)

    assert waited == pytest.approx(wait)
    assert five.tokens == pytest.approx(left)


def test_a_charge_on_credit_is_a_debt_that_time_pays() -> None:
    five = bucket(since=0.0)
    five.charge(7)

    assert five.wait(0, 0.0) == pytest.approx(0.4)
    assert five.wait(1, 0.0) == pytest.approx(0.6)
    assert five.wait(0, 0.1) == pytest.approx(0.3)
    assert five.wait(0, 0.5) == 0.0


@pytest.mark.parametrize("rate", [0, -1])
def test_a_bucket_that_never_lets_anything_through_is_refused(rate: float) -> None:
    with pytest.raises(ValueError, match="must be > 0"):
        TokenBucket("a", "messages", rate=rate)


@given(
    rate=st.integers(1, 1000),
    tries=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 50)), max_size=60),
)
def test_no_window_sees_more_than_a_second_s_worth_and_what_comes_in_meanwhile(
    rate: int, tries: list[tuple[float, int]]
) -> None:
    made = budget(messages=rate)
    taken: list[tuple[float, int]] = []
    times = accumulate(pause for pause, _ in tries)

    for now, (_, amount) in zip(times, tries, strict=True):
        wait = made.take("messages", amount, now)
        if not wait:
            taken.append((now, amount))

    for first, (start, _) in enumerate(taken):
        total = 0  # of all windows that begin here
        for end, amount in taken[first:]:
            total += amount
            assert total <= rate * (1 + end - start) + 1e-6


# Budgets.

Warnings = list[tuple[str, str, str]]


def budget(
    warned: Warnings | None = None, parent: Budget | None = None, **quota: float
) -> Budget:
    """Return the budget of an actor ``a``, which notes whom it warned of what."""
    notes = [] if warned is None else warned
    given_quota: dict[str, Any] = {**quota}
    return Budget(
        "a",
        Quota(**given_quota),
        parent,
        lambda owner, kind, level, _: notes.append((owner, kind, level)),
    )


def shared(warned: Warnings | None = None, **quota: float) -> Budget:
    """Return the budget of a supervisor ``s``."""
    notes = [] if warned is None else warned
    given_quota: dict[str, Any] = {**quota}
    return Budget(
        "s",
        SharedQuota(**given_quota),
        None,
        lambda owner, kind, level, _: notes.append((owner, kind, level)),
    )


def held(one: Budget) -> int:
    """Return how many handles are held of a budget."""
    return one.stores["handles"][0].used


def test_what_is_taken_is_taken_from_all_budgets_or_from_none() -> None:
    above = shared(messages=3)
    one, two = budget(parent=above, messages=2), budget(parent=above, messages=2)

    assert one.take("messages", 2, 0.0) == 0.0
    assert one.take("messages", 1, 0.0) == pytest.approx(0.5), "its own is used up"
    assert two.take("messages", 2, 0.0) == pytest.approx(1 / 3), "the shared one is"
    assert two.take("messages", 1, 0.0) == 0.0, "nothing was taken by the refusal"
    assert two.take("messages", 1, 0.0) == pytest.approx(1 / 3)
    assert one.most("messages") == 2
    assert shared().most("messages") == inf


def test_what_has_no_limit_is_given() -> None:
    assert shared().take("network", 10**12, 0.0) == 0.0
    assert budget(parent=shared()).take("host_calls", 1, 0.0) == 0.0
    assert shared().debt("cpu", 0.0) == 0.0
    shared().charge("cpu", 5, 0.0)
    shared().hold("storage", 10**12)
    shared().release("storage", 1)
    assert shared().limit("storage") is None


def test_a_second_of_computing_in_each_second_is_no_limit_for_one_actor() -> None:
    alone, several = budget(cpu=1.0), shared(cpu=1.5)
    alone.charge("cpu", 100, 0.0)
    several.charge("cpu", 3, 0.0)

    assert alone.debt("cpu", 0.0) == 0.0
    assert several.debt("cpu", 0.0) == pytest.approx(1.0)
    half = budget(parent=several, cpu=0.5)
    half.charge("cpu", 0.75, 0.0)
    assert half.debt("cpu", 0.0) == pytest.approx(1.5)
    assert half.debt("cpu", 1.1) == pytest.approx(0.4)


def test_a_refusal_says_how_long_to_wait() -> None:
    ten = budget(messages=10)
    ten.take("messages", 10, 0.0)
    wait = ten.take("messages", 1, 0.0)

    assert str(ten.refusal("messages", wait)) == (
        "actor 'a' is over its quota of messages (limit: 10 a second; "
        "the next may go in 0.1 s)"
    )
    assert "that much never fits" in str(ten.refusal("messages", inf))


def test_what_is_held_is_held_in_all_budgets_or_in_none() -> None:
    above = shared(handles=3)
    one, two = budget(parent=above, handles=2), budget(parent=above, handles=5)

    one.hold("handles")
    one.hold("handles")
    with pytest.raises(QuotaExceeded, match=r"'a' .*quota of open handles \(limit: 2"):
        one.hold("handles")
    two.hold("handles")
    with pytest.raises(QuotaExceeded, match=r"of supervisor 's' \(limit: 3; 3 in use"):
        two.hold("handles")
    assert (held(one), held(two), held(above)) == (2, 1, 3)
    one.release("handles")
    two.hold("handles")
    assert (one.limit("handles"), two.limit("handles")) == (2, 3)
    one.release("handles", 9)
    assert held(one) == 0


def test_an_actor_that_ends_gives_back_what_it_held_of_the_shared_quota() -> None:
    above = shared(handles=3, storage=100)
    one = budget(parent=above)
    one.hold("handles", 3)
    one.hold("storage", 60)

    one.close()

    assert (held(above), held(one)) == (0, 0)
    assert above.stores["storage"][0].used == 0
    shared().close()
    budget(parent=above).close()


def test_a_quota_that_runs_out_warns_twice() -> None:
    warned: Warnings = []
    ten = budget(warned, messages=10)

    for _ in range(7):
        ten.take("messages", 1, 0.0)
    assert warned == []
    ten.take("messages", 1, 0.0)
    assert warned == [("a", "messages", "warning")]
    ten.take("messages", 1, 0.0)
    ten.take("messages", 1, 0.0)
    assert warned[1:] == [("a", "messages", "critical")]
    ten.take("messages", 1, 0.0)
    ten.take("messages", 1, 0.1)
    assert len(warned) == 2, "it was warned"
    ten.take("messages", 1, 5.0)
    for _ in range(9):
        ten.take("messages", 1, 5.0)
    assert warned[2:] == [
        ("a", "messages", "warning"),
        ("a", "messages", "critical"),
    ]


def test_the_shared_quota_warns_in_its_own_name() -> None:
    warned: Warnings = []
    above = shared(warned, handles=10, network=100)
    one = budget(warned, parent=above, handles=10)

    one.hold("handles", 8)
    one.take("network", 96, 0.0)
    assert (one.held("handles"), above.held("handles")) == (8, 0)

    assert warned == [
        ("a", "handles", "warning"),
        ("s", "handles", "warning"),
        ("s", "network", "critical"),
    ]


def test_a_budget_may_have_nobody_to_tell() -> None:
    lonely = Budget("a", Quota(messages=1))

    assert lonely.take("messages", 1, 0.0) == 0.0
    assert lonely.take("messages", 1, 0.0) == 1.0


def test_what_is_given_back_is_never_more_than_a_second_s_worth() -> None:
    one = budget(parent=shared(messages=10), messages=20)
    one.charge("messages", 15, 0.0)
    assert one.debt("messages", 0.0) == 0.5

    one.refund("messages", 10, 0.0)
    assert one.debt("messages", 0.0) == 0.0
    one.refund("messages", 100, 0.0)
    assert one.take("messages", 10, 0.0) == 0.0
    assert one.take("messages", 1, 0.0) == 0.1


@given(
    tries=st.lists(
        st.tuples(st.integers(0, 1), st.floats(0, 0.5), st.integers(1, 9)), max_size=60
    )
)
def test_children_never_use_more_together_than_their_supervisor_may(
    tries: list[tuple[int, float, int]],
) -> None:
    above = shared(messages=10)
    children = [budget(parent=above, messages=8), budget(parent=above, messages=8)]
    now, total = 0.0, 0

    for child, pause, amount in tries:
        now += pause
        total += amount if not children[child].take("messages", amount, now) else 0

    assert total <= 10 + 10 * now + 1e-6
