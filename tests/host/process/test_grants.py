"""A guest learns, holds and starts what it may at that moment, and no more."""

from __future__ import annotations

import pytest
from attrs import evolve

from airssys.core.budget import Budget
from airssys.core.grants.sections import ProcessGrants
from airssys.core.limits import Quota

from .guest import FULL, SLEEP, TRUE, open_guest

pytestmark = pytest.mark.guest


async def test_a_guest_hears_of_the_children_that_it_may_still_run() -> None:
    async with open_guest() as guest:
        asleep = await guest.spawn(SLEEP, "60")
        await (await guest.shell("echo a secret")).done.wait()
        only = ProcessGrants(spawn=[SLEEP], signal=["own"])
        guest.standing.grants = evolve(FULL, process=only)

        name = "lifecycle#wait-any-child-with-timeout"
        await guest.fails("timeout", name, 0.01)
        await guest("signals#emergency-kill", asleep)
        assert (await guest(name, 10.0)).pid == asleep.pid
        await guest.fails("not-found", name, 10.0)
        await guest.relay.drop(asleep)


async def test_a_grant_that_has_expired_tells_of_no_child() -> None:
    async with open_guest(evolve(FULL, expires={"process": 1.0})) as guest:
        name = "lifecycle#wait-any-child-with-timeout"
        await guest.fails("permission-denied", name, -1.0)

        (event,) = guest.denied
        assert "expired" in event.reason


async def test_a_handler_whose_child_is_dropped_hears_no_more() -> None:
    budget = Budget("acme/guest", Quota(handles=2))
    async with open_guest(budget=budget) as guest:
        child = await guest.spawn(SLEEP, "60")
        handler = await guest("signals#on-status-change", child)
        await guest.relay.drop(child)

        name = "signals#[method]handler.wait-event"
        await guest.fails("already-terminated", name, handler, None)
        await guest.relay.drop(handler)
        assert budget.stores["handles"][0].used == 0


async def test_what_is_one_child_too_many_is_told() -> None:
    async with open_guest(children=1) as guest:
        await guest.spawn(SLEEP, "60")
        name = "lifecycle#spawn-with-environment"
        await guest.fails("too-many-processes", name, TRUE, [], [])

        (event,) = guest.denied
        assert event.needed == f"spawn {TRUE!r}"
