from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from airssys.engine.component import Component, Engine

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


@pytest.fixture(scope="session")
def engine() -> Engine:
    return Engine(cache=False)


@pytest.fixture(scope="session")
def compiled() -> dict[str, Component]:
    return {}


@pytest.fixture
def compile_(
    engine: Engine, compiled: dict[str, Component]
) -> Callable[[str], Awaitable[Component]]:
    """Compile each text once in a session."""

    async def compile_once(text: str) -> Component:
        if text not in compiled:
            compiled[text] = await engine.compile(text)
        return compiled[text]

    return compile_once


@pytest.fixture
def make(compile_: Any) -> Any:
    """Make instances of component text: ``await make(text, [imports], limits=…)``."""

    async def instantiate(text: str, *imports: Any, **options: Any) -> Any:
        return await (await compile_(text)).instantiate(*imports, **options)

    return instantiate
