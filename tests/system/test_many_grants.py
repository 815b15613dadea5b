"""A manifest with very many grants is refused in words, and holds nobody up."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

import airssys
from airssys.core.grants.sections import Sections, StorageGrants
from airssys.core.manifests.host import HostConfig

from ..components import LIFECYCLE_WASM, write_component
from .support import Open

pytestmark = pytest.mark.guest


def listed(count: int, pattern: str) -> str:
    keys = ", ".join(f'"{pattern.format(number)}"' for number in range(count))
    return f"storage = {{ read = [{keys}] }}"


@pytest.mark.parametrize(
    ("count", "pattern", "words"),
    [
        (20_000, "k{}", "there are too many patterns in a list (at most 10_000)"),
        (5000, "*{}*", "written out they have"),
    ],
)
async def test_a_manifest_is_told_how_many_patterns_it_may_have(
    open_: Open, tmp_path: Path, count: int, pattern: str, words: str
) -> None:
    folder = write_component(tmp_path, capabilities=listed(count, pattern))
    async with open_() as system:
        with pytest.raises(airssys.ManifestError) as refused:
            await system.spawn(folder)

    assert words in str(refused.value)
    assert "@ capabilities.storage" in str(refused.value)


async def test_grants_are_held_against_the_ceiling_in_pieces(
    engine: airssys.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A turn after each piece, so that it does not matter how fast the machine is.
    monkeypatch.setattr("airssys.hostcalls.pieces.STRETCH", 0.0)
    # What covers what here takes very many steps to tell.
    most = [f"{{**a{n},**b{n}}}" + "?" * 12 for n in range(8)]
    wanted = ["[ab]" * 60 + str(n) for n in range(8)]
    ceiling = HostConfig(capabilities=Sections(storage=StorageGrants(read=most)))
    component = await engine.load(LIFECYCLE_WASM, name="acme/a")
    turns = 0

    async def another() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async with (
        airssys.open_system(ceiling, engine=engine) as system,
        anyio.create_task_group() as nursery,
    ):
        nursery.start_soon(another)
        await anyio.lowlevel.checkpoint()
        before = turns
        with pytest.raises(airssys.ManifestError, match="ceiling does not cover"):
            await system.spawn(
                component,
                grants=airssys.Grants(storage=StorageGrants(read=wanted)),
            )
        nursery.cancel_scope.cancel()

    assert turns > before + 50
