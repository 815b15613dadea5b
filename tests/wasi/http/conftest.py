from __future__ import annotations

import pytest

from airssys import Component

from .services import load


@pytest.fixture
async def service() -> Component:
    """The guest in C."""
    return await load("c")
