"""Hold values that guests write piece by piece, or read so: within one limit.

A value is in the host's memory from its first byte until it is stored, or until all of
it is read. All values of a guest share a limit, for it can make thousands of them.
"""

from __future__ import annotations

from typing import Final
from weakref import WeakKeyDictionary

from attrs import define, field

from ..hostcalls.call import Call, Standing
from .streams import (
    LARGEST_PIECE,
    InputStream,
    OutputStream,
    StreamClosed,
    StreamFailed,
)

__all__ = (
    "LARGEST_VALUE",
    "MOST_HELD",
    "HeldInput",
    "HeldOutput",
    "HeldValue",
    "IncomingValue",
    "OutgoingValue",
    "TooMuchHeld",
    "Values",
)

LARGEST_VALUE: Final = 16 * 2**20
"""Bytes of one value: it is copied at one go."""
MOST_HELD: Final = 4 * LARGEST_VALUE
"""Bytes of all values of a guest that are under way."""


class TooMuchHeld(Exception):
    """A value that is under way would be too large, or all of a guest's together."""

    def __str__(self) -> str:
        return (
            f"a value may have {LARGEST_VALUE:_} bytes, and all that are under way "
            f"{MOST_HELD:_}"
        )


@define(eq=False)
class _Held:
    """How much a guest's values take."""

    size: int = 0


@define(eq=False)
class Values:
    """The values of all guests."""

    _held: WeakKeyDictionary[Standing, _Held] = field(
        factory=WeakKeyDictionary, init=False
    )

    def new(self, call: Call, content: bytes = b"") -> HeldValue:
        """Return a value of the caller's.

        Raises:
            TooMuchHeld: There is no room for it.
        """
        value = HeldValue(self._held.setdefault(call.standing, _Held()))
        value.add(content)
        return value

    def incoming(self, call: Call, content: bytes) -> IncomingValue:
        """Return what was read, for the caller.

        Raises:
            TooMuchHeld: There is no room for it.
        """
        return IncomingValue(self.new(call, content), len(content))


@define(eq=False)
class HeldValue:
    """A value that is under way."""

    _held: _Held
    content: bytearray = field(factory=bytearray, init=False)
    closed: bool = field(default=False, init=False)
    """Whether nobody has it any more."""
    cut: bool = field(default=False, init=False)
    """Whether more was to be added than there was room for."""

    @property
    def room(self) -> int:
        """Bytes that may be added."""
        left = min(MOST_HELD - self._held.size, LARGEST_VALUE - len(self.content))
        return max(left, 0)

    def add(self, content: bytes) -> None:
        """Add to it.

        Raises:
            TooMuchHeld: There is no room for that.
        """
        if len(content) > self.room:
            self.cut = True
            raise TooMuchHeld
        self.content += content
        self._held.size += len(content)

    def take(self, most: int) -> bytes:
        """Take bytes from its beginning: they are no more held."""
        piece = bytes(self.content[:most])
        del self.content[:most]
        self._held.size -= len(piece)
        return piece

    def close(self) -> None:
        """Let go of what is in it."""
        self.closed = True
        self._held.size -= len(self.content)
        self.content = bytearray()


@define(eq=False)
class HeldInput(InputStream):
    """Reads a value, and lets go of what was read."""

    value: HeldValue

    def ready(self) -> bool:
        return True

    async def read(self, most: int) -> bytes:
        if not self.value.content:
            raise StreamClosed
        return self.value.take(most)

    def drop(self) -> None:
        self.value.close()


@define(eq=False)
class HeldOutput(OutputStream):
    """Writes a value, as long as somebody has it and there is room."""

    value: HeldValue

    def room(self) -> int:
        if self.value.closed:
            raise StreamClosed
        room = self.value.room
        if not room:
            self.value.cut = True
            raise StreamFailed(str(TooMuchHeld()))
        return min(room, LARGEST_PIECE)

    async def write(self, content: bytes) -> None:
        if self.value.closed:
            raise StreamClosed
        self.value.add(content)


@define(eq=False)
class OutgoingValue:
    """The resource ``outgoing-value``: what is to be stored."""

    value: HeldValue
    place: tuple[str, str] | None = field(default=None, init=False)
    """The folder and the key under which it is stored when it is finished."""
    taken: bool = field(default=False, init=False)
    """Whether the guest has had the stream."""

    def drop(self) -> None:
        """Let go of it: what was not stored is lost."""
        self.value.close()


@define(eq=False)
class IncomingValue:
    """The resource ``incoming-value``: what was read."""

    value: HeldValue
    size: int
    taken: bool = field(default=False, init=False)
    """Whether it was consumed: a stream has it now, or the guest."""

    def drop(self) -> None:
        """Let go of what nobody reads."""
        if not self.taken:
            self.value.close()
