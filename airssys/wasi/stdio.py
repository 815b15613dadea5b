"""What a guest's standard input and output can be, other than files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from attrs import define, field

from .streams import LARGEST_PIECE, InputStream, OutputStream, StreamClosed

__all__ = ("BytesInput", "BytesOutput", "Lines", "NoOutput")

_LONGEST_LINE: Final = 16_384
"""Bytes of a line; what is longer comes as several."""


@define(eq=False)
class BytesInput(InputStream):
    """Bytes that are all there already."""

    content: bytes = b""
    _read: int = field(default=0, init=False)

    def ready(self) -> bool:
        return True

    async def read(self, most: int) -> bytes:
        if self._read >= len(self.content):
            raise StreamClosed
        piece = self.content[self._read : self._read + most]
        self._read += len(piece)
        return piece


@define(eq=False)
class BytesOutput(OutputStream):
    """Keeps what is written, up to a limit; then it is closed."""

    limit: int = 16 * LARGEST_PIECE
    content: bytearray = field(factory=bytearray, init=False)

    def room(self) -> int:
        left = self.limit - len(self.content)
        if left <= 0:
            raise StreamClosed
        return min(left, LARGEST_PIECE)

    async def write(self, content: bytes) -> None:
        self.content += content


@define(eq=False)
class NoOutput(OutputStream):
    """Takes everything and keeps nothing, as ``/dev/null`` does."""

    async def write(self, content: bytes) -> None:
        del content


@define(eq=False)
class Lines(OutputStream):
    """Passes on each line that is complete; the rest when the guest lets go of it."""

    line: Callable[[str], object]
    """Gets a line without its end. What is no UTF-8 is replaced."""
    _begun: bytearray = field(factory=bytearray, init=False)

    async def write(self, content: bytes) -> None:
        *whole, rest = content.split(b"\n")
        for each in whole:
            self._begun += each
            self._end_line()
        self._begun += rest
        while len(self._begun) > _LONGEST_LINE:
            self._say(self._begun[:_LONGEST_LINE])
            del self._begun[:_LONGEST_LINE]

    def drop(self) -> None:
        if self._begun:
            self._end_line()

    def _end_line(self) -> None:
        begun, self._begun = self._begun, bytearray()
        if begun.endswith(b"\r"):
            del begun[-1]
        for start in range(0, max(len(begun), 1), _LONGEST_LINE):
            self._say(begun[start : start + _LONGEST_LINE])

    def _say(self, text: bytearray) -> None:
        self.line(text.decode(errors="replace"))
