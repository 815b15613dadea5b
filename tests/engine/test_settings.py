from __future__ import annotations

from typing import Any

import pytest

import airssys
from airssys.engine.fiber import Slicing
from airssys.host.offered import Facilities


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("stack", 0),
        ("stack", -1),
        ("stack", 2**70),
        ("stack", "x"),
        ("stack", None),
        ("threads", 0),
        ("threads", -3),
        ("threads", True),
        ("memory_reservation", -1),
        ("memory_reservation", 2**60),
        ("cache_size", "1"),
        ("slicing", 3),
        ("compile_limits", 5),
        ("compile_limits", airssys.CompileLimits(memory=1)),
        ("progress", 5),
    ],
)
def test_an_engine_refuses_settings_that_would_end_the_process_or_the_first_call(
    name: str, value: Any
) -> None:
    with pytest.raises(ValueError, match=f"an engine's {name} cannot be"):
        airssys.Engine(cache=False, **{name: value})


@pytest.mark.parametrize("time", [0, 10**9, float("nan"), float("inf")])
def test_no_clock_takes_any_time_to_compile(time: float) -> None:
    with pytest.raises(ValueError, match="'time'|seconds"):
        airssys.CompileLimits(time=time)


@pytest.mark.parametrize(
    "given", [float("nan"), 10**400, "1", True], ids=["nan", "huge", "text", "bool"]
)
def test_a_limit_or_a_slice_is_a_time_that_a_clock_has(given: Any) -> None:
    for take in (
        lambda: airssys.Limits(timeout=given),
        lambda: Slicing(quantum=given),
        lambda: Facilities(longest_wait=given),
        lambda: airssys.Quota(cpu=given),
        lambda: airssys.SharedQuota(cpu=given),
    ):
        with pytest.raises((TypeError, ValueError), match="seconds"):
            take()
