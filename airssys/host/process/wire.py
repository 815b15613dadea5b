"""Write and read the messages between the host, the warden and the keepers.

Only the standard library is used here: the warden runs outside of this package.
"""

from __future__ import annotations

import os
from typing import Final

__all__ = ("LARGEST", "pack", "unpack")

LARGEST: Final = 160 * 1024
"""Bytes of one message, which is one packet; the arguments are bounded below it."""


def pack(*fields: str | int) -> bytes:
    """Return a message. No field has a NUL character: no argument of a program can."""
    return b"\0".join(os.fsencode(str(field)) for field in fields)


def unpack(message: bytes) -> list[str]:
    """Return the fields of a message, as text that `os.fsencode` turns back."""
    return [os.fsdecode(field) for field in message.split(b"\0")]
