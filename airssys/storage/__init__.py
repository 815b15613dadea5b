"""Keep what components store: implementations of `airssys.storage.protocol.Storage`."""

from __future__ import annotations

from .memory import MemoryStorage

__all__ = ("MemoryStorage",)
