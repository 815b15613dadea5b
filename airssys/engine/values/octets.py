"""Code bytes as text for the lane, and back, on the host's side."""

from __future__ import annotations

from binascii import unhexlify
from typing import Final

__all__ = ("DIGITS", "decode_octets", "encode_octets")

_PLANES: Final = 0x7F
DIGITS: Final = 0x7E
"""The first bytes of text that is not the bytes themselves."""
_LOW: Final = bytes(byte & 0x7F for byte in range(256))
_HIGH: Final = bytes(byte >> 7 for byte in range(256))


def encode_octets(octets: bytes) -> bytes:
    """Return the text for bytes on their way to a guest."""
    if octets.isascii() and octets[:1] < b"\x7e":
        return octets
    return b"\x7f" + octets.translate(_LOW) + octets.translate(_HIGH)


def decode_octets(text: bytes) -> bytes:
    """Return the bytes that a guest's text stands for."""
    if text and text[0] == DIGITS:
        return unhexlify(text[1:])
    return text
