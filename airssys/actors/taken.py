"""Know which messages an actor took and has not finished, whichever of its tasks did.

An actor may work on messages in several tasks, and may fall in any of them. What was
under work then must not vanish. A message is *finished* when one of these is so:

- it is answered;
- `Inbox.settle` says so;
- the task that took it takes its next one, and nothing else in the actor has the
  message: no other task that it was handed to, no list that it waits in;
- what had it has let it go, and some task of the actor took a message since. A task
  that is cut off lets go as one that is done does, and nobody is told which of the two
  it was; but an actor that falls takes no more messages;
- the actor came to its end by itself.

So a crash reports, at the worst, too much: what was handed over, was done, and came to
its end after the last message that was taken.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Iterator
from functools import partial
from sys import getrefcount
from typing import Any, Final
from weakref import WeakValueDictionary, ref

from attrs import define, field

from ..core.message import Message
from ..uncut import was_cancelled_here

__all__ = ("ALONE", "Bench", "Taken")

ALONE: Final = 3
"""References to a message that only the task that took it has: the bench's, the one
that counting takes, and the variable of the loop. What is counted is read from a field
or a list: Python 3.14 counts a local variable less."""


@define(eq=False)
class Bench:
    """Where one task of an actor has the message that it took last."""

    taken: Taken = field(repr=False)
    task: int
    """The id of the task."""
    message: Message | None = field(default=None, init=False)
    _watched: ref[Future[Any]] | None = field(default=None, init=False, repr=False)

    def watch(self, task: Future[Any]) -> None:
        """Note when a task of asyncio has ended: its context may outlive it."""
        self._watched = ref(task, partial(_leave, ref(self)))

    def leave(self) -> None:
        """Note that the task has ended. May be called in any thread."""
        # No loop has a variable of it any more.
        references = getrefcount(self.message) + 1
        message, self.message = self.message, None
        if message is not None:
            self.taken.lay_down(message, references)

    def __del__(self) -> None:
        self.leave()


def _leave(bench: ref[Bench], _: object) -> None:
    found = bench()
    if found is not None:
        found.leave()


@define(eq=False)
class Taken:
    """What one incarnation of an actor took and has not finished."""

    let_go: list[Message] = field(factory=list, init=False)
    """What nothing has any more, since the last message was taken."""
    current: Message | None = field(default=None, init=False)
    """What an actor of one task works on, which says itself when it is done."""
    unanswered: dict[str, Message] = field(factory=dict, init=False)
    """Asks without a reply for which somebody waits, by their ids; oldest first."""
    _benches: WeakValueDictionary[int, Bench] = field(
        factory=WeakValueDictionary, init=False
    )
    """By number, oldest first."""
    _made: int = field(default=0, init=False)
    _kept: dict[int, tuple[ref[Message], Message]] = field(factory=dict, init=False)
    """What was handed over, by the id of the object, each with a copy to bury."""

    def bench(self, task: int) -> Bench:
        """Make a place for a task to work at."""
        bench = Bench(self, task)
        self._made += 1
        self._benches[self._made] = bench
        return bench

    def is_elsewhere(self, message: Message, references: int) -> bool:
        """Tell whether something else has the message than the task that took it.

        Args:
            message: The message.
            references: How many there are, where it is alone with `ALONE`.
        """
        known = message.answer is not None and message.answer.id in self.unanswered
        return references - known > ALONE

    def keep(self, message: Message) -> ref[Message]:
        """Note that something else has the message than the task that took it."""
        key = id(message)
        known = self._kept.get(key)
        if known is not None:
            return known[0]
        copy = Message(
            message.payload,
            message.sender,
            message.topic,
            message.answer,
            message.content_type,
            message.timestamp,
        )
        kept = ref(message, partial(self._gone, key))
        self._kept[key] = kept, copy
        return kept

    def _gone(self, key: int, _: ref[Message]) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self.let_go.append(kept[1])

    def lay_down(self, message: Message, references: int) -> None:
        """Note that the task that took the message has ended."""
        if self.is_elsewhere(message, references):
            self.keep(message)
        else:
            self.let_go.append(message)

    def settle(self, message: Message) -> None:
        """Note that a message is finished, whatever else has it."""
        self._kept.pop(id(message), None)
        for bench in tuple(self._benches.values()):
            if bench.message is message:
                bench.message = None
        if message in self.let_go:
            self.let_go.remove(message)

    def settle_let_go(self) -> None:
        """Settle what nothing has any more: the actor takes its next message."""
        # A task that is cancelled may take one more, and is no sign of life.
        if not was_cancelled_here():
            self.let_go.clear()

    def unfinished(self) -> tuple[Message, ...]:
        """Return all that was taken and is not finished, oldest first."""
        found = {id(message): message for message in self._all()}
        return tuple(
            message
            for message in sorted(found.values(), key=lambda found: found.timestamp)
            if message.answer is None or not message.answer.is_answered
        )

    def _all(self) -> Iterator[Message]:
        # A task that is collected meanwhile lays down what it had: that goes from its
        # bench to what is kept, and on to what was let go, and is met there again.
        if self.current is not None:
            yield self.current
        for bench in tuple(self._benches.values()):
            message = bench.message
            if message is not None:
                yield message
        yield from tuple(self.unanswered.values())
        for original, copy in tuple(self._kept.values()):
            yield original() or copy
        yield from tuple(self.let_go)

    def clear(self) -> None:
        """Forget all, also in what outlives the actor: its tasks' contexts."""
        for bench in tuple(self._benches.values()):
            bench.message = None
        self._benches.clear()
        self._kept.clear()
        self.unanswered.clear()
        self.let_go.clear()
        self.current = None
