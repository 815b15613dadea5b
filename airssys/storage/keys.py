"""Check keys of storage, work out what they cost, and name them as grants do."""

from __future__ import annotations

from typing import Final

__all__ = (
    "LONGEST_KEY",
    "OWN",
    "PER_KEY",
    "check_key",
    "check_length",
    "check_prefix",
    "cost",
    "target",
)

OWN: Final = "component:self"
"""What grants call the caller's own namespace."""
LONGEST_KEY: Final = 1024
"""Bytes of UTF-8 that a key may have."""
PER_KEY: Final = 128
"""Bytes that each key costs beside its own and its value's: keys are not for free."""
_SHOWN: Final = 80


def _shown(text: str) -> str:
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


def check_length(key: str) -> None:
    """Check that a text is no longer than keys are, which takes no time for any.

    Raises:
        ValueError: It is.
    """
    if len(key) > LONGEST_KEY or len(key.encode()) > LONGEST_KEY:
        raise ValueError(
            f"key {_shown(key)} is longer than {LONGEST_KEY:_} bytes of UTF-8"
        )


def check_prefix(prefix: str) -> None:
    """Check what keys may begin with.

    Raises:
        ValueError: No key can begin so; says why.
    """
    check_length(prefix)
    if not prefix.isprintable():
        raise ValueError(
            f"key {_shown(prefix)} holds characters that cannot be printed"
        )


def check_key(key: str) -> None:
    """Check a key.

    Printable text of 1 to 1,024 bytes, in segments between slashes: no segment is
    empty, ``.`` or ``..``, so that no two spellings mean one place.

    Raises:
        ValueError: It may not be one; says why.
    """
    check_prefix(key)
    if not {"", ".", ".."}.isdisjoint(key.split("/")):
        raise ValueError(f"key {_shown(key)} has a segment that is empty, '.' or '..'")


def cost(key: str, value: int) -> int:
    """Return the bytes that a key and its value take of a quota.

    Args:
        key: The key.
        value: The value's bytes.
    """
    return PER_KEY + len(key.encode()) + value


def target(key: str) -> str:
    """Return what grants call a key of the caller's own.

    A key that is too long for one is cut: it is refused by its form.
    """
    return f"{OWN}/{key[: LONGEST_KEY + 1]}"
