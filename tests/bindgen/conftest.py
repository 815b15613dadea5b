from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from airssys import Component, Engine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WORLDS: Final = Path(__file__).parent / "worlds"


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine(cache=False)


@pytest.fixture(scope="session")
def compiled() -> dict[Path | str, Component]:
    return {}


@pytest.fixture
def compile_(
    engine: Engine, compiled: dict[Path | str, Component]
) -> Callable[[Path | str], Awaitable[Component]]:
    """Compile each file, or text, once in a session."""

    async def compile_once(source: Path | str) -> Component:
        if source not in compiled:
            if isinstance(source, str):
                compiled[source] = await engine.compile(source, name="made")
            else:
                compiled[source] = await engine.load(source)
        return compiled[source]

    return compile_once


@pytest.fixture
async def geometry(
    compile_: Callable[[Path | str], Awaitable[Component]],
) -> Component:
    """A component that gives back what it gets, itself or by way of the host."""
    return await compile_(WORLDS / "geometry.wat")
