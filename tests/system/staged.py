"""Actors for tree files, which note on the stage of a test how they live."""

from __future__ import annotations

from pathlib import Path

import airssys

from ..native import Stage

__all__ = ("NOWHERE", "TREE", "serve", "stages")

TREE = """\
[[child]]
id = "a"
actor = "tests.system.staged:serve"

[[child]]
id = "group"
[child.supervisor]
strategy = "one_for_one"
[[child.child]]
id = "b"
actor = "tests.system.staged:serve"
[[child.child]]
id = "c"
actor = "tests.system.staged:serve"

[[child]]
id = "d"
actor = "tests.system.staged:serve"
"""

NOWHERE = Path("/nowhere")
"""A folder without modules, so that this one is found as it was imported."""

stages: list[Stage] = []
"""The last one is the one in use."""


async def serve(actor: airssys.Actor) -> None:
    await stages[-1].serve(actor)
