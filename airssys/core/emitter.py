"""Emit events: stamp them with the time, and pass them to an instrument."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import frozen

from .event import Event, Instrument

__all__ = ("SILENT", "Emitter")


@frozen(eq=False)
class Emitter:
    """Passes events to an instrument, with their time: the one way to emit an event."""

    instrument: Instrument | None
    """Gets the events; None: nobody does, and events are not even built."""
    clock: Callable[[], float]
    """The event loop's."""

    def emit(self, build: Callable[[float], Event], now: float | None = None) -> None:
        """Build an event of this moment, and pass it to the instrument.

        Args:
            build: Is given the time, for ``at``.
            now: The time, where the caller has read the clock anyway; to read it takes
                as long as to build an event.
        """
        if self.instrument is not None:
            self.instrument.event(build(self.clock() if now is None else now))


SILENT: Final = Emitter(None, float)
"""An emitter without an instrument."""
