"""Wait for many sockets with one task: tell a source when its socket can go on.

All sockets that are watched are in one set of the system's (``epoll``), which is itself
something to wait for. So a poll over a thousand sockets begins no task. Where the
system has no such set, each socket that is watched has a task of its own.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Callable
from functools import partial
from typing import Any, Final, Protocol

import anyio
from anyio.abc import TaskGroup
from attrs import Factory, define, field, frozen

from ..host.network.owned import OwnedSocket
from .polling import Source

__all__ = (
    "Readiness",
    "SetWaiter",
    "TaskWaiter",
    "Waiter",
    "is_readable",
    "is_writable",
)

_READABLE: Final = select.POLLIN | select.POLLHUP | select.POLLERR
_WRITABLE: Final = select.POLLOUT | select.POLLHUP | select.POLLERR


def is_readable(raw: socket.socket) -> bool:
    """Tell whether a read, or an accept, has something to say at once."""
    return _is(raw, _READABLE)


def is_writable(raw: socket.socket) -> bool:
    """Tell whether a write, or the end of connecting, has something to say at once."""
    return _is(raw, _WRITABLE)


def _is(raw: socket.socket, events: int) -> bool:
    number = raw.fileno()
    if number < 0:
        return True  # it is closed, and whatever is done next says so
    look = select.poll()
    look.register(number, events)
    return bool(look.poll(0))


class Waiter(Protocol):
    """**Protocol:** waits for one direction of any number of sockets."""

    def begin(self, raw: socket.socket, source: Source) -> None:
        """Touch a source once the socket can go on; it is called for one at a time."""
        ...

    def end(self, source: Source) -> None:
        """Wait for it no more. Does nothing where nobody waits."""
        ...


@define(eq=False)
class SetWaiter:
    """Waits with one task, from its first use until the tasks are cancelled."""

    work: TaskGroup
    event: int
    """What to wait for, as ``epoll`` has it."""
    _set: Any = field(default=None, init=False)
    _sources: dict[int, Source] = field(factory=dict, init=False)
    _numbers: dict[Source, int] = field(factory=dict, init=False)

    def begin(self, raw: socket.socket, source: Source) -> None:
        number = raw.fileno()
        if number < 0:
            return
        if self._set is None:
            self._set = select.epoll()
            self.work.start_soon(self._run, self._set)
        self._sources[number], self._numbers[source] = source, number
        # Once: what was told need not be told again and again until somebody runs.
        events = self.event | select.EPOLLONESHOT
        try:
            self._set.modify(number, events)
        except FileNotFoundError:
            self._set.register(number, events)

    def end(self, source: Source) -> None:
        number = self._numbers.pop(source, None)
        # It stays in the set, to be waited for again with one system call, or until it
        # is closed. By then its number can be another's, which is left alone.
        if number is not None and self._sources.get(number) is source:
            del self._sources[number]

    async def _run(self, watched: Any) -> None:
        try:
            while True:
                await anyio.wait_readable(watched)
                for number, _ in watched.poll(0):
                    if (source := self._sources.get(number)) is not None:
                        source.touch()
        finally:
            watched.close()
            self._set = None


@define(eq=False)
class TaskWaiter:
    """Waits with a task for each socket that is watched."""

    work: TaskGroup
    writing: bool
    _scopes: dict[Source, anyio.CancelScope] = field(factory=dict, init=False)

    def begin(self, raw: socket.socket, source: Source) -> None:
        if raw.fileno() >= 0:
            scope = self._scopes[source] = anyio.CancelScope()
            self.work.start_soon(self._wait, raw, source, scope)

    def end(self, source: Source) -> None:
        if (scope := self._scopes.pop(source, None)) is not None:
            scope.cancel()

    async def _wait(
        self, raw: socket.socket, source: Source, scope: anyio.CancelScope
    ) -> None:
        with scope:
            await (anyio.wait_writable if self.writing else anyio.wait_readable)(raw)
            source.touch()


def _waiter(work: TaskGroup, *, writing: bool) -> Waiter:
    if not hasattr(select, "epoll"):
        return TaskWaiter(work, writing)
    return SetWaiter(work, select.EPOLLOUT if writing else select.EPOLLIN)


@frozen(eq=False)
class Readiness:
    """Makes sources that are touched when a socket can go on.

    Each direction of a socket has one source, whoever watches it.
    """

    work: TaskGroup
    """Runs what waits."""
    readers: Waiter = field(
        default=Factory(lambda self: _waiter(self.work, writing=False), takes_self=True)
    )
    writers: Waiter = field(
        default=Factory(lambda self: _waiter(self.work, writing=True), takes_self=True)
    )

    def reading(self, owned: OwnedSocket) -> Source:
        """Return the source of what there is to read, or to accept."""
        return _source(self.readers, owned)

    def either(self, owned: OwnedSocket, reads: Callable[[], bool]) -> Source:
        """Return the source of one direction or the other.

        Args:
            owned: The socket.
            reads: Tells which, when somebody begins to watch.
        """

        def begin(source: Source) -> None:
            (self.readers if reads() else self.writers).begin(owned.raw, source)

        def end(source: Source) -> None:
            self.readers.end(source)
            self.writers.end(source)

        return Source(begin, end)

    def writing(self, owned: OwnedSocket) -> Source:
        """Return the source of room to write, and of a connection that is made."""
        return _source(self.writers, owned)


def _source(waiter: Waiter, owned: OwnedSocket) -> Source:
    # The socket that it has then: one can take the place of another.
    return Source(partial(_begin, waiter, owned), waiter.end)


def _begin(waiter: Waiter, owned: OwnedSocket, source: Source) -> None:
    waiter.begin(owned.raw, source)
