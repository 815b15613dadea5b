from __future__ import annotations

import pytest
from attrs import evolve

from airssys.core.budget import Budget
from airssys.core.event import Logged
from airssys.core.limits import Quota

from ..operations import operation
from .chosen import chosen

pytestmark = pytest.mark.guest

VERSIONS = ("wasi:logging/logging@0.1.0-draft", "wasi:logging/logging")
LEVELS = ("trace", "debug", "info", "warn", "error", "critical")


@operation(*(f"{version}#log" for version in VERSIONS), allowed=True)
async def test_a_guest_writes_to_the_log() -> None:
    for version in VERSIONS:
        async with chosen(version, exact=True) as guest:
            for level in LEVELS:
                await guest("logging#log", level, "", f"it is {level}")
            await guest("logging#log", "warn", "db", "slow")
            lines = guest.recorder.of(Logged)

        assert [each.level for each in lines] == [*LEVELS[:5], "error", "warn"]
        assert lines[0].message == "it is trace"
        assert lines[-1].fields == (("context", "db"),)
        assert {each.subject for each in lines} == {"acme/guest"}


async def test_a_long_line_is_cut() -> None:
    async with chosen(VERSIONS[0]) as guest:
        await guest("logging#log", "info", "c" * 100_000, "m" * 100_000)
        (line,) = guest.recorder.of(Logged)

    assert line.message == "m" * 16_384 + "... (and 83_616 characters)"
    assert line.fields[0][1] == "c" * 1024 + "... (and 98_976 characters)"


async def test_a_flood_of_lines_is_left_out() -> None:
    budget = Budget("acme/a", evolve(Quota(), log=1024))
    async with chosen(VERSIONS[0], budget=budget) as guest:
        for _ in range(200):
            await guest("logging#log", "info", "", "x" * 100)
        lines = guest.recorder.of(Logged)

    assert 0 < len(lines) < 60
