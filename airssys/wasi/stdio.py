"""What a guest's standard input and output can be, other than files."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Generator
from typing import Final

from attrs import define, field, validators

from ..hostcalls.pieces import in_pieces
from ..observe.line import printable
from .streams import LARGEST_PIECE, InputStream, OutputStream, StreamClosed

__all__ = ("BytesInput", "BytesOutput", "Lines", "NoOutput")

_LONGEST_LINE: Final = 16_384
"""Characters of a line; what is longer comes as several."""
_PIECE: Final = 65_536
"""Bytes that are made lines of at a time."""
_IS_SIZE: Final = validators.and_(validators.instance_of(int), validators.ge(0))


def _new_decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")("replace")


@define(eq=False)
class BytesInput(InputStream):
    """Bytes that are all there already."""

    content: bytes = field(default=b"", validator=validators.instance_of(bytes))
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

    limit: int = field(default=16 * LARGEST_PIECE, validator=_IS_SIZE)
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
    """Passes on each line that is complete; the rest when the guest lets go of it.

    Each is printable: what could steer a terminal comes as Python would write it.
    """

    line: Callable[[str], object] = field(validator=validators.is_callable())
    """Gets a line without its end, of 16,384 characters at the most: what is longer
    comes as several. What is no UTF-8 is replaced."""
    _decoder: codecs.IncrementalDecoder = field(factory=_new_decoder, init=False)
    _begun: str = field(default="", init=False)

    def room(self) -> int:
        return _PIECE

    async def write(self, content: bytes) -> None:
        # A thousand lines for a log take their time.
        await in_pieces(self._lines(content))

    def drop(self) -> None:
        rest = self._begun + self._decoder.decode(b"", final=True)
        self._begun = ""
        if rest:
            self._say(rest)

    def _lines(self, content: bytes) -> Generator[int, None, None]:
        *ended, self._begun = (self._begun + self._decoder.decode(content)).split("\n")
        for text in ended:
            for start in range(0, max(len(text), 1), _LONGEST_LINE):
                self._say(text[start : start + _LONGEST_LINE])
                yield 1
        while len(self._begun) > _LONGEST_LINE:
            text, self._begun = self._begun[:_LONGEST_LINE], self._begun[_LONGEST_LINE:]
            self._say(text)
            yield 1

    def _say(self, text: str) -> None:
        shown = printable(text.removesuffix("\r").expandtabs())
        for start in range(0, max(len(shown), 1), _LONGEST_LINE):
            self.line(shown[start : start + _LONGEST_LINE])
