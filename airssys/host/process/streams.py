"""Take what programs write, as much as there is room for, and give them what to read.

The host's ends of the pipes are used on the event loop, and never block it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Literal

import anyio
from attrs import define, field

from .errors import failure

__all__ = ("MOST_READ", "Feed", "Output", "Overflow")

Overflow = Literal["truncate", "wait"]

MOST_READ: Final = 1024 * 1024
"""Bytes that one read returns at the most."""
_CHUNK: Final = 64 * 1024
_THROTTLE: Final = 0.001
"""Seconds between two reads of what is thrown away: a flood costs the host little."""


@define(eq=False)
class Output:
    """What a program writes to one stream."""

    fd: int
    room: int
    """Bytes that are kept until somebody reads them."""
    overflow: Overflow = "truncate"
    truncated: bool = False
    """Whether something was thrown away; what came before it is kept without a gap."""
    _kept: bytearray = field(factory=bytearray, init=False)
    _ended: bool = field(default=False, init=False)
    _news: anyio.Event = field(factory=anyio.Event, init=False)

    async def pump(self) -> None:
        """Take what comes until the stream ends."""
        while not self._ended:
            while self.overflow == "wait" and len(self._kept) >= self.room:
                await self._news.wait()  # somebody reads
            if self.truncated:
                await anyio.sleep(_THROTTLE)
            await anyio.wait_readable(self.fd)
            self._take(self.room)

    def finish(self) -> None:
        """Take what is still in the pipe, and close it; no pump runs any more."""
        room = self.room + (MOST_READ if self.overflow == "wait" else 0)
        while not self._ended and not self.truncated:
            if not self._take(room):
                break
        self._ended = True
        os.close(self.fd)
        self._notify()

    async def read(self, most: int) -> bytes:
        """Wait for something; returns nothing at the end."""
        while not self._kept and not self._ended:
            await self._news.wait()
        taken = bytes(self._kept[: min(most, MOST_READ)])
        del self._kept[: len(taken)]
        self._notify()
        return taken

    @property
    def kept(self) -> bytes:
        """What nobody has read yet."""
        return bytes(self._kept)

    def forget(self) -> None:
        """Keep nothing any more."""
        self._kept.clear()
        self.room = 0
        self._notify()

    def _take(self, room: int) -> bool:
        try:
            data = os.read(self.fd, _CHUNK)
        except BlockingIOError:
            return False
        if not data:
            self._ended = True
        elif not self.truncated:
            free = room - len(self._kept)
            # With `wait` nothing is read unless there is room for it: one chunk more.
            if self.overflow == "wait":
                free += _CHUNK
            self._kept += data[: max(0, free)]
            self.truncated = len(data) > free
        self._notify()
        return bool(data)

    def _notify(self) -> None:
        self._news.set()
        self._news = anyio.Event()


@define(eq=False)
class Feed:
    """The standard input of a program."""

    fd: int
    _lock: anyio.Lock = field(factory=anyio.Lock, init=False)
    _closed: bool = field(default=False, init=False)

    async def write(self, payload: bytes, again: Callable[[], object]) -> None:
        """Write all of it, as fast as the program reads.

        Args:
            payload: What to write.
            again: Asked before each piece; raises where the caller may not go on.
        """
        rest = memoryview(payload)
        async with self._lock:
            while rest:
                again()
                if self._closed:
                    raise failure("io-error", "the standard input is closed")
                try:
                    rest = rest[os.write(self.fd, rest[:_CHUNK]) :]
                except BlockingIOError:
                    with suppress(anyio.ClosedResourceError):
                        await anyio.wait_writable(self.fd)
                except BrokenPipeError as error:
                    words = "the program does not read its standard input any more"
                    raise failure("io-error", words) from error

    def close(self) -> None:
        """Close it: the program finds the end of its input."""
        if not self._closed:
            self._closed = True
            anyio.notify_closing(self.fd)
            os.close(self.fd)
