"""Fuzz one surface in a process of its own, which may crash.

``python -m tests.fuzz.child SURFACE --seed 1 --round 7`` repeats one round; with
``FUZZ_SHRINK=1`` the case that it finds is made small, which may take minutes.
"""

from __future__ import annotations

import argparse
import faulthandler
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from . import planted
from .binaries import round_ as binaries
from .handles import round_ as handles
from .hosts import round_ as hosts
from .journal import Journal
from .manifests import round_ as manifests
from .texts import round_ as texts
from .values import round_ as values

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

Round: TypeAlias = Callable[[int, Journal], None]
"""Runs cases made of a seed. Raises whatever is wrong."""

SURFACES: Final[dict[str, Round]] = {
    "values": values,
    "handles": handles,
    "hosts": hosts,
    "binaries": binaries,
    "texts": texts,
    "manifests": manifests,
    "planted-abort": planted.abort,
    "planted-fault": planted.fault,
    "planted-hang": planted.hang,
    "planted-exit": planted.leave,
    "planted-outcome": planted.outcome,
    "planted-ignored": planted.ignored,
}
FAILED: Final = 3
"""The exit code after a wrong outcome."""
_ROUNDS: Final = 1_000_003
"""Seeds of one run's rounds do not meet those of the next run's."""


class Ignored(Exception):
    """Python ignored an exception that nobody could catch."""


def main() -> int:
    """Run rounds until the time is over, or one finds something."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("surface", choices=SURFACES)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--round", type=int, help="run this one only")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--journal", type=Path)
    chosen = parser.parse_args()
    faulthandler.enable()
    ignored: list[str] = []

    def unraisable(problem: UnraisableHookArgs) -> None:
        lines = traceback.format_exception(problem.exc_value)
        ignored.append(f"{problem.err_msg} {problem.object!r}\n{''.join(lines)}")

    sys.unraisablehook = unraisable
    path = chosen.journal or Path(tempfile.mkdtemp()) / "journal"
    journal = Journal(path)
    stop = time.monotonic() + chosen.seconds
    number = chosen.round or 0
    while True:
        journal.round = f"{chosen.surface} --seed {chosen.seed} --round {number}"
        try:
            SURFACES[chosen.surface](chosen.seed * _ROUNDS + number, journal)
            if ignored:
                raise Ignored("\n".join(ignored))  # noqa: TRY301 - one way out
        except BaseException:  # noqa: BLE001 - a wrong outcome, whatever its class
            journal.end()
            print(f"failed: {journal.round}", file=sys.stderr)
            traceback.print_exc()
            return FAILED
        journal.end()
        number += 1
        if chosen.round is not None or time.monotonic() > stop:
            print(f"{number - (chosen.round or 0)} rounds, {journal.cases} cases")
            return 0


if __name__ == "__main__":
    sys.exit(main())
