"""Run the fuzzers for a while, each in a process that may crash.

``FUZZ_SECONDS=600 python -m pytest tests/fuzz`` takes ten minutes in place of
half of one; ``FUZZ_SEED`` is a number, or ``random``. A failure names the round
that found it, and ``python -m tests.fuzz.child`` repeats that one alone (see there).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from .watch import chosen_seed, fuzz, scale

pytestmark = [pytest.mark.guest, pytest.mark.slow]

SECONDS: Final = {
    "values": 9.0,
    "handles": 3.0,
    "hosts": 7.0,
    "binaries": 7.0,
    "texts": 2.5,
    "manifests": 1.0,
}
"""How long each surface is fuzzed, of half a minute."""
PLANTED: Final = {
    "planted-abort": (
        "was ended by SIGABRT",
        "in the case planted-abort --seed 0 --round 0: case 7\n",
    ),
    "planted-fault": ("was ended by SIGSEGV", "round 0: case null\n"),
    "planted-exit": ("ended with code 0", "round 0: case exit\n"),
    "planted-hang": ("Timeout", "round 0: case forever\n"),
    "planted-outcome": ("ended with code 3", "value=1000"),
    "planted-ignored": ("ended with code 3", "ValueError: planted"),
}


@pytest.mark.parametrize("surface", SECONDS)
def test_nothing_made_up_crashes_hangs_or_fails_otherwise_than_documented(
    surface: str, tmp_path: Path
) -> None:
    seconds = SECONDS[surface] * scale()

    report = fuzz(surface, seconds=seconds, seed=chosen_seed(), folder=tmp_path)

    print(f"{surface}: {report.summary}")
    assert not report.problem, report.problem


@pytest.mark.parametrize("surface", PLANTED)
def test_a_planted_fault_is_found_and_its_case_named(
    surface: str, tmp_path: Path
) -> None:
    report = fuzz(surface, seconds=0, seed=0, folder=tmp_path, stuck=1.0)

    for words in PLANTED[surface]:
        assert words in report.problem
    assert f"{surface} --seed 0 --round 0" in report.problem
