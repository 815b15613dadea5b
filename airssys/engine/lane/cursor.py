"""Read the bytes of a section, and write them again with some of them replaced."""

from __future__ import annotations

from collections.abc import Callable

from attrs import Factory, define

from .scope import Unreadable

__all__ = ("Cursor", "unknown")


def unknown(what: str, code: int) -> Unreadable:
    """Make the error for a code that the grammar, as far as known here, lacks."""
    return Unreadable(f"{what} of code {code:#x}")


@define
class Cursor:
    """A place in a section, and what was written of the part before it."""

    _binary: memoryview
    _at: int = 0
    _kept: int = 0
    """Where the part begins that is not written yet."""
    _out: list[bytes | memoryview] = Factory(list)

    @property
    def at(self) -> int:
        """The offset of what is read next."""
        return self._at

    def back(self) -> None:
        """Read the last byte once more."""
        self._at -= 1

    def begin(self) -> None:
        """Leave out what was read so far."""
        self._out.clear()
        self._kept = self._at

    def taken(self) -> bytes:
        """Return what was read since `begin`, rewritten."""
        self._out.append(self._binary[self._kept : self._at])
        self._kept = self._at
        return b"".join(self._out)

    @property
    def written(self) -> int:
        """How many bytes `taken` would return now."""
        return sum(map(len, self._out)) + self._at - self._kept

    def finished(self) -> bytes:
        """Return the rest, which is all that there was."""
        if self._at != len(self._binary):
            raise Unreadable("a section is longer than what is in it")
        return self.taken()

    def replace(self, start: int, new: bytes) -> None:
        """Write something else for what was read since an offset."""
        self._out += (self._binary[self._kept : start], new)
        self._kept = self._at

    def byte(self) -> int:
        if self._at >= len(self._binary):
            raise Unreadable("a section is cut off")
        self._at += 1
        return self._binary[self._at - 1]

    def number(self) -> int:
        number = 0
        for shift in range(0, 35, 7):
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
        raise Unreadable("a number is too long")

    def each(self, read: Callable[[], object]) -> None:
        for _ in range(self.number()):
            read()

    def name(self) -> str:
        size = self.number()
        self._at += size
        if self._at > len(self._binary):
            raise Unreadable("a name is cut off")
        return bytes(self._binary[self._at - size : self._at]).decode(errors="replace")

    def extern_name(self) -> str:
        code = self.byte()
        if code not in {0, 1, 2}:
            raise unknown("a name", code)
        name = self.name()
        if code == 2:
            for _ in range(self.number()):
                if (about := self.byte()) not in {0, 1}:
                    raise unknown("a part of a name", about)
                self.name()
        return name

    def names(self) -> tuple[str, ...]:
        return tuple(self.name() for _ in range(self.number()))
