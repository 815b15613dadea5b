"""Everything that happens in a system: one class for each kind of event."""

from __future__ import annotations

from .core import event as _event
from .core.event import *  # noqa: F403 - this module is its public name

__all__: tuple[str, ...] = ()
__all__ += _event.__all__
