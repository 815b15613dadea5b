"""Run a fuzzer in a child, and say which case the child died of."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from attrs import frozen

__all__ = ("ROOT", "Report", "chosen_seed", "fuzz", "scale")

ROOT: Final = Path(__file__).parents[2]
_DEFAULT: Final = 30.0
"""Seconds of all fuzzers where nothing else is said."""
_SHRINK: Final = 330.0
"""Seconds that Hypothesis may take to make a wrong outcome small, and a bit more."""
_LONG: Final = 2000
"""Characters of a line in a report."""
_LINES: Final = 80
"""Lines of the child's errors in a report."""


@frozen
class Report:
    """How a child ended."""

    problem: str
    """What was found, and how to repeat it; empty: nothing."""
    summary: str = ""


def scale() -> float:
    """Return how much longer than usual to fuzz: ``FUZZ_SECONDS``."""
    return float(os.environ.get("FUZZ_SECONDS", _DEFAULT)) / _DEFAULT


def chosen_seed() -> int:
    """Return the seed: ``FUZZ_SEED``, a number or ``random``; 0 by default."""
    chosen = os.environ.get("FUZZ_SEED", "0")
    return secrets.randbelow(2**32) if chosen == "random" else int(chosen)


def fuzz(
    surface: str, *, seconds: float, seed: int, folder: Path, stuck: float = 20.0
) -> Report:
    """Fuzz a surface for some time.

    Args:
        surface: One of ``child.SURFACES``.
        seconds: When to begin no more rounds.
        seed: What all cases are made of.
        folder: Where the journal may lie.
        stuck: Seconds after which a case counts as a hang.
    """
    journal = folder / f"journal-{surface}"
    command = [sys.executable, "-W", "error", "-m", "tests.fuzz.child", surface]
    command += ["--seed", str(seed), "--seconds", str(seconds)]
    try:
        done = subprocess.run(
            [*command, "--journal", str(journal)],
            cwd=ROOT,
            env=_environment(stuck),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds + _SHRINK,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        said = late.stderr or b""
        return _problem("did not end", journal, said.decode(errors="replace"), command)
    if done.returncode == 0 and "rounds" in done.stdout:
        return Report("", done.stdout.strip())
    return _problem(_ended(done.returncode), journal, done.stderr, command)


def _environment(stuck: float) -> dict[str, str]:
    paths = [str(ROOT), *filter(None, (os.environ.get("PYTHONPATH"),))]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "FUZZ_STUCK": str(stuck),
    }


def _ended(code: int) -> str:
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended with code {code}"


def _problem(how: str, journal: Path, said: str, command: list[str]) -> Report:
    case = journal.read_text(errors="replace") if journal.exists() else ""
    lines = [line[:_LONG] for line in said.strip().splitlines()]
    if len(lines) > _LINES:
        lines[_LINES // 2 : -_LINES // 2] = ["..."]
    parts = [f"the fuzzer of {command[5]!r} {how}"]
    if case:
        parts.append(f"in the case {case[:_LONG]}")
    parts += [f"it ran as: {' '.join(command[1:])}", *lines]
    return Report("\n".join(parts))
