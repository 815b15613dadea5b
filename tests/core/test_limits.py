from __future__ import annotations

from itertools import accumulate
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.limits import TokenBucket

TEN = TokenBucket(10, 5)
"""Ten tokens a second, five at once."""


@pytest.mark.parametrize(
    ("bucket", "amount", "now", "wait", "level"),
    [
        pytest.param(TEN, 1, 0.0, 0.0, 4.0, id="it is full at first"),
        pytest.param(TEN, 5, 0.0, 0.0, 0.0, id="all at once"),
        pytest.param(TEN, 6, 0.0, inf, 5.0, id="more than it ever holds"),
        pytest.param(TokenBucket(10, 5, 0, 0), 1, 0.0, 0.1, 0.0, id="empty"),
        pytest.param(TokenBucket(10, 5, 0, 0), 2, 0.1, 0.1, 1.0, id="not enough"),
        pytest.param(TokenBucket(10, 5, 0, 0), 1, 0.5, 0.0, 4.0, id="filled up again"),
        pytest.param(TokenBucket(10, 5, 0, 0), 1, 9.0, 0.0, 4.0, id="never above full"),
        pytest.param(TokenBucket(10, 5, 0, 8), 1, 7.0, 0.1, 0.0, id="clock went back"),
    ],
)
def test_tokens_are_taken_where_they_are_there(
    bucket: TokenBucket, amount: float, now: float, wait: float, level: float
) -> None:
    after, waited = bucket.take(amount, now)

    assert waited == pytest.approx(wait)
    assert after.level == pytest.approx(level)


def test_a_charge_on_credit_is_a_debt_that_time_pays() -> None:
    bucket = TEN.charge(7, 0.0)

    assert bucket.wait(0, 0.0) == pytest.approx(0.2)
    assert bucket.wait(1, 0.0) == pytest.approx(0.3)
    assert bucket.wait(0, 0.1) == pytest.approx(0.1)
    assert bucket.wait(0, 0.3) == 0.0


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (1, 0), (-1, 1)])
def test_a_bucket_that_never_lets_anything_through_is_refused(
    rate: float, burst: float
) -> None:
    with pytest.raises(ValueError, match="must be > 0"):
        TokenBucket(rate, burst)


@given(
    rate=st.integers(1, 1000),
    burst=st.integers(1, 1000),
    tries=st.lists(st.tuples(st.floats(0, 2), st.integers(1, 50)), max_size=60),
)
def test_no_window_sees_more_than_the_burst_and_what_comes_in_meanwhile(
    rate: int, burst: int, tries: list[tuple[float, int]]
) -> None:
    bucket = TokenBucket(rate, burst)
    taken: list[tuple[float, int]] = []
    times = accumulate(pause for pause, _ in tries)

    for now, (_, amount) in zip(times, tries, strict=True):
        bucket, wait = bucket.take(amount, now)
        if not wait:
            taken.append((now, amount))
        elif wait < inf:
            assert bucket.wait(amount, now + wait) == pytest.approx(0, abs=1e-9)

    for first, (start, _) in enumerate(taken):
        total = 0  # of all windows that begin here
        for end, amount in taken[first:]:
            total += amount
            assert total <= burst + rate * (end - start) + 1e-6
