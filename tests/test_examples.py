from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

import airssys

EXAMPLES = Path(__file__).parent.parent / "examples"
PYTHON_GUEST = EXAMPLES / "python_guest"

pytestmark = pytest.mark.guest


def run(example: str, *, path: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run an example as a user does, with every warning an error."""
    package = Path(airssys.__file__).parent.parent
    environ = {**os.environ, "PYTHONPATH": str(package)}
    if path is not None:
        environ["PATH"] = path
    return subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / example],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env=environ,
    )


def printed(example: str) -> list[str]:
    ran = run(example)
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr == ""
    return ran.stdout.splitlines()


def test_a_trio_program_embeds_a_component_and_cancels_it() -> None:
    lines = printed("embed_trio.py")

    assert "quote: func(item: u32, count: u32) -> u32" in lines
    assert "7 of item 3 cost 721" in lines
    assert (
        "component 'shop-plugin' ran out of fuel in 'spin' (limit: 10_000_000 a call)"
        in lines
    )
    (cancelled,) = (line for line in lines if line.startswith("cancelled"))
    assert re.fullmatch(r"cancelled: True, after 0\.\d\d s", cancelled)
    (turns,) = (line for line in lines if "turns meanwhile" in line)
    assert int(turns.split()[4]) >= 5
    assert any("was cut off by Cancelled" in line for line in lines)
    assert lines[-1] == "a fresh instance works: 202"


def test_an_asyncio_program_embeds_components_beside_its_own_tasks() -> None:
    *lines, beats = printed("embed_asyncio.py")

    assert lines == [
        "2262 primes below 20000",
        "5133 primes below 50000",
        "9592 primes below 100000",
        "10 reports, the furthest: job 100000 found 9439 up to 98304",
        "asyncio.timeout ended a guest that goes on for ever",
        "task.cancel() ended another",
    ]
    assert int(beats.split()[0]) >= 10


def test_a_host_extension_shares_its_pool_and_is_guarded_by_grants() -> None:
    lines = printed("host_extension.py")

    assert sum("saw 'pages/home'" in line for line in lines) == 8
    (refused,) = (line for line in lines if "refused" in line)
    assert refused.endswith(
        "component 'visitor' may not use 'acme:kv/store' on 'secrets/key': "
        "no grant covers it (granted: use 'acme:kv/store' on 'pages/*')"
    )
    assert lines[-2:] == [
        "the store counted {'pages/home': 40}",
        "2 connections were opened, 2 at most at once",
    ]


def test_a_pipeline_over_topics_loses_nothing() -> None:
    lines = printed("pipeline.py")

    assert lines[:3] == [
        "last summary: orders 80, counter 80, last orders.created",
        "asked again:  orders 80, counter 80, last orders.created",
        "rejected 40: -4 grapes, some plums",
    ]
    assert "  source: exited" in lines
    assert lines[-1].endswith("messages taken, 0 lost, 0 restarts")


def test_a_supervision_tree_needs_no_webassembly() -> None:
    *lines, last = printed("supervision_tree.py")

    assert "root/intake/store crashed: ValueError: cannot keep 7" in lines
    assert "root/intake/store restarts in 0.01 s with feed" in lines
    assert re.fullmatch(r"kept 20 of \d+: \[1, 2, 3, 4, 5, 6, 8, .*\]", last)


@pytest.mark.parametrize("example", ["host_extension", "pipeline", "supervision_tree"])
async def test_an_example_that_says_anyio_runs_on_both_backends(
    example: str, capsys: Any
) -> None:
    await runpy.run_path(str(EXAMPLES / f"{example}.py"))["main"]()

    assert capsys.readouterr().out


@pytest.mark.slow
def test_a_guest_in_python_is_cut_off_in_an_endless_loop_and_restarted() -> None:
    scripts = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    built = (PYTHON_GUEST / "python_guest.wasm").exists()
    if not built and shutil.which("componentize-py", path=scripts) is None:
        pytest.skip(
            "examples/python_guest is not built and componentize-py is missing: "
            "pip install 'airssys[guests]'"
        )

    lines = printed("python_guest/run.py")

    assert "counted: 3" in lines
    assert "echoed: any other text" in lines
    (cut,) = (line for line in lines if line.startswith("after "))
    assert re.match(r"after \d\.\d\d s: actor 'python-guest' cannot answer: ", cut)
    assert "Overtime: component 'python-guest' took longer than 2 s" in cut
    assert "restarted, it counts from the start: 0" in lines
    assert "python-guest: running, restarts: 2" in lines
    told = lines[lines.index("the last lines of its stderr:") + 1 :]
    assert told[0] == "Traceback (most recent call last):"
    assert "ValueError: told to fall at 0" in told


def test_a_guest_in_python_says_how_to_build_it(tmp_path: Path) -> None:
    if shutil.which("componentize-py", path=sysconfig.get_path("scripts")):
        pytest.skip("componentize-py is installed in this environment")
    copy = tmp_path / "python_guest"
    shutil.copytree(PYTHON_GUEST, copy, ignore=shutil.ignore_patterns("*.wasm"))

    ran = run(str(copy / "run.py"), path=str(tmp_path))

    assert ran.returncode == 1
    assert "python_guest.wasm is not built yet" in ran.stdout
    assert "componentize-py is missing: pip install 'airssys[guests]'" in ran.stderr


def test_a_clerk_does_what_it_was_granted_and_nothing_else() -> None:
    lines = printed("clerk.py")

    granted = lines[lines.index("what it was granted:") + 1 :][:6]
    denied = lines[lines.index("what it was not:") + 1 :][:6]
    revoked = lines[lines.index("after all of it was revoked:") + 1 :][:2]
    assert [line.strip() for line in granted] == [
        "read: buy paper",
        "write: written",
        "fetch: HELLO",
        "run: $HOME;ls",
        "keep: kept",
        "recall: sharpen pencils",
    ]
    assert all(": no: may not " in line for line in (*denied, *revoked))
    assert "list.txt: one sheet" in lines
    # The log's first and last record, each denial, and each of the 7 grants revoked.
    count = 2 + len(denied) + len(revoked) + 7
    assert lines[-1] == f"audit log: {count} records, whole"


def test_a_stock_program_falls_until_its_supervisor_gives_up() -> None:
    package = Path(airssys.__file__).parent.parent
    command = [sys.executable, "-W", "error", "-m", "airssys", "run"]

    ran = subprocess.run(
        [*command, EXAMPLES / "stock" / "tree.toml"],
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
        env={**os.environ, "PYTHONPATH": str(package)},
    )

    assert ran.returncode == 1
    assert ran.stderr.count("ticker    2 seconds") == 3
    assert "gave up on child 'ticker'" in ran.stderr
    assert "the last lines of its stderr:\nthat was all of 2" in ran.stderr
    assert "0 messages, 2 restarts" in ran.stdout


def test_the_guide_to_stock_programs_shows_the_example() -> None:
    guide = EXAMPLES.parent / "docs" / "how-to" / "run-a-stock-program.md"

    manifest = (EXAMPLES / "stock" / "Component.toml").read_text("utf-8")

    assert f"```toml\n{manifest}```" in guide.read_text("utf-8")
    assert (EXAMPLES / "stock" / "ticker.wasm").stat().st_size < 60_000
