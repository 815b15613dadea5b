"""One offer, at the newest version of WASI 0.2, serves all guests of 0.2."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from attrs import define

from airssys.core.errors import UnknownImport
from airssys.engine.component import Engine
from airssys.hostcalls.interface import HostInterface
from airssys.wasi import Context, open_interfaces

from ..relay import relay_text

pytestmark = pytest.mark.guest

OFFERED = ("wasi:io/", "wasi:clocks/", "wasi:random/", "wasi:cli/")


@define
class Older:
    """What a guest imports: an interface as it is offered, but of another version."""

    of: HostInterface
    version: str

    def interface(self) -> HostInterface:
        name, _, _ = self.of.name.partition("@")
        made = HostInterface(f"{name}@{self.version}" if self.version else name)
        made.functions |= self.of.functions
        made.resources |= self.of.resources
        return made


def text_of(offered: Sequence[HostInterface], version: str) -> str:
    chosen = [each for each in offered if each.name.startswith(OFFERED)]
    return relay_text(*(Older(each, version).interface() for each in chosen))


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(cache=False, optimize=False)


@pytest.mark.parametrize("patch", range(13))
async def test_a_guest_of_any_0_2_is_served(engine: Engine, patch: int) -> None:
    async with open_interfaces() as offered:
        component = await engine.compile(text_of(offered, f"0.2.{patch}"), name="a/old")
        assert f"wasi:io/poll@0.2.{patch}" in component.imports
        given = Context(args=["app"])
        with await component.instantiate(offered, context=given) as instance:
            assert await instance.call("environment-get-arguments") == ["app"]
            pollable = await instance.call("monotonic-clock-subscribe-duration", 0)
            assert await instance.call("poll-poll", [pollable]) == [0]
            assert len(await instance.call("random-get-random-bytes", 8)) == 8


@pytest.mark.parametrize("version", ["0.3.0", "0.2.0-draft", "0.2.0-rc-2023-12-05", ""])
async def test_a_guest_of_another_version_is_refused(
    engine: Engine, version: str
) -> None:
    async with open_interfaces() as offered:
        component = await engine.compile(text_of(offered, version), name="a/other")
        with pytest.raises(UnknownImport, match="is missing"):
            await component.instantiate(offered)
