"""Say that a guest broke a rule of WASI for which WASI has no error but a trap."""

from __future__ import annotations

from ..core.errors import GuestTrapped
from ..hostcalls.call import Call

__all__ = ("misuse",)


def misuse(call: Call, reason: str) -> GuestTrapped:
    """Return the trap, which ends the instance."""
    return GuestTrapped(call.component, call.function, "misuse", reason)
