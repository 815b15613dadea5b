from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import airssys
from tests.native import Blow, Scene, Stage, blows, cycles, loops, sweep


async def opening(stage: Stage) -> None:
    async with airssys.open_supervisor():
        await stage.wait()


async def starting(stage: Stage) -> None:
    async with airssys.open_supervisor() as supervisor:
        for name in "abc":
            run = stage.live if name == "b" else stage.begin
            await supervisor.start(airssys.ChildSpec(name, run, (name,)))
        await stage.wait()


async def stopping(stage: Stage) -> None:
    async with airssys.open_supervisor() as supervisor:
        for name in "abc":
            await supervisor.start(airssys.ChildSpec(name, stage.live, (name,)))


async def stopping_one(stage: Stage) -> None:
    async with airssys.open_supervisor() as supervisor:
        for name in "ab":
            await supervisor.start(airssys.ChildSpec(name, stage.live, (name,)))
        await supervisor.stop("b")
        await supervisor.remove("a")
        await stage.wait()


async def nested(stage: Stage) -> None:
    async with airssys.open_supervisor() as supervisor:
        specs = [airssys.ChildSpec(name, stage.begin, (name,)) for name in "bc"]
        await supervisor.start(airssys.ChildSpec("a", stage.live, ("a",)))
        await supervisor.start(airssys.supervise("branch", specs))
        await supervisor.stop("branch")


async def giving_up(stage: Stage) -> None:
    async with airssys.open_supervisor(intensity=airssys.Intensity(0)) as supervisor:
        for name in "ab":
            await supervisor.start(airssys.ChildSpec(name, stage.live, (name,)))
        await supervisor.start(airssys.ChildSpec("c", stage.crash, ("c",)))
        await stage.wait()


async def ending(stage: Stage) -> None:
    when = airssys.AutoShutdown.ANY_SIGNIFICANT
    async with airssys.open_supervisor(auto_shutdown=when) as supervisor:
        await supervisor.start(airssys.ChildSpec("a", stage.live, ("a",)))
        last = airssys.ChildSpec(
            "b",
            cycles,
            (3,),
            restart=airssys.Restart.TEMPORARY,
            significant=True,
        )
        await supervisor.start(last)
        await stage.wait()


async def restarting(stage: Stage) -> None:
    together = airssys.Strategy.ONE_FOR_ALL
    async with airssys.open_supervisor(strategy=together) as supervisor:
        await supervisor.start(airssys.ChildSpec("a", stage.crash, ("a",)))
        for name in "bc":
            await supervisor.start(airssys.ChildSpec(name, stage.begin, (name,)))
        await stage.wait()


async def restarting_by_hand(stage: Stage) -> None:
    async with airssys.open_supervisor() as supervisor:
        for name in "ab":
            await supervisor.start(airssys.ChildSpec(name, stage.begin, (name,)))
        await supervisor.restart("b")
        await stage.wait()


SCENES = (
    opening,
    starting,
    stopping,
    stopping_one,
    nested,
    giving_up,
    ending,
    restarting,
    restarting_by_hand,
)


@pytest.mark.parametrize("loop", loops())
@pytest.mark.parametrize("blow", blows(), ids=str)
@pytest.mark.parametrize("scene", SCENES)
def test_cancelled_natively_at_any_cycle_children_end_in_order_and_it_arrives_once(
    scene: Scene, blow: Blow, loop: Callable[[], Any]
) -> None:
    assert sweep(scene, blow, loop) > 1
