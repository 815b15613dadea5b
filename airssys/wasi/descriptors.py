"""Read and write what the host's own process has open: standard streams above all.

Others have the same pipe or terminal open, so it cannot be made to return at once
where it would block: not in what it shares with them. So it is opened once more, for
itself, where the system can do that; what then still can block, does so in a thread.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskGroup, TaskStatus
from attrs import define, field

from .polling import Source, on, wait_first
from .streams import InputStream, OutputStream, StreamClosed, StreamFailed

__all__ = ("DescriptorInput", "DescriptorOutput", "open_input", "open_output")

_T = TypeVar("_T")
_PIECE: Final = 64 * 1024
"""Bytes that are read or written at a time."""
_AGAIN: Final = Path("/proc/self/fd")
"""Where the system opens once more what a descriptor is open for."""
_READABLE: Final = getattr(select, "POLLIN", 0)
_WRITABLE: Final = getattr(select, "POLLOUT", 0)


async def open_input(number: int, tasks: TaskGroup) -> DescriptorInput:
    """Return a stream of what a descriptor is open for; close it before the tasks end.

    Args:
        number: The descriptor. It stays open, and as it is.
        tasks: Runs what waits for bytes.
    """
    held = _hold(number, os.O_RDONLY)
    stream = DescriptorInput(held, _Look(held, _READABLE, anyio.wait_readable))
    await tasks.start(stream.look.run, stream.source.touch)
    return stream


async def open_output(
    number: int, tasks: TaskGroup, closed: Callable[[], Exception] = StreamClosed
) -> DescriptorOutput:
    """Return a stream into what a descriptor is open for; close it before the tasks.

    Args:
        number: The descriptor. It stays open, and as it is.
        tasks: Runs what waits for room.
        closed: Makes what is raised where nobody reads any more. Another error than
            the stream's own ends the guest.
    """
    held = _hold(number, os.O_WRONLY)
    look = _Look(held, _WRITABLE, anyio.wait_writable)
    stream = DescriptorOutput(held, look, closed)
    await tasks.start(stream.look.run, stream.source.touch)
    return stream


@define(eq=False)
class DescriptorInput(InputStream):
    """Bytes from a descriptor; made by `open_input`."""

    held: _Held = field(repr=False)
    look: _Look = field(repr=False)
    _ended: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.source.begin, self.source.end = self.look.begin, self.look.end

    def ready(self) -> bool:
        return self._ended or self.look.there()

    async def read(self, most: int) -> bytes:
        if self._ended or self.look.closed:
            raise StreamClosed
        if not self.look.there():
            return b""
        try:
            content = await self.held.take(min(most, _PIECE))
        except BlockingIOError:  # another process took it
            return b""
        except OSError as error:
            self._ended = True
            raise StreamFailed(_words(error)) from error
        if not content:
            self._ended = True
            raise StreamClosed
        return content

    def close(self) -> None:
        """Let go of the descriptor; what was read of it is not given back."""
        self.look.close()


@define(eq=False)
class DescriptorOutput(OutputStream):
    """Bytes into a descriptor; made by `open_output`."""

    held: _Held = field(repr=False)
    look: _Look = field(repr=False)
    closed: Callable[[], Exception] = field(default=StreamClosed, repr=False)
    _gone: bool = field(default=False, init=False)

    def __attrs_post_init__(self) -> None:
        self.source.begin, self.source.end = self.look.begin, self.look.end

    def room(self) -> int:
        if self._gone or self.look.closed:
            raise StreamClosed
        return _PIECE if self.look.there() else 0

    async def write(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            if self._gone or self.look.closed:
                raise StreamClosed
            try:
                left = left[await self.held.put(left[:_PIECE]) :]
            except BlockingIOError:
                await wait_first((on(self.source, self.ready),))
            except BrokenPipeError as error:
                self._gone = True
                raise self.closed() from error
            except OSError as error:
                self._gone = True
                raise StreamFailed(_words(error)) from error

    def close(self) -> None:
        """Let go of the descriptor."""
        self.look.close()


def _words(error: OSError) -> str:
    return error.strerror or type(error).__name__


@define(eq=False)
class _Held:
    """A descriptor of our own for what another one is open for."""

    number: int
    reads_aside: bool = False
    """Whether to read can block, so that a thread has to do it."""
    writes_aside: bool = False
    socket: socket.socket | None = None
    _closed: bool = field(default=False, init=False)
    _lock: Lock = field(factory=Lock, init=False)

    async def take(self, most: int) -> bytes:
        if self.socket is not None:
            return self.socket.recv(most, socket.MSG_DONTWAIT)
        if self.reads_aside:
            return await self._aside(partial(_read, most=most))
        return os.read(self.number, most)

    async def put(self, content: memoryview) -> int:
        if self.socket is not None:
            return self.socket.send(content, socket.MSG_DONTWAIT)
        if self.writes_aside:
            return await self._aside(partial(_write, content=bytes(content)))
        return os.write(self.number, content)

    async def _aside(self, work: Callable[[int], _T]) -> _T:
        begin = partial(self._with_copy, work)
        return await anyio.to_thread.run_sync(begin, abandon_on_cancel=True)

    def _with_copy(self, work: Callable[[int], _T]) -> _T:
        """Work with a copy, in a thread that may outlive the descriptor."""
        with self._lock:
            if self._closed:  # its number may be another file's by now
                raise OSError(errno.EBADF, os.strerror(errno.EBADF))
            copy = os.dup(self.number)
        try:
            return work(copy)
        finally:
            os.close(copy)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            if self.socket is not None:
                self.socket.close()
            else:
                os.close(self.number)


def _read(number: int, most: int) -> bytes:
    return os.read(number, most)


def _write(number: int, content: bytes) -> int:
    return os.write(number, content)


def _hold(number: int, access: int) -> _Held:
    mode = os.fstat(number).st_mode
    if stat.S_ISSOCK(mode):
        own = socket.socket(fileno=os.dup(number))
        return _Held(own.fileno(), socket=own)
    if stat.S_ISFIFO(mode) or os.isatty(number):
        with suppress(OSError):  # the system has no such folder, or does not let us
            again = access | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            return _Held(os.open(_AGAIN / str(number), again))
        return _Held(os.dup(number), reads_aside=True, writes_aside=True)
    # What has no position never blocks (`/dev/null`, `/dev/zero`). A file's has to be
    # the one that others go on from, so it is not opened again. To write a piece into
    # the system's cache takes less than a thread.
    return _Held(os.dup(number), reads_aside=not stat.S_ISCHR(mode))


@define(eq=False)
class _Look:
    """Tells when a descriptor has something, to whoever waits for it."""

    held: _Held
    event: int
    wait: Callable[[int], Awaitable[None]]
    closed: bool = field(default=False, init=False)
    _scope: anyio.CancelScope = field(factory=anyio.CancelScope, init=False)
    _asked: anyio.Event = field(factory=anyio.Event, init=False)

    def there(self) -> bool:
        """Tell whether there is something right now: bytes, room, an end, an error."""
        if self.closed:
            return True
        poll = select.poll()
        poll.register(self.held.number, self.event)
        return bool(poll.poll(0))

    def begin(self, _: Source) -> None:
        """Have `run` tell when there is something, from now on."""
        self._asked.set()

    def end(self, _: Source) -> None:
        """Tell nobody any more."""
        self._asked = anyio.Event()

    def close(self) -> None:
        self.closed = True
        self._scope.cancel()

    async def run(
        self, tell: Callable[[], object], *, task_status: TaskStatus[None]
    ) -> None:
        """Tell when there is something, as long as somebody waits for it.

        At the end the descriptor is closed: nobody waits for it any more.
        """
        task_status.started()
        try:
            with self._scope:
                while True:
                    await self._asked.wait()
                    if not self.there():
                        await self.wait(self.held.number)
                    tell()
                    # Whoever waited goes on now, and ends this or begins it again.
                    await anyio.lowlevel.checkpoint()
        finally:
            self.closed = True
            self.held.close()
