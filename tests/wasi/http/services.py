"""Guests that serve HTTP, each built and compiled once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from airssys import Component, Engine

from ...guests.probe.build import ToolMissing
from ...guests.serving import build


@cache
def engine() -> Engine:
    return Engine()


_loaded: dict[str, Component] = {}


async def load(language: str) -> Component:
    """Return a guest that serves, or skip where it cannot be built."""
    if language not in _loaded:
        try:
            path: Path = build.built(language)
        except ToolMissing as missing:
            pytest.skip(f"no guest in {language}: {missing}")
        _loaded[language] = await engine().load(path, name=f"test/{language}")
    return _loaded[language]
