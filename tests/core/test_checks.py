from __future__ import annotations

from decimal import Decimal
from math import inf, nan
from typing import Any

import pytest

import airssys


async def run() -> None:
    pass


@pytest.mark.parametrize(
    "given", ["1", True, b"1", None, object()], ids=lambda given: type(given).__name__
)
def test_what_is_no_number_is_no_time(given: Any) -> None:
    with pytest.raises(TypeError, match="seconds are a number, not"):
        airssys.Backoff(initial=given)


@pytest.mark.parametrize("given", [nan, 10**400])
def test_a_number_that_no_clock_has_is_no_time(given: float) -> None:
    with pytest.raises(ValueError, match="seconds are"):
        airssys.HealthCheck(run, every=given)


def test_other_kinds_of_numbers_are_made_floats() -> None:
    spec = airssys.ChildSpec("a", run, shutdown=Decimal("1.5"), start_timeout=2)  # type: ignore[arg-type]

    assert (spec.shutdown, spec.start_timeout) == (1.5, 2.0)
    assert isinstance(spec.shutdown, float)


def test_words_stand_for_members() -> None:
    spec = airssys.ChildSpec("a", run, restart="transient")

    assert spec.restart is airssys.Restart.TRANSIENT
    with pytest.raises(ValueError, match="'sometimes' is not a valid Restart"):
        airssys.ChildSpec("a", run, restart="sometimes")


@pytest.mark.parametrize(
    "given",
    [
        {"id": 5},
        {"run": None},
        {"args": None},
        {"health": "x"},
        {"stop": 1},
        {"gone": 1},
    ],
    ids=str,
)
def test_a_spec_refuses_what_would_fail_in_its_supervisor(given: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        airssys.ChildSpec(**{"id": "a", "run": run, **given})


@pytest.mark.parametrize(
    "given",
    [{"strategy": "some"}, {"intensity": 3}, {"backoff": 0.1}, {"auto_shutdown": 1}],
    ids=str,
)
async def test_a_supervisor_refuses_rules_that_it_cannot_follow(given: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        async with airssys.open_supervisor(**given):
            pass


async def test_a_supervisor_takes_the_words_of_tree_files() -> None:
    async with airssys.open_supervisor(
        strategy="one_for_all",  # type: ignore[arg-type]
        auto_shutdown="any_significant",  # type: ignore[arg-type]
        stop="together",
    ) as supervisor:
        assert supervisor.children == ()


@pytest.mark.parametrize(
    ("backoff", "expected"),
    [
        (airssys.Backoff(initial=0.0, factor=inf), 0.0),
        (airssys.Backoff(initial=1.0, factor=inf), 60.0),
        (airssys.Backoff(initial=inf, maximum=inf, jitter=1.0), inf),
        (airssys.Backoff(initial=10.0, maximum=20.0, jitter=1.0), 0.0),
    ],
)
def test_a_delay_is_always_a_number(backoff: airssys.Backoff, expected: float) -> None:
    assert backoff.delay(3, 1.0) == expected
