"""Run everything for a long time: ``python -m tests.soak --seconds 600``.

Each event loop has a process of its own. It does rounds of work, in which guests trap
and spin, asks are cancelled, actors come and go and lose their grants. After each round
nothing is under way, and what the process holds is read. It must be flat once it is
warm, and be what it was before when all is closed; each ask must have its outcome.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import anyio
from attrs import evolve, fields, frozen

import airssys

from .figures import Figures, Growth, Snapshot, grown, left, measure, settled, snapshot
from .outcomes import Outcomes
from .planted import PLANTED
from .work import Work, opened, write_guests

BACKENDS: Final = ("trio", "asyncio", "uvloop")
_ROUNDS: Final = 60
"""Rounds at the most."""
_SHORTEST: Final = 0.4
"""Seconds of a round at the least."""
_FEWEST: Final = 9
"""Rounds at the least: three thirds that say something."""
_FIRST: Final = 2
"""Rounds at the least, of those that nothing is read of."""
_LONG: Final = 60.0
_IDLE: Final = 12.0
"""Seconds after which threads without work have ended; only a long run waits."""
_MIB: Final = 2**20


@frozen
class Soaked:
    """What was read in one run."""

    rounds: tuple[Figures, ...]
    growth: tuple[Growth, ...]


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print what was read, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=600.0, help="of each event loop"
    )
    parser.add_argument("--backend", choices=BACKENDS, help="one event loop, here")
    parser.add_argument(
        "--plant", choices=tuple(PLANTED), nargs="*", default=[], help="leak these"
    )
    chosen = parser.parse_args(arguments)
    if chosen.backend is not None:
        return soak(chosen.backend, chosen.seconds, chosen.plant)
    given = [*(arguments or sys.argv[1:])]
    failed = [
        backend
        for backend in BACKENDS
        if (backend != "uvloop" or find_spec("uvloop") is not None)
        and subprocess.run(
            [sys.executable, "-m", "tests.soak", *given, "--backend", backend],
            check=False,
        ).returncode
    ]
    return 1 if failed else 0


def soak(backend: str, seconds: float, plants: Sequence[str]) -> int:
    """Run one event loop in this process."""
    options: dict[str, Any] = {"backend": backend}
    if backend == "uvloop":
        options = {"backend": "asyncio", "backend_options": {"use_uvloop": True}}
    outcomes = Outcomes()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        (folder / "files").mkdir()
        write_guests(folder)
        run = partial(_run, options, folder, outcomes)
        began = time.monotonic()
        # All that is made once is there: imports, caches, arenas, the compiler.
        run(min(seconds / 10, 30.0), (), _FIRST)
        if seconds >= _LONG:
            time.sleep(_IDLE)
        start, before = measure(), snapshot()
        soaked = run(seconds - (time.monotonic() - began), plants)
        end = settled(start)
        remains = left(start, end, before, snapshot())
    _print(backend, soaked, start, end, outcomes, time.monotonic() - began)
    problems = [
        *dict.fromkeys(outcomes.problems),
        *(f"from round to round {each}" for each in soaked.growth),
        *(f"when all was closed {each}" for each in remains),
    ]
    for problem in problems:
        print(f"{backend}: {problem}")
    print(f"{backend}: {'FAILED' if problems else 'flat'}", flush=True)
    return 1 if problems else 0


def _run(
    options: dict[str, Any],
    folder: Path,
    outcomes: Outcomes,
    seconds: float,
    plants: Sequence[str],
    fewest: int = _FEWEST,
) -> Soaked:
    engine = airssys.Engine(cache=folder / "cache")
    return anyio.run(
        _rounds, engine, folder, outcomes, seconds, plants, fewest, **options
    )


async def _rounds(
    engine: airssys.Engine,
    folder: Path,
    outcomes: Outcomes,
    seconds: float,
    plants: Sequence[str],
    fewest: int,
) -> Soaked:
    rounds = max(fewest, min(_ROUNDS, int(seconds / _SHORTEST / 2)))
    async with (
        anyio.create_task_group() as tasks,
        opened(engine, folder, outcomes) as work,
    ):

        async def leak() -> None:
            for plant in plants:
                await PLANTED[plant][0](work, tasks)

        end = anyio.current_time() + seconds
        soaked = await _series(work, leak, rounds, end)
        if soaked.growth:
            # What fills up and is swept out now and then may grow all through a few
            # rounds; a leak grows in the next ones too.
            once = {each.figure for each in soaked.growth}
            soaked = await _series(work, leak, rounds, end)
            twice = tuple(each for each in soaked.growth if each.figure in once)
            soaked = evolve(soaked, growth=twice)
        done = work.done
        tasks.cancel_scope.cancel()
    outcomes.done.update(done)
    return soaked


async def _series(
    work: Work, leak: Callable[[], Awaitable[None]], rounds: int, end: float
) -> Soaked:
    """Do some rounds until a time, and read the figures after each."""
    read: list[Figures] = []
    before: Snapshot = {}
    for number in range(rounds):
        spare = end - anyio.current_time()
        await work.round(max(_SHORTEST, spare / (rounds - number) - 0.2))
        await leak()
        read.append(await _quiet(work))
        if number == rounds // 3:
            before = snapshot()
    return Soaked(tuple(read), grown(read, before, snapshot()))


async def _quiet(work: Work) -> Figures:
    """Read the figures when what was under way has ended."""
    for _ in range(20):
        await anyio.sleep(0.005)
    return measure()


def _print(
    backend: str,
    soaked: Soaked,
    start: Figures,
    end: Figures,
    outcomes: Outcomes,
    took: float,
) -> None:
    print(f"{backend}: {len(soaked.rounds)} rounds in {took:.0f} s")
    for name, count in outcomes.done.items():
        print(f"  {name:<16} {count:>9_} times")
    print(
        f"  asks             {outcomes.asked:>9_}  outcomes {outcomes.ended.total():_}:"
    )
    kinds = (f"{kind} {count:_}" for kind, count in outcomes.ended.most_common())
    print(f"                   {', '.join(kinds)}")
    third = len(soaked.rounds) // 3
    print(f"  {'':<12} {'start':>12} {'warm':>12} {'last':>12} {'closed':>12}")
    for figure in (field.name for field in fields(Figures)):
        read = [getattr(each, figure) for each in soaked.rounds]
        row = (
            getattr(start, figure),
            max(read[third : 2 * third]),
            min(read[2 * third :]),
            getattr(end, figure),
        )
        shown = (
            f"{value / _MIB:.1f} MiB" if figure == "memory" else f"{value:_}"
            for value in row
        )
        print(f"  {figure:<12} " + " ".join(f"{each:>12}" for each in shown))


if __name__ == "__main__":
    sys.exit(main())
