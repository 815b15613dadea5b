from __future__ import annotations

import anyio
import pytest

from airssys.core.errors import GuestExited
from airssys.engine.component import Engine
from airssys.wasi import Context, open_interfaces

from ..components import PROGRAM_WASM

RUN = "wasi:cli/run@0.2.12#run"


async def test_what_a_program_raises_leaves_the_interfaces_as_it_is() -> None:
    raised = ValueError("no")
    with pytest.raises(ValueError, match="no") as caught:
        async with open_interfaces():
            raise raised

    assert caught.value is raised
    assert raised.__context__ is None


async def test_a_group_that_a_program_raises_stays_one() -> None:
    raised = ExceptionGroup("mine", [ValueError("no")])
    with pytest.raises(ExceptionGroup) as caught:
        async with open_interfaces():
            raise raised

    assert caught.value is raised


@pytest.mark.guest
async def test_the_exit_of_a_guest_can_be_caught_outside_of_the_interfaces() -> None:
    component = await Engine().load(PROGRAM_WASM)
    with pytest.raises(GuestExited) as caught:
        async with open_interfaces() as offered:
            given = Context(args=["program", "exit", "3"])
            with await component.instantiate(offered, context=given) as instance:
                await instance.call(RUN)

    assert caught.value.status == 1  # of its adapter, which knows no other


async def test_a_cancel_leaves_the_interfaces_as_a_cancel() -> None:
    with anyio.move_on_after(0) as scope:
        async with open_interfaces():
            await anyio.sleep_forever()

    assert scope.cancelled_caught
