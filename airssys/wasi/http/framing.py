"""Find heads, chunks and trailers in what a server sends, before they are read.

Whoever reads them (h11) reads a head or trailers at one go, however many fields there
are, and a line that is no field takes it the square of the spaces in it. So it gets
each of them whole, once it is known to be within limits.
"""

from __future__ import annotations

import re
from typing import Final

import h11
from attrs import define, field

from .fields import MOST_FIELDS, FieldsTooLarge

__all__ = ("LARGEST_SECTION", "Chunks", "Section")

LARGEST_SECTION: Final = 32 * 1024
"""Bytes of a head, or of trailers."""
_MOST_LINES: Final = MOST_FIELDS + 2
"""Lines of either: the first, and the empty one, are no fields."""
_EMPTY: Final = (b"\n", b"\r\n")
_END: Final = re.compile(rb"\n\r?\n")
_MANY_SPACES: Final = re.compile(rb":[ \t]{256}")
_NEWLINE: Final = re.compile(rb"\n")
_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,20}")
_LINE_END: Final = 2
"""Bytes behind a chunk."""
_AT_ONCE: Final = 64
"""Chunks that are passed over at once: each may be a single byte."""


@define(eq=False)
class Section:
    """The lines of a head, or of trailers, up to the empty one: as far as they came."""

    _held: bytearray = field(factory=bytearray, init=False)

    @property
    def begun(self) -> bool:
        """Whether a part of it has come."""
        return bool(self._held)

    def gather(self, piece: memoryview) -> tuple[int, bytes]:
        """Take what comes next.

        Returns:
            How many bytes of it are of this section; and the whole section, where that
            was the last of it, else nothing.

        Raises:
            FieldsTooLarge: There are too many lines, or bytes.
            h11.RemoteProtocolError: A line is none that any server would send.
        """
        before = len(self._held)
        self._held += piece[: LARGEST_SECTION + 1 - before]
        end = self._end(max(before - 2, 0))
        section = bytes(self._held[:end])
        if len(section) > LARGEST_SECTION or section.count(b"\n") > _MOST_LINES:
            raise FieldsTooLarge
        if end is None:
            return len(self._held) - before, b""
        if _MANY_SPACES.search(section):
            raise h11.RemoteProtocolError("a field has hundreds of spaces in a row")
        self._held.clear()
        return end - before, section

    def _end(self, start: int) -> int | None:
        """Return where it ends; None: not yet."""
        for empty in _EMPTY:
            if self._held.startswith(empty):
                return len(empty)
        found = _END.search(self._held, start)
        return None if found is None else found.end()


@define(eq=False)
class Chunks:
    """How far the chunks of a body have come: where they end, trailers begin.

    A size that is none is passed over too, as whoever reads it refuses it.
    """

    ended: bool = field(default=False, init=False)
    """Whether the last one has come, which is empty."""
    _left: int = field(default=0, init=False)
    """Bytes of the present one that are still to come, with the end of its line."""
    _line: bytearray = field(factory=bytearray, init=False)
    """The line with the size of the next one, as far as it has come."""

    def pass_over(self, piece: memoryview) -> int:
        """Return how many bytes of what comes next to read now: all of chunks."""
        at, length = 0, len(piece)
        for _ in range(_AT_ONCE):
            if self._left >= length - at:
                self._left -= length - at
                return length
            at += self._left
            self._left = 0
            found = _NEWLINE.search(piece, at)
            end = length if found is None else found.end()
            self._line += piece[at:end]
            at = end
            if found is None:
                break
            size = _SIZE.match(self._line)
            self._left = 0 if size is None else int(size[0], 16)
            self._line = bytearray()
            if self._left:
                self._left += _LINE_END
            elif size is not None:
                self.ended = True
                break
        return at
