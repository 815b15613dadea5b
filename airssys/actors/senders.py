"""Let senders wait, in the order they came, for room in a mailbox."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import anyio
from attrs import define, field

from ..core.message import HOST, AskGraph, Message

__all__ = ("Sender", "wait_in_line")


@define(eq=False)
class Sender:
    """A sender that waits for room."""

    message: Message
    again: Callable[[], object] | None = None
    """Asked when there is room: raises where the sender may not send any more."""
    settled: anyio.Event = field(factory=anyio.Event, init=False)
    let_in: bool = field(default=False, init=False)
    problem: Exception | None = field(default=None, init=False)
    """What `again` raised."""


async def wait_in_line(
    line: deque[Sender], sender: Sender, receiver: str, asks: AskGraph
) -> bool:
    """Wait for room, and tell whether there was some: else the mailbox was closed.

    Args:
        line: All who wait for the mailbox.
        sender: Who waits now.
        receiver: The id of the actor whose mailbox it is.
        asks: Knows who waits for whom.

    Raises:
        AskCycle: The receiver waits, in the end, for the sender: there never would be
            room.
        Exception: Whatever `Sender.again` raised.
    """
    message = sender.message
    if message.sender != HOST:
        asks.wait(message.sender, receiver)
    line.append(sender)
    try:
        await sender.settled.wait()
    finally:
        if message.sender != HOST:
            asks.done(message.sender, receiver)
        if not sender.settled.is_set():
            line.remove(sender)
    if sender.problem is not None:
        raise sender.problem
    return sender.let_in
