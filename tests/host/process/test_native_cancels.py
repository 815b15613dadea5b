from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.native import LONG, Blow, Stage, blows, loops, sweep

from .guest import SLEEP, open_guest

pytestmark = pytest.mark.guest


async def programs(stage: Stage) -> None:
    # Leaving the block fails where something is left of what was started.
    async with open_guest(alone=True) as guest:
        await guest.spawn(SLEEP, "60")
        await guest.shell("sleep 60 & sleep 60")
        await stage.wait()


@pytest.mark.parametrize("loop", loops())
@pytest.mark.parametrize(
    "blow", blows() if LONG else [Blow("cancel"), Blow("cancel", 3, 2)], ids=str
)
def test_programs_end_whenever_their_system_is_cancelled_natively(
    blow: Blow, loop: Callable[[], Any]
) -> None:
    assert sweep(programs, blow, loop, steps=3) > 3
