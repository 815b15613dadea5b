from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import psutil
import pytest

from airssys.core.errors import LimitExceeded, QuotaExceeded
from airssys.core.limits import Limits
from airssys.engine.ceiling import Ceiling
from airssys.engine.component import Engine
from airssys.hostcalls.interface import HostInterface

from . import guests

pytestmark = pytest.mark.guest


def mappings() -> int:
    return len(Path("/proc/self/maps").read_text().splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits mappings")
async def test_instances_are_refused_before_the_system_would_refuse_memory() -> None:
    engine = Engine(cache=False)
    component = await engine.compile(guests.code("(memory 1)"))
    engine.ceiling = Ceiling(limit=mappings() + 1024 + 200)
    kept: list[Any] = []
    with pytest.raises(QuotaExceeded) as raised:
        while True:
            kept.append(await component.instantiate())

    assert 10 < len(kept) < 200
    assert engine.ceiling.live == len(kept)
    assert isinstance(raised.value, LimitExceeded)
    assert f"{len(kept)} live; the system allows" in str(raised.value)
    assert "sysctl vm.max_map_count" in str(raised.value)

    half = len(kept) // 2
    for instance in kept[:half]:
        instance.close()
    again = [await component.instantiate() for _ in range(half // 2)]
    assert engine.ceiling.live == len(kept) - half + len(again)
    for instance in (*kept, *again):
        instance.close()
    assert engine.ceiling.live == 0


async def test_a_system_without_such_a_limit_refuses_nothing() -> None:
    ceiling = Ceiling(limit=None)
    for _ in range(100_000):
        ceiling.admit("component")

    assert ceiling.live == 100_000


def test_a_system_that_does_not_tell_its_limit_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("airssys.engine.ceiling._LIMIT", tmp_path / "none")
    assert Ceiling().limit is None

    (tmp_path / "none").write_text("no number")
    assert Ceiling().limit is None


async def test_an_instance_that_nobody_refers_to_is_freed(
    make: Any, engine: Engine
) -> None:
    gc.collect()
    live = engine.ceiling.live
    instance = await make(guests.ADD)
    assert engine.ceiling.live == live + 1

    del instance
    gc.collect()

    assert engine.ceiling.live == live


@pytest.mark.once
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_ten_thousand_instances_with_cancels_between_leave_no_memory_behind(
    engine: Engine,
) -> None:
    host = HostInterface("test:host/api")

    @host.function
    async def ask(_call: Any, n: int) -> int:
        if n:
            await anyio.sleep_forever()
        return n

    asking = await engine.compile(guests.asks_host())
    spinning = await engine.compile(guests.SPIN)
    echoing = await engine.compile(guests.echo("(list string)"))
    strings = ["some text"] * 20

    async def round_(instances: int) -> None:
        for number in range(instances // 4):
            with await echoing.instantiate() as instance:
                await instance.call("echo", strings, guests.PAD)
            instance = await asking.instantiate([host])
            await instance.call("run", 0)
            with anyio.CancelScope() as scope:
                await cancelled(scope, instance, "run", 1)
            instance = await spinning.instantiate()
            with anyio.CancelScope() as scope:
                await cancelled(scope, instance, "spin", threaded=not number % 20)
            trapping = await spinning.instantiate()  # dropped without a close
            await trapping.call("answer")

    async def cancelled(
        scope: anyio.CancelScope, instance: Any, *call: Any, threaded: bool = False
    ) -> None:
        if threaded:
            scope.deadline = anyio.current_time() + 0.001
            await instance.call(*call)
            return
        async with anyio.create_task_group() as group:
            group.start_soon(instance.call, *call)
            await anyio.lowlevel.checkpoint()
            scope.cancel()

    process = psutil.Process()
    await round_(2000)
    gc.collect()
    live, before = engine.ceiling.live, process.memory_info().rss
    await round_(10_000)
    gc.collect()
    grown = process.memory_info().rss - before

    assert engine.ceiling.live == live
    # A store alone is several KiB; 100 bytes of each would be 1 MB.
    assert grown < 3_000_000


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits mappings")
async def test_a_component_with_many_memories_is_charged_for_all_of_them() -> None:
    engine = Engine(cache=False)
    memories = "".join(
        f"(core module $m{i} (memory 1)) (core instance (instantiate $m{i}))"
        for i in range(12)
    )
    component = await engine.compile(f"(component {memories})")
    engine.ceiling = Ceiling(limit=mappings() + 1024 + 2000)
    kept = []
    before = mappings()
    with pytest.raises(QuotaExceeded):
        while True:
            kept.append(await component.instantiate(limits=Limits(memories=12)))

    assert mappings() - before <= 2000
    assert component.mappings > 12
    assert len(kept) > 20
    for instance in kept:
        instance.close()


async def test_room_comes_back_with_what_an_instance_took() -> None:
    engine = Engine(cache=False)
    component = await engine.compile(guests.code('(func (export "f")) (memory 1)', "f"))
    engine.ceiling = Ceiling(limit=1_000_000)
    with await component.instantiate():
        pass  # the first shows what each takes
    room = engine.ceiling._room
    for _ in range(100):
        with await component.instantiate() as instance:
            await instance.call("f")

    assert engine.ceiling._room == room
