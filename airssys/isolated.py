"""Keep what an instrument raises from whoever tells it something."""

from __future__ import annotations

import logging

from attrs import define, field

from .core.event import Event, Instrument

__all__ = ("Isolated",)


@define(eq=False)
class Isolated:
    """An instrument that passes events on to another, whether or not that fails.

    Its first error is logged; it still gets all further events.
    """

    instrument: Instrument
    _failed: bool = field(default=False, init=False)

    def event(self, event: Event) -> None:
        """Pass the event on."""
        try:
            self.instrument.event(event)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            # A cancel too: nothing is awaited here, so it is none of the caller's.
            if not self._failed:
                self._failed = True
                logging.getLogger("airssys").exception(
                    "instrument %r failed on %s; its further errors are not logged",
                    self.instrument,
                    type(event).__name__,
                )
