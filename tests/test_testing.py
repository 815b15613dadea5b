from __future__ import annotations

import math
from typing import Any

import anyio
import pytest
from anyio import wait_all_tasks_blocked

from airssys.core.errors import (
    GuestTrapped,
    InstanceBusy,
    InstanceClosed,
    MissingExport,
    Overtime,
    WitError,
)
from airssys.core.event import ChildStarted, DeadLettered
from airssys.core.limits import Limits
from airssys.testing import Recorder, ScriptedInstance, after, virtual_time

TRAP = GuestTrapped("scripted", "f", "unreachable", "wasm trap")


async def test_a_script_says_what_each_call_does() -> None:
    async def later(number: int) -> int:
        await anyio.lowlevel.checkpoint()
        return number + 1

    script = {"one": 1, "list": [[1], 2, 3], "call": len, "await": later, "many": (1,)}
    with ScriptedInstance(script, name="acme/a") as instance:
        assert await instance.call("one") == 1
        assert [await instance.call("list") for _ in range(4)] == [[1], 2, 3, 3]
        assert await instance.call("call", "abc") == 3
        assert await instance.call("await", 4) == 5
        assert await instance.call("many") == (1,)
        assert instance.component.name == "acme/a"
        assert instance.usage.calls == 8
        assert instance.called("await") == [(4,)]
        assert repr(instance) == "<ScriptedInstance of 'acme/a': alive>"

    assert not instance.alive
    with pytest.raises(InstanceClosed, match="closed"):
        await instance.call("one")


async def test_an_unknown_export_names_those_there_are() -> None:
    with pytest.raises(MissingExport, match=r"exports no function 'g' .*: 'f'"):
        await ScriptedInstance({"f": None}).call("g")


async def test_a_guests_error_leaves_the_instance_alive_and_a_trap_does_not() -> None:
    instance = ScriptedInstance({"f": [WitError("no"), TRAP, 1]})

    with pytest.raises(WitError):
        await instance.call("f")
    with pytest.raises(GuestTrapped):
        await instance.call("f")

    with pytest.raises(InstanceClosed, match="'f' was cut off by GuestTrapped"):
        await instance.call("f")


@pytest.mark.parametrize("anyio_backend", [virtual_time()], ids=["virtual"])
async def test_a_slow_turn_is_cut_at_the_limit() -> None:
    instance = ScriptedInstance(
        {"f": [after(2, "in time"), after(math.inf)]}, limits=Limits(timeout=3)
    )

    began = anyio.current_time()
    assert await instance.call("f") == "in time"
    with pytest.raises(Overtime, match="longer than 3 s in 'f'"):
        await instance.call("f")

    assert anyio.current_time() == began + 5
    assert not instance.alive


async def test_one_call_at_a_time_and_a_cancel_ends_the_instance() -> None:
    instance = ScriptedInstance({"f": after(math.inf)})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(instance.call, "f")
        await wait_all_tasks_blocked()
        with pytest.raises(InstanceBusy):
            await instance.call("f")
        with pytest.raises(InstanceBusy):
            instance.close()
        tasks.cancel_scope.cancel()

    with pytest.raises(InstanceClosed, match="cut off by cancelled"):
        await instance.call("f")
    instance.close()


async def test_a_recorder_waits_for_events_to_come() -> None:
    recorder = Recorder()
    first, second = (
        ChildStarted(at=0, supervisor="top", subject=name, restarts=0) for name in "ab"
    )
    found: list[Any] = []
    recorder.event(first)
    async with anyio.create_task_group() as tasks:

        async def wait() -> None:
            found.append(await recorder.wait_for(ChildStarted))
            found.append(await recorder.wait_for(ChildStarted, count=2))

        tasks.start_soon(wait)
        await wait_all_tasks_blocked()
        recorder.event(
            DeadLettered(at=0, subject="a", sender="b", reason="gone", size=0)
        )
        await wait_all_tasks_blocked()
        assert found == [first]
        recorder.event(second)

    assert found == [first, second]
    assert recorder.of(ChildStarted) == [first, second]
