"""A short soak of each event loop, and proof that a leak of each kind is found."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

from .planted import PLANTED

pytestmark = [
    pytest.mark.guest,
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


@pytest.mark.parametrize("plant", PLANTED)
def test_a_leak_is_found_and_named(plant: str) -> None:
    done = soaked("asyncio", "6", "--plant", plant)

    assert done.returncode == 1, done.stdout + done.stderr
    assert PLANTED[plant][1] in done.stdout
    assert done.stdout.endswith("asyncio: FAILED\n")
