"""Read a mailbox as Python code does: ``async for message in inbox``."""

from __future__ import annotations

import asyncio
from contextvars import ContextVar
from sys import getrefcount
from weakref import ref

import anyio
from attrs import define, field

from ..core.errors import AskRefused
from ..core.message import Message
from .control import Callback, HealthRequest, Stop
from .mailbox import Mailbox
from .taken import ALONE, Bench

__all__ = ("Inbox",)


@define(eq=False)
class Inbox:
    """The receiving end of a mailbox; it ends when the actor is asked to stop.

    Any number of an actor's tasks may read it, each message comes to one of them. When
    the actor falls, what any of them took and did not finish becomes a dead letter with
    the reason; asks among them fail. A message is finished when it is answered, and
    when the task that took it takes its next one. If that task handed it to another, or
    put it aside, it is finished when nothing has it any more and the actor has taken
    another message since, or by `settle`.
    """

    _mailbox: Mailbox

    def __aiter__(self) -> _Reader:
        return _reader(self._mailbox)

    async def __anext__(self) -> Message:
        """Take the next message; the one before it is done with."""
        return await _reader(self._mailbox).__anext__()

    def settle(self, message: Message) -> None:
        """Tell that a message is finished, though something still has it.

        If somebody waits for its answer, there is none: the ask raises `AskRefused`.
        """
        self._mailbox.taken.settle(message)
        if message.answer is not None:
            message.answer.refuse(AskRefused(self._mailbox.id, "it gave no reply"))

    def __len__(self) -> int:
        return self._mailbox.statistics().queued


@define(eq=False)
class _Reader:
    """One task's way to read a mailbox."""

    mailbox: Mailbox
    bench: Bench
    let_go: list[Message]
    """The one of `Taken`, within reach."""
    handed: ref[Message] | None = field(default=None, init=False)
    """What this task took last, where it handed that over."""

    def __aiter__(self) -> _Reader:
        return self

    async def __anext__(self) -> Message:
        bench = self.bench
        # True for None too, to which there are more references than anybody counts.
        if getrefcount(bench.message) > ALONE or self.let_go:
            self._look_round()
        message = bench.message = self.mailbox.take()
        return message or await self._next()

    def _look_round(self) -> None:
        bench, taken = self.bench, self.bench.taken
        self.handed = None
        references = getrefcount(bench.message)
        if bench.message is not None and taken.is_elsewhere(bench.message, references):
            self.handed = taken.keep(bench.message)
        if self.let_go:
            taken.settle_let_go()

    async def _next(self) -> Message:
        while True:
            received = await self.mailbox.receive()
            match received:
                case Message():
                    if self.handed is not None:
                        self._look_again(self.handed)
                    if self.let_go:
                        self.bench.taken.settle_let_go()
                    self.bench.message = received
                    return received
                case Stop():
                    raise StopAsyncIteration
                case HealthRequest():
                    received.settle()
                case Callback():
                    pass  # a Python actor asks in place

    def _look_again(self, handed: ref[Message]) -> None:
        """Settle what was handed over where only the loop's variable still has it."""
        taken, found = self.bench.taken, [handed()]
        references = getrefcount(found[0])
        message = found[0]
        if message is not None and not taken.is_elsewhere(message, references):
            taken.settle(message)
        self.handed = None


_own: ContextVar[_Reader | None] = ContextVar("airssys inbox", default=None)
"""The reader of the task, or of one that it was started by.

It goes with the context of the task, which tells that the task has ended.
"""


def _reader(mailbox: Mailbox) -> _Reader:
    """Return the reader of the current task: it stays the same over all its loops."""
    try:
        task = asyncio.current_task()  # Fifty times quicker than anyio's.
    except RuntimeError:
        task = None
    number = anyio.get_current_task().id if task is None else id(task)
    reader, taken = _own.get(), mailbox.taken
    if reader is None or reader.bench.task != number or reader.bench.taken is not taken:
        reader = _Reader(mailbox, taken.bench(number), taken.let_go)
        if task is not None:
            reader.bench.watch(task)
        _own.set(reader)
    return reader
