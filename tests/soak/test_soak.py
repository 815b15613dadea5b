"""A short soak of each event loop, and proof that a leak of each kind is found."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest
from attrs import evolve

from .figures import Figures, grown, left
from .planted import PLANTED

pytestmark = [
    pytest.mark.guest,
    pytest.mark.once,
    pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs Linux"),
]

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = os.environ.get("SOAK_SECONDS", "10")


def soaked(backend: str, seconds: str, *more: str) -> subprocess.CompletedProcess[str]:
    arguments = ["--backend", backend, "--seconds", seconds, *more]
    return subprocess.run(
        [sys.executable, "-m", "tests.soak", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("backend", ["trio", "asyncio", "uvloop"])
def test_nothing_grows_and_each_ask_has_its_outcome(backend: str) -> None:
    if backend == "uvloop" and find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")

    done = soaked(backend, SECONDS)

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith(f"{backend}: flat\n")


def test_leaks_of_every_kind_are_found_and_named() -> None:
    done = soaked("asyncio", "6", "--plant", *PLANTED)

    assert done.returncode == 1, done.stdout + done.stderr
    found = {plant for plant, (_, words) in PLANTED.items() if words in done.stdout}
    assert found == set(PLANTED), done.stdout
    assert done.stdout.endswith("asyncio: FAILED\n")


FLAT: Final = Figures(
    memory=80 * 2**20,
    objects=100_000,
    threads=5,
    descriptors=20,
    mappings=300,
    tasks=10,
)
STEPS: Final = {
    "memory": 3 * 2**20,
    "objects": 300,
    "threads": 1,
    "descriptors": 1,
    "mappings": 10,
    "tasks": 1,
}
"""By how much a leak grows in a round."""


@pytest.mark.parametrize("figure", STEPS)
def test_what_grows_a_little_in_each_round_is_found(figure: str) -> None:
    rounds = [
        evolve(FLAT, **{figure: getattr(FLAT, figure) + number * STEPS[figure]})
        for number in range(18)
    ]

    (growth,) = grown(rounds, {figure: Counter(a=1)}, {figure: Counter(a=1, b=2)})

    assert str(growth).startswith(f"{figure} grew: ")
    assert growth.what == "2 more b"
    assert [each.figure for each in left(FLAT, rounds[-1], {}, {})] == [figure]


@pytest.mark.parametrize("figure", STEPS)
def test_what_comes_and_goes_is_no_leak(figure: str) -> None:
    rounds = [
        evolve(FLAT, **{figure: getattr(FLAT, figure) + (number % 3) * STEPS[figure]})
        for number in range(18)
    ]

    assert grown(rounds, {}, {}) == ()
    assert left(FLAT, FLAT, {}, {}) == ()
