"""Run the benchmarks and print one table.

``python -m benchmarks`` runs all, ``python -m benchmarks call live`` those named;
``--quick`` only shows that they run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Final, TypeAlias

import pyperf
from attrs import asdict
from rich.console import Console
from rich.table import Table

from . import (
    actors,
    bytes_lane,
    call,
    checks,
    compiling,
    host_call,
    http,
    instantiate,
    lateness,
    live,
    messages,
    operations,
    parallel,
    stock,
    waiting,
    wasi_files,
)
from .measure import Effort, Row

Subject: TypeAlias = Callable[[Effort], Iterator[Row]]

SUBJECTS: Final[dict[str, Subject]] = {
    "call": call.rows,
    "bytes": bytes_lane.rows,
    "host-call": host_call.rows,
    "compile": compiling.rows,
    "instantiate": instantiate.rows,
    "live": live.rows,
    "cancel": lateness.cancels,
    "loop": lateness.loop,
    "parallel": parallel.rows,
    "actors": actors.rows,
    "messages": messages.rows,
    "checks": checks.rows,
    "operations": operations.rows,
    "http": http.rows,
    "waiting": waiting.rows,
    "wasi-files": wasi_files.rows,
    "stock": stock.rows,
}
RESULTS: Final = Path(__file__).parent / "results"
PACKAGES: Final = ("airssys", "wasmtime", "anyio", "trio", "pykka", "pyperf")


def main(args: Sequence[str] | None = None) -> int:
    """Measure, print and keep; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subject", nargs="*", choices=[*SUBJECTS, []], default=[])
    parser.add_argument("--quick", action="store_true", help="show that all of it runs")
    given = parser.parse_args(args)
    effort = Effort.smoke() if given.quick else Effort()
    found: dict[str, list[Row]] = {}
    progress = Console(stderr=True)
    for name in given.subject or SUBJECTS:
        with progress.status(f"measuring {name}"):
            found[name] = list(SUBJECTS[name](effort))
    _print(found)
    if not given.quick:
        print(f"kept in {_keep(found)}")
    return 0


def _print(found: dict[str, list[Row]]) -> None:
    table = Table(title="airssys beside others", title_justify="left")
    table.add_column("what", overflow="fold")
    for column in ("ours", "peer", "ratio", "goal", "reached"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("beside", overflow="fold")
    for rows in found.values():
        for row in rows:
            table.add_row(
                row.what,
                quantity(row.ours, row.unit),
                "" if row.peer is None else quantity(row.peer, row.unit),
                _ratio(row),
                _goal(row),
                {None: "", True: "[green]yes", False: "[red]no"}[row.reached],
                row.beside,
            )
        table.add_section()
    # Wide enough for a file; a terminal has its own width.
    console = Console(width=None if sys.stdout.isatty() else 150)
    console.print(table)


def _ratio(row: Row) -> str:
    if row.ratio is None:
        return "" if row.spread is None else f"± {row.spread:.0%}"
    spread = "" if row.spread is None else f" ± {row.spread:.0%}"
    return f"{row.ratio:.3g}{spread}"


def _goal(row: Row) -> str:
    if row.goal is None:
        return ""
    sign = "≥" if row.goal.at_least else "≤"
    if row.goal.of == "ratio":
        return f"ratio {sign} {row.goal.limit:g}"
    return f"{sign} {quantity(row.goal.limit, row.unit)}"


def quantity(value: float, unit: str) -> str:
    """Return a figure in words of a size to read."""
    match unit:
        case "s":
            for scale, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
                if value >= scale:
                    return f"{value / scale:.3g} {name}"
            return f"{value * 1e9:.0f} ns"
        case "B":
            return f"{value / 1024:.1f} KiB"
        case "/s":
            return f"{value:,.0f}/s"
        case "x":
            return f"{value:.2f} x"
        case _:
            return f"{value:,.0f} {unit}"


def _keep(found: dict[str, list[Row]]) -> Path:
    """Write the rows, with what they were measured on."""
    now = datetime.now(UTC)
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{now:%Y-%m-%d-%H%M%S}.json"
    machine = pyperf.Run([1.0]).get_metadata()
    kept = {
        "at": now.isoformat(),
        "machine": {name: str(value) for name, value in machine.items()},
        "versions": {name: _version(name) for name in PACKAGES},
        "subjects": {
            name: [asdict(row) | {"reached": row.reached} for row in rows]
            for name, rows in found.items()
        },
    }
    path.write_text(json.dumps(kept, indent=1))
    return path


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "from the source tree"


if __name__ == "__main__":
    sys.exit(main())
