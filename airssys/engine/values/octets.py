"""Code bytes as text for the lane, and back, on the host's side: see `lane.machine`."""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Callable
from typing import Final, TypeAlias

from attrs import frozen

from ..lane.machine import DIGITS, MANY, PACKED, PADDED, PADDING, PLANES
from ..lane.packing import GROUP, TEXT
from .coder import coder

__all__ = ("Coding", "coding_of", "decode_octets", "encode_octets")

_LOW: Final = bytes(byte & 0x7F for byte in range(256))
_HIGH: Final = bytes(byte >> 7 for byte in range(256))
_PACKED: Final = bytes((PACKED,))
_LEAST: Final = bytes((PADDED,))
_PLANES: Final = bytes((PLANES,))
_PADDING: Final = bytes((PADDED,)) + bytes(PADDING - 1)
_PAGE: Final = 4096
_NEAR: Final = 8
"""How near to a whole number of pages a text's size is to be padded."""

_Decode: TypeAlias = Callable[[bytes, int], bytes]
"""Returns the bytes of a piece of text, so many at the most. But for the last one, a
piece has a multiple of `TEXT` bytes."""


def encode_octets(octets: bytes) -> bytes:
    """Return the text for bytes on their way to a guest."""
    if octets.isascii() and octets[:1] < _LEAST:
        size = len(octets)
        if size < _PAGE - _NEAR or (size + _NEAR) % _PAGE > 2 * _NEAR:
            return octets
        return _PADDING + octets
    if len(octets) >= MANY:
        last = (len(octets) - 1) % GROUP + 1
        return coder().pack(octets, bytes((PACKED, last)))
    return _PLANES + octets.translate(_LOW) + octets.translate(_HIGH)


def decode_octets(text: bytes) -> bytes:
    """Return the bytes that a guest's text stands for."""
    if not text or text[0] not in (PACKED, DIGITS):
        return text
    coding = coding_of(text[:2], len(text))
    return coding.decode(text[coding.begin :], coding.size)


@frozen
class Coding:
    """How a guest's text is to be read."""

    size: int
    """Bytes that it stands for."""
    begin: int
    """Where the first piece begins."""
    decode: _Decode


def coding_of(head: bytes, size: int) -> Coding:
    """Return how to read a text, given its first two bytes and its size."""
    if head[:1] == _PACKED:
        groups = (size - 2) // TEXT
        return Coding((groups - 1) * GROUP + head[1], 2, coder().unpack)
    if head[:1] == bytes((DIGITS,)):
        return Coding(size // 2, 1, _from_digits)
    return Coding(size, 0, _as_it_is)


def _from_digits(text: bytes, _: int) -> bytes:
    return unhexlify(text)


def _as_it_is(text: bytes, _: int) -> bytes:
    return text
