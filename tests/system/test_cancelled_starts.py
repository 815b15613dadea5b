from __future__ import annotations

import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import airssys
from airssys.core.manifests.tree import SupervisorNode, parse_tree

from ..components import write_component
from ..native import Stage, cycles
from .staged import NOWHERE, TREE, stages
from .support import Open, echo


async def never(actor: airssys.Actor) -> None:
    await anyio.sleep_forever()


@pytest.mark.parametrize("delay", [0.0, 1e-4, 1e-3])
async def test_a_system_whose_time_is_up_as_it_opens_returns(
    open_: Open, delay: float
) -> None:
    with anyio.fail_after(5):
        for _ in range(20):
            with anyio.move_on_after(delay) as scope:
                async with open_() as system:
                    await system.spawn(echo)
                    await anyio.sleep_forever()
            assert scope.cancelled_caught


async def test_a_system_that_is_cancelled_on_entry_returns(open_: Open) -> None:
    with anyio.fail_after(5):
        with anyio.CancelScope() as scope:
            scope.cancel()
            async with open_():
                await anyio.lowlevel.checkpoint()
        assert scope.cancelled_caught


async def test_a_tree_that_is_cancelled_as_it_starts_leaves_nothing_of_it(
    open_: Open,
) -> None:
    stage = Stage()
    stages.append(stage)
    tree = parse_tree(TREE, source="tree.toml")
    cut = True
    left = 0
    async with open_() as system:
        await system.spawn(echo)
        while cut:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(_cancel_after, left, scope)
                    await system.start_tree(tree, folder=NOWHERE)
                    tasks.cancel_scope.cancel()
            left += 1
            cut = scope.cancelled_caught
            if cut:
                assert [child.id for child in system.children] == ["echo"]
                assert system.registry.ids == ("echo",)
                stage.check()

        assert [child.id for child in system.children] == ["echo", "a", "group", "d"]

    stage.check()
    assert left > 5


async def _cancel_after(number: int, scope: anyio.CancelScope) -> None:
    await cycles(number)
    scope.cancel()


async def test_a_tree_whose_start_fails_leaves_nothing_of_it(open_: Open) -> None:
    stage = Stage()
    stages.append(stage)
    tree = parse_tree(
        f'{TREE}\n[[child]]\nid = "e"\nactor = "tests.system.staged:nobody"\n',
        source="tree.toml",
    )
    async with open_() as system:
        with pytest.raises(airssys.ManifestError, match="has no such function"):
            await system.start_tree(tree, folder=NOWHERE)

        assert system.children == ()
        assert system.registry.ids == ()
        stage.check()


async def test_a_timeout_that_is_no_number_is_refused_and_asks_go_on(
    open_: Open,
) -> None:
    wrong: list[Any] = [math.nan, Decimal("NaN"), "1", True, [], 10**400]
    async with open_() as system:
        await system.spawn(echo)
        await system.spawn(never, shutdown=0.1)
        for bad in wrong:
            with pytest.raises((TypeError, ValueError), match="seconds are"):
                await system.actor("echo").ask("x", timeout=bad)
        with pytest.raises(airssys.ReplyTimeout):
            await system.actor("never").ask("x", timeout=0.01)

        assert await system.actor("echo").ask("x", timeout=math.inf) == b"x"


async def test_a_capacity_that_is_no_number_is_refused(open_: Open) -> None:
    async with open_() as system:
        with pytest.raises(ValueError, match="capacity"):
            await system.spawn(echo, mailbox=math.nan)  # type: ignore[arg-type]


@pytest.mark.guest
@pytest.mark.parametrize("where", ["manifest", "tree"])
async def test_a_component_that_does_not_start_in_its_time_is_given_up(
    open_: Open, tmp_path: Path, where: str
) -> None:
    start = 'start = "200ms"'
    supervision = start if where == "manifest" else 'start = "9s"'
    folder = write_component(
        tmp_path, config={"hang": "sleep"}, supervision=supervision
    )
    child = f'[[child]]\nid = "a"\ncomponent = "{folder.name}"\n'
    tree = parse_tree(child + (start if where == "tree" else ""), source="t.toml")
    async with open_() as system:
        with pytest.raises(airssys.StartTimeout, match=r"not started after 0\.2 s"):
            await system.start_tree(tree, folder=tmp_path)

        await system.spawn(echo)
        assert await system.actor("echo").ask("x") == b"x"


@pytest.mark.guest
@pytest.mark.parametrize(("said", "start"), [("", 6.0), ('start = "10s"', 10.0)])
async def test_a_component_has_twice_the_time_of_a_call_to_start_or_what_it_says(
    open_: Open, tmp_path: Path, said: str, start: float
) -> None:
    folder = write_component(tmp_path, resources='timeout = "3s"', supervision=said)
    async with open_() as system:
        await system.spawn(folder)

        # No effect would tell these apart within the time that a test may take.
        known = system.supervisor._siblings.by_id["acme/a"]
        assert known.spec.start_timeout == start


@pytest.mark.parametrize(("stop", "most"), [("ordered", 9.0), ("together", 0.35)])
async def test_a_system_stops_what_is_stuck_in_order_or_together(
    engine: airssys.Engine, stop: str, most: float
) -> None:
    quiet = airssys.HostConfig()
    async with airssys.open_system(
        quiet, engine=engine, stop=airssys.StopOrder(stop)
    ) as system:
        for number in range(4):
            await system.spawn(never, id=f"never-{number}", shutdown=0.1)
        begun = anyio.current_time()

    took = anyio.current_time() - begun
    assert (0.1 if stop == "together" else 0.4) <= took < most


def test_a_tree_file_says_how_supervisors_stop() -> None:
    inner = '[[child]]\nid = "b"\nsupervisor = { stop = "together" }\n'
    tree = parse_tree('supervisor = { stop = "ordered" }\n' + inner, source="t")

    (child,) = tree.root.children
    assert isinstance(child, SupervisorNode)
    assert tree.root.rules.stop is airssys.StopOrder.ORDERED
    assert child.rules.stop is airssys.StopOrder.TOGETHER
