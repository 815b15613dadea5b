"""Carry a body between a guest and the other side, with its backpressure."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final

from attrs import define, field

from ...witmodel.types import Variant
from ..polling import Source, on, wait_first
from ..streams import StreamFailed
from .fields import Fields
from .ledger import Ledger

__all__ = ("ROOM", "Pipe")

ROOM: Final = 256 * 1024
"""Bytes that wait between a guest and the other side."""
_SMALL: Final = 4096
"""Bytes of a piece that others are put to: each piece is an object of its own."""
_LEFT: Final = Variant("internal-error", "nobody reads it any more")


@define(eq=False)
class Pipe:
    """Bytes on their way, at most `ROOM` and one piece."""

    source: Source = field(factory=Source, init=False)
    ledger: Ledger | None = None
    """Counts what is in it; None: nobody does."""
    ended: bool = field(default=False, init=False)
    """Whether nothing comes any more."""
    failure: Variant | None = field(default=None, init=False)
    """Why it ended before its end, as an ``error-code``; None: it did not."""
    trailers: Fields | None = field(default=None, init=False)
    on_leave: Callable[[], object] | None = field(default=None, init=False)
    """Called when nobody reads it any more, before its end."""
    held: int = field(default=0, init=False)
    """Bytes that are in it."""
    _pieces: deque[bytes | bytearray] = field(factory=deque, init=False)
    _taken: int = field(default=0, init=False)
    """Bytes of the first piece that were taken already."""
    _discards: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        if self.ledger is not None:
            # Its room can come from what is taken out of another.
            self.source.begin, self.source.end = self.ledger.watch, self.ledger.unwatch

    @property
    def room(self) -> int:
        """Bytes that can be put in now."""
        room = ROOM - self.held
        if self.ledger is not None:
            room = min(room, self.ledger.left)
        return max(room, 0)

    @property
    def readable(self) -> bool:
        """Whether there is something to take, or it has ended."""
        return bool(self._pieces) or self.ended

    def put_nowait(self, piece: bytes | bytearray) -> None:
        """Put bytes in, whether or not there is room."""
        if not piece or self.ended or self._discards:
            return
        self._count(len(piece))
        last = self._pieces[-1] if self._pieces else b""
        if not 0 < len(last) < _SMALL:
            self._pieces.append(piece)
        elif isinstance(last, bytearray):
            last += piece
        else:
            self._pieces[-1] = bytearray(last) + piece
        self.source.touch()

    async def put(self, piece: bytes | bytearray) -> bool:
        """Put bytes in when there is room; False: nobody takes them any more."""
        if not self.room and not self.ended:
            await wait_first((on(self.source, lambda: self.room > 0 or self.ended),))
        if self.ended:
            return False
        self.put_nowait(piece)
        return True

    def take(self, most: int = ROOM) -> bytes:
        """Take what is there; empty: nothing is."""
        pieces: list[bytes | bytearray | memoryview] = []
        while most and self._pieces:
            first, start = self._pieces[0], self._taken
            end = min(start + most, len(first))
            if end < len(first):
                self._taken = end
            else:
                self._pieces.popleft()
                self._taken = 0
            most -= end - start
            # Whatever is cut is copied when it is put together.
            whole = end - start == len(first)
            pieces.append(first if whole else memoryview(first)[start:end])
        taken = b"".join(pieces)
        if taken:
            self._count(-len(taken))
            self.source.touch()
        return taken

    async def get(self) -> bytes:
        """Wait for bytes and take them; empty: it has ended.

        Raises:
            StreamFailed: It ended before its end.
        """
        if not self.readable:
            await wait_first((on(self.source, lambda: self.readable),))
        piece = self.take()
        if not piece and self.failure is not None:
            raise self.failed()
        return piece

    async def wait_empty(self) -> None:
        """Wait until all that is in it was taken."""
        await wait_first((on(self.source, lambda: not self.held),))

    def failed(self) -> StreamFailed:
        """Return what to raise for its failure."""
        failure = self.failure
        assert failure is not None
        words = f": {failure.value}" if failure.value is not None else ""
        return StreamFailed(f"{failure.case}{words}", failure)

    def end(
        self, failure: Variant | None = None, trailers: Fields | None = None
    ) -> None:
        """Let nothing more in."""
        if not self.ended:
            self.ended, self.failure, self.trailers = True, failure, trailers
            self.source.touch()

    def discard(self) -> None:
        """Forget what is in it, and what is put in from now on."""
        self._discards = True
        self._clear()

    def give_up(self) -> None:
        """Forget what is in it: nobody takes it any more."""
        self._clear()
        if not self.ended:
            self.end(_LEFT)
            if self.on_leave is not None:
                self.on_leave()

    def _clear(self) -> None:
        self._pieces.clear()
        self._taken = 0
        self._count(-self.held)
        self.source.touch()

    def _count(self, amount: int) -> None:
        self.held += amount
        if self.ledger is not None:
            # Whoever puts something in has asked for the room.
            self.ledger.give_back(-amount)

    def __del__(self) -> None:
        if self.ledger is not None:
            self.ledger.release(self.held)
