from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TEST = '''
import trio
import airssys
from airssys.core.errors import RestartsExhausted
import pytest

SPIN = """
(component
  (core module $m (func (export "spin") (loop $l br $l)))
  (core instance $i (instantiate $m))
  (func (export "spin") (canon lift (core func $i "spin"))))
"""

async def test_a_guest_is_cancelled_by_trio():
    component = await airssys.Engine(cache=False).compile(SPIN)
    with await component.instantiate() as instance:
        with trio.move_on_after(0.05) as scope:
            await instance.call("spin")
    assert scope.cancelled_caught

async def test_a_restart_waits_on_the_virtual_clock(autojump_clock):
    starts = []

    async def child():
        starts.append(trio.current_time())
        raise ValueError("again")

    backoff = airssys.Backoff(initial=100.0, factor=2.0, maximum=1000.0)
    with pytest.RaisesGroup(RestartsExhausted):
        async with airssys.open_supervisor(
            intensity=airssys.Intensity(restarts=2, period=1000.0), backoff=backoff
        ) as supervisor:
            await supervisor.start(airssys.ChildSpec("child", child))
            await trio.sleep_forever()
    assert [round(at - starts[0]) for at in starts] == [0, 100, 300]
'''


def test_programs_that_test_with_pytest_trio_can_use_airssys(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\ntrio_mode = true\n")

    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:anyio", str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 passed" in run.stdout
