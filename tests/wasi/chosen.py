"""Run a guest that is offered some interfaces of WASI, all from one opening."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from attrs import define, field

from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.grants.grants import NO_GRANTS, Grants
from airssys.host.offered import Facilities
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.testing import Recorder
from airssys.wasi import InputStream, OutputStream, open_interfaces
from airssys.wasi.streams import LARGEST_PIECE, StreamClosed

from ..relay import Relay, relay

__all__ = ("Narrow", "Trickle", "chosen", "error")


@asynccontextmanager
async def chosen(
    *prefixes: str,
    exact: bool = False,
    bare: str = "",
    context: object = None,
    grants: Grants = NO_GRANTS,
    budget: Budget | None = None,
    standing: Standing | None = None,
    facilities: Facilities | None = None,
    **options: Any,
) -> AsyncIterator[Relay]:
    """Run a guest that imports the interfaces whose names begin so, or are these.

    It is granted nothing unless a test says so. Of the interface ``bare`` it imports
    the resources alone: a relay knows resources by their names, and two are ``error``.
    """
    recorder = Recorder()
    gate = Gate(recorder)
    async with (
        open_interfaces(gate, facilities) as offered,
        relay(
            [
                _without_functions(each) if each.name == bare else each
                for each in offered
                if (each.name in prefixes if exact else each.name.startswith(prefixes))
                or each.name == bare
            ],
            grants=standing or Standing(grants, budget),
            guard=gate,
            recorder=recorder,
            context=context,
            **options,
        ) as guest,
    ):
        yield guest


def _without_functions(offer: HostInterface) -> HostInterface:
    made = HostInterface(offer.name)
    made.resources |= offer.resources
    return made


async def error(guest: Relay, function: str, *args: Any) -> Any:
    """Return the ``err`` value of a call."""
    with pytest.raises(WitError) as refused:
        await guest(function, *args)
    return refused.value.value


@define(eq=False)
class Trickle(InputStream):
    """Has what it is fed."""

    content: bytearray = field(factory=bytearray)
    finished: bool = False
    dropped: int = 0

    def feed(self, content: bytes) -> None:
        self.content += content
        self.source.touch()

    def end(self) -> None:
        self.finished = True
        self.source.touch()

    def ready(self) -> bool:
        return bool(self.content) or self.finished

    async def read(self, most: int) -> bytes:
        if self.finished and not self.content:
            raise StreamClosed
        piece = bytes(self.content[:most])
        del self.content[:most]
        return piece

    def drop(self) -> None:
        self.dropped += 1
        self.finished = True


@define(eq=False)
class Narrow(OutputStream):
    """Takes as much as it is told to."""

    left: int = LARGEST_PIECE
    content: bytearray = field(factory=bytearray)
    flushed: int = 0
    closed: bool = False
    dropped: int = 0

    def allow(self, more: int) -> None:
        self.left += more
        self.source.touch()

    def close(self) -> None:
        self.closed = True
        self.source.touch()

    def room(self) -> int:
        if self.closed:
            raise StreamClosed
        return self.left

    async def write(self, content: bytes) -> None:
        if self.closed:
            raise StreamClosed
        assert len(content) <= self.left, "more than there is room for"
        self.left -= len(content)
        self.content += content

    async def flush(self) -> None:
        self.flushed += 1

    def drop(self) -> None:
        self.dropped += 1
        self.closed = True
