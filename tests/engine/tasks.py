"""Have tests run on engines of both kinds, with and without tasks, on any wasmtime."""

from __future__ import annotations

from typing import Any, Final

from airssys.engine.component import Engine

__all__ = ("BOTH", "engine_of")

BOTH: Final = ("with tasks", "without tasks")


def engine_of(kind: str, **options: Any) -> Engine:
    """Make an engine that uses tasks as it likes, or only where there is no way round.

    Args:
        kind: One of `BOTH`.
        options: Of the engine.
    """
    engine = Engine(cache=False, **options)
    if kind == "without tasks":
        engine._targets.needs_taskless = lambda _imports: True
    return engine
