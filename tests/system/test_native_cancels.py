from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

import airssys
from airssys.core.manifests.host import Audit
from airssys.core.manifests.tree import parse_tree
from airssys.engine.fiber import Slicing
from tests.engine.guests import SPIN
from tests.native import LONG, Blow, Scene, Stage, blows, loops, sweep
from tests.system.staged import NOWHERE, TREE, stages

EVERY_LOOP = pytest.mark.parametrize("loop", loops())
EVERY_BLOW = pytest.mark.parametrize("blow", blows(), ids=str)
SEVERAL = pytest.mark.parametrize(
    "blow", blows() if LONG else [Blow("cancel"), Blow("cancel", 3, 2)], ids=str
)
QUIET = airssys.HostConfig()


async def opening(stage: Stage) -> None:
    async with airssys.open_system(QUIET):
        await stage.wait()


async def starting(stage: Stage) -> None:
    async with airssys.open_system(QUIET) as system:
        for name in "abc":
            await system.spawn(stage.serve, id=name)
        await system.actor("a").ask("are you there?")
        await stage.wait()


async def stopping(stage: Stage) -> None:
    async with airssys.open_system(QUIET, stop="ordered") as system:
        for name in "abc":
            await system.spawn(stage.serve, id=name)
        await system.stop("c")


async def giving_up(stage: Stage) -> None:
    async def fall(_: airssys.Actor) -> None:
        await stage.crash("c")

    async with airssys.open_system(QUIET, intensity=airssys.Intensity(0)) as system:
        for name in "ab":
            await system.spawn(stage.serve, id=name)
        await system.spawn(fall)
        await stage.wait()


async def starting_a_tree(stage: Stage) -> None:
    stages.append(stage)
    async with airssys.open_system(QUIET) as system:
        whole = False
        try:
            tree = parse_tree(TREE, source="tree.toml")
            await system.start_tree(tree, folder=NOWHERE)
            whole = True
        finally:
            if not whole:
                assert system.children == ()
                stage.check()
        await stage.wait()


@EVERY_LOOP
@EVERY_BLOW
@pytest.mark.parametrize(
    "scene", [opening, starting, stopping, giving_up, starting_a_tree]
)
def test_a_system_cancelled_natively_at_any_cycle_ends_in_order(
    scene: Scene, blow: Blow, loop: Callable[[], Any]
) -> None:
    assert sweep(scene, blow, loop) > 1


@EVERY_LOOP
@SEVERAL
@pytest.mark.parametrize("strict", [False, True])
def test_an_audit_log_cancelled_natively_at_any_cycle_is_free_for_the_next(
    blow: Blow,
    loop: Callable[[], Any],
    strict: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    audit = Audit(file=str(tmp_path / "audit.log"), strict=strict)

    async def scene(stage: Stage) -> None:
        # Whoever holds the file would make the next fail.
        async with airssys.open_system(airssys.HostConfig(audit=audit)) as system:
            await system.spawn(stage.serve, id="a")

    assert sweep(scene, blow, loop, steps=4) > 4


@EVERY_LOOP
@SEVERAL
def test_a_call_in_a_worker_thread_is_cancelled_natively_at_any_cycle(
    blow: Blow, loop: Callable[[], Any]
) -> None:
    engine = airssys.Engine(slicing=Slicing(inline_slices=2))
    component = anyio.run(engine.compile, SPIN)

    async def scene(stage: Stage) -> None:
        with await component.instantiate() as instance:
            await instance.call("spin")

    assert sweep(scene, blow, loop, steps=10, most=2_000) > 20
