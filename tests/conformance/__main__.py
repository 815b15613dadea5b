"""Run component-model scripts: ``python -m tests.conformance FILE_OR_FOLDER...``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import anyio

from airssys import Engine

from .runner import run_script
from .script import NoWasmTools, UnreadableScript, read_script
from .verdict import Outcome, Report, Verdict, printed, total


def main(arguments: list[str] | None = None) -> int:
    """Run scripts, print how they went, and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.conformance",
        description="Run component-model .wast scripts through airssys.",
    )
    parser.add_argument("paths", nargs="+", type=Path, metavar="FILE_OR_FOLDER")
    parser.add_argument("--backend", choices=("trio", "asyncio"), default="trio")
    parser.add_argument(
        "--verbose", action="store_true", help="also print what passed, and its errors"
    )
    parser.add_argument(
        "--no-bytes-lane",
        action="store_true",
        help="run components as they are, without the component that carries bytes",
    )
    options = parser.parse_args(arguments)
    scripts = list(_scripts(options.paths))
    if not scripts:
        print("there are no .wast files", file=sys.stderr)
        return 2
    try:
        engine = Engine(
            cache=False, bytes_lane=not options.no_bytes_lane, exceptions=True
        )
        run = partial(_run, scripts, engine, verbose=options.verbose)
        return anyio.run(run, backend=options.backend)
    except NoWasmTools as missing:
        print(missing, file=sys.stderr)
        return 2


def _scripts(paths: Iterable[Path]) -> Iterator[Path]:
    for path in paths:
        yield from sorted(path.rglob("*.wast")) if path.is_dir() else [path]


async def _run(scripts: list[Path], engine: Engine, *, verbose: bool) -> int:
    reports = []
    for path in scripts:
        try:
            report = await run_script(read_script(path), engine)
        except UnreadableScript as unreadable:
            verdict = Verdict(1, "script", Outcome.FAILED, str(unreadable))
            report = Report(path, (verdict,))
        reports.append(report)
        print("\n".join(printed(report, verbose=verbose)), flush=True)
    print("\n".join(total(reports)))
    return int(any(report.failed for report in reports))


if __name__ == "__main__":
    sys.exit(main())
