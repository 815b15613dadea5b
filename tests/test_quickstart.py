from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).parents[1] / "examples" / "quickstart" / "tree.toml"

pytestmark = [pytest.mark.guest, pytest.mark.slow]


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_the_quickstart_falls_over_comes_back_and_ends_by_itself(
    tmp_path: Path, backend: str
) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "airssys", "run", str(TREE), "--backend", backend],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
    )

    assert ran.returncode == 0, ran.stderr
    summary = re.fullmatch(
        r"(\d+) messages, (\d+) restarts, (\d+) calls cut off, "
        r"worst loop lateness (\d+\.\d) ms, (\d+\.\d) s",
        ran.stdout.splitlines()[-1],
    )
    assert summary is not None
    messages, restarts, cut = map(int, summary.group(1, 2, 3))
    # Each order is a message to the tally, two to the counter and one to the board.
    assert messages >= 4 * 1500
    assert restarts == 3, "the trapper twice, the spinner once"
    assert cut == 3
    assert float(summary[4]) < 400, "the spinner alone spins for 500 ms"

    log = ran.stderr
    assert "shop                quickstart/trapper is back and says: not trapped" in log
    assert "quickstart/spinner is back and says: not spinning" in log
    assert "the tally: orders 1500, counter 1500, last orders.created" in log
    assert "the counter: 1500" in log
    stops = re.findall(r"info +(\S+) +ended: stopped", log)
    assert stops == [
        "board",
        "quickstart/spinner",
        "quickstart/trapper",
        "trouble",
        "quickstart/tally",
        "quickstart/counter",
        "books",
    ]


def test_orders_go_on_while_the_spinner_spins() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "airssys", "run", str(TREE)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=60,
    )

    lines = ran.stderr.splitlines()
    spins = next(i for i, line in enumerate(lines) if "the spinner never" in line)
    back = next(i for i, line in enumerate(lines) if "took longer than 0.5 s" in line)
    assert any("orders" in line and " board " in line for line in lines[spins:back])
