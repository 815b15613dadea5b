"""Write behind the event loop: a reader that is slow, or gone, holds up nobody."""

from __future__ import annotations

import io
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import IO, Final, TextIO, cast

from rich.console import Console

__all__ = ("Behind",)

_ROOM: Final = 2**20
"""Bytes that may wait for the reader."""
_PATIENCE: Final = 1.0
"""Seconds that the end waits for a reader who takes nothing."""
_LONGEST_END: Final = 5.0
"""Seconds that it waits for one who is slow."""


class Behind(io.TextIOBase):
    """A text stream in front of another: what is written waits for a thread's turn.

    There is room for so much; what comes beyond that is left out, and the next line
    that fits says how much it was. Who writes never waits, and never fails.
    """

    def __init__(self, stream: TextIO | None, *, room: int = _ROOM) -> None:
        self._stream = stream
        self._room = room
        self._put = _putter(stream)
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._untold = 0
        self._lost = 0
        self._moved = 0.0
        self._ended = False
        self._changed = threading.Condition()
        # Nobody waits for it where it hangs: the process may end all the same.
        self._thread = threading.Thread(
            target=self._carry, name="airssys output", daemon=True
        )
        self._started = False

    def console(self) -> Console:
        """Return a console that prints here."""
        return Console(file=cast("IO[str]", self), highlight=False, markup=False)

    @property
    def lost(self) -> int:
        """Return how many lines were left out so far."""
        return self._lost

    @property
    def encoding(self) -> str:  # type: ignore[override]  # only read here
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def write(self, text: str, /) -> int:
        content = text.encode(self.encoding, "backslashreplace")
        lines = max(1, text.count("\n"))
        with self._changed:
            if self._put is None or self._ended:
                self._lost += lines
            elif self._size + len(content) > self._room and self._size:
                self._lost += lines
                self._untold += lines
            else:
                self._tell()
                self._add(content)
        return len(text)

    def _tell(self) -> None:
        """Say what was left out, where it would have stood."""
        if self._untold:
            lines = "line was" if self._untold == 1 else "lines were"
            note = f"airssys: {self._untold} {lines} left out: nobody read so fast\n"
            self._untold = 0
            self._add(note.encode(self.encoding))

    def _add(self, content: bytes) -> None:
        self._waiting.append(content)
        self._size += len(content)
        if not self._started:
            self._started = True
            self._thread.start()
        self._changed.notify()

    def close(self) -> None:
        """Wait until all is written, but not for a reader who takes nothing."""
        with self._changed:
            if self._ended:
                return
            if self._put is not None:
                self._tell()
            self._ended = True
            self._changed.notify()
        begun = self._moved = time.monotonic()
        while self._started and self._thread.is_alive():
            now = time.monotonic()
            left = min(begun + _LONGEST_END, self._moved + _PATIENCE) - now
            if left <= 0:
                break
            self._thread.join(left)
        with self._changed:
            self._put = None
            self._drop()

    def _carry(self) -> None:
        """Hand over what waits, in a thread of its own."""
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                if not self._waiting or self._put is None:
                    return
                content, put = self._waiting[0], self._put
            try:
                put(content)
            except (OSError, ValueError):
                # The reader has gone for good.
                with self._changed:
                    self._put = None
                    self._drop()
                return
            with self._changed:
                if self._waiting:  # else the end did not wait for this
                    self._waiting.popleft()
                    self._size -= len(content)
                self._moved = time.monotonic()

    def _drop(self) -> None:
        self._lost += sum(max(1, each.count(b"\n")) for each in self._waiting)
        self._waiting.clear()
        self._size = 0


def _putter(stream: TextIO | None) -> Callable[[bytes], object] | None:
    """Return what writes to a stream; None where there is none."""
    if stream is None:
        return None
    with suppress(OSError, ValueError):
        stream.flush()
    try:
        number = os.dup(stream.fileno())
    except (OSError, ValueError):
        encoding = getattr(stream, "encoding", None) or "utf-8"

        def write(content: bytes) -> None:
            stream.write(content.decode(encoding))
            stream.flush()

        return write
    # Past Python's own stream: its lock would be held by whoever waits in there, and
    # the end of the process waits for that lock.
    return _Descriptor(number).write


class _Descriptor:
    """A file descriptor that is closed when nobody writes to it any more."""

    def __init__(self, number: int) -> None:
        self.number = number

    def write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            try:
                left = left[os.write(self.number, left) :]
            except BlockingIOError:
                select.select([], [self.number], [])

    def __del__(self) -> None:
        os.close(self.number)
