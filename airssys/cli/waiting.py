"""Tell a person at a terminal what is being compiled, and for how long by now."""

from __future__ import annotations

import sys
from typing import TextIO

from attrs import define, field

from ..core.manifests.host import HostConfig
from ..engine.component import Engine
from ..observe.line import printable
from ..system.opening import engine_for

__all__ = ("Waiting", "engine_with_progress")

_CLEAR = "\r\x1b[2K"
_LONGEST = 60


@define
class Waiting:
    """One line of a terminal, written again each second and taken away at the end."""

    out: TextIO = field(factory=lambda: sys.stderr)

    def tell(self, name: str, seconds: float | None) -> None:
        """Write the line; None for the seconds: take it away."""
        if not self.out.isatty():
            return
        # A name comes from a manifest: it is not to move the cursor.
        text = printable(name)[:_LONGEST]
        line = "" if seconds is None else f"compiling {text} ... {seconds:.0f} s"
        self.out.write(_CLEAR + line)
        self.out.flush()


def engine_with_progress(settings: HostConfig) -> Engine:
    """Make the engine of a command, which tells on standard error what takes long."""
    return engine_for(settings, progress=Waiting().tell)
