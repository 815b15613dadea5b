"""Keep what components store: implementations of `airssys.abc.Storage`."""

from __future__ import annotations

from .memory import MemoryStorage

__all__ = ("MemoryStorage",)
