from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import airssys
from airssys.engine import room as rooms
from airssys.engine.component import Engine
from airssys.engine.room import LARGE, SMALL, room

from . import guests
from .lateness import held

pytestmark = pytest.mark.guest

GROW = guests.code(
    """(memory 1) (func (export "grow") (result i32)
      (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      (memory.size))""",
    "grow -> u32",
)
"""``grow`` takes all pages that there are, one by one."""


async def test_a_memory_that_grows_by_pages_to_its_limit_leaves_the_loop_free(
    compile_: Any,
) -> None:
    component = await compile_(GROW)

    async def grow() -> None:
        limits = airssys.Limits(memory=64 * 2**20, timeout=0.5)
        with await component.instantiate(limits=limits) as instance:
            assert await instance.call("grow") == 1024

    # 6 ms where a page fault takes 30 µs; moving it each MiB took 740.
    assert await held(grow) < 0.1


async def test_a_small_memory_that_grows_by_pages_is_moved_once(make: Any) -> None:
    small = await Engine(cache=False, memory_reservation=2**22).compile(GROW)
    with await small.instantiate(limits=airssys.Limits(memory=2**26)) as instance:
        assert await instance.call("grow") == 1024


_IN_LITTLE_SPACE = f"""
import resource, anyio, airssys
resource.setrlimit(resource.RLIMIT_AS, (3 * 2**30, 3 * 2**30))

async def main():
    component = await airssys.Engine(cache=False, threads=1).compile({GROW!r})
    instances = [await component.instantiate() for _ in range(20)]
    print(await instances[-1].call("grow"))

anyio.run(main)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits addresses as Linux does")
def test_a_process_with_few_addresses_has_room_for_many_instances() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _IN_LITTLE_SPACE],
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (done.stdout, done.returncode) == ("1024\n", 0), done.stderr


def test_memories_are_small_only_where_addresses_are_scarce(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    resource = pytest.importorskip("resource")
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    setting = tmp_path / "overcommit_memory"
    setting.write_text("0\n")
    monkeypatch.setattr(rooms, "_OVERCOMMIT", setting)
    monkeypatch.setattr(resource, "getrlimit", lambda _: unlimited)
    assert room(None) == LARGE

    setting.write_text("2\n")
    assert room(None) == SMALL
    setting.unlink()
    assert room(None) == LARGE
    monkeypatch.setattr(resource, "getrlimit", lambda _: (2**33, unlimited[1]))
    assert room(None) == SMALL
    monkeypatch.setattr(resource, "getrlimit", lambda _: unlimited)
    monkeypatch.setattr(sys, "maxsize", 2**31 - 1)
    assert room(None) == SMALL


def test_a_system_without_limits_of_resources_has_large_memories(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(rooms, "_OVERCOMMIT", tmp_path / "none")
    assert room(None) == LARGE


def test_a_reservation_that_is_asked_for_is_what_a_memory_gets() -> None:
    assert room(2**20).reservation == 2**20
    assert room(2**33).reservation == 2**33
    assert room(2**33).guard == LARGE.guard
