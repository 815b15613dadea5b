"""Keep what the values of one call need while it runs: memory, and resources."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias

from attrs import frozen

from ...witmodel.types import Borrow, Own
from .layout import Kind, write_head

__all__ = ("Handles", "Kept", "Lowering", "Write")

_RESOURCE: Final = Kind.RESOURCE


class Handles(Protocol):
    """Makes C resources of Python objects, and Python objects of C resources."""

    def lifted(self, type_: Own | Borrow, resource: int) -> object:
        """Return the object for a C resource, which its owner deletes."""

    def lent(self, resource: int) -> object:
        """Return the same for one of the host's that the guest lends it: quicker."""

    def check(self, type_: Own | Borrow, value: object, kept: Kept) -> object:
        """Return what stands for the resource. Raises `Mismatch` if it does not fit."""

    def check_open(self, type_: Own | Borrow, value: object) -> None:
        """Raise `Mismatch` if a handle that was checked is closed by now."""

    def lowered(self, type_: Own | Borrow, value: object) -> int:
        """Return a C resource."""

    def returned(self, type_: Own | Borrow, value: object, resource: int) -> None:
        """Free a C resource, and end what was lent."""


class Kept(list[object]):
    """What one call's values keep alive, and the resources among them.

    Resources are looked at when the values are written, and change hands only when all
    values were found to fit: `give`.
    """

    __slots__ = ("given", "handles", "pending", "seen")

    def __init__(self) -> None:
        super().__init__()
        self.handles: Handles | None = None
        self.pending: list[tuple[bytearray, int, Own | Borrow, object]] = []
        """Blocks, offsets of heads, types and values of resources."""
        self.seen: dict[int, bool] = {}
        """Whether the guest's handles among them are given away, by their ids."""
        self.given: list[tuple[Own | Borrow, object, int]] = []
        """The C resources that were made of them."""

    def give(self) -> None:
        """Make the C resources and write them in their places."""
        assert self.handles is not None
        for _, _, type_, value in self.pending:
            # An argument's own code may have closed what was open when it was read.
            self.handles.check_open(type_, value)
        for block, head, type_, value in self.pending:
            resource = self.handles.lowered(type_, value)
            self.given.append((type_, value, resource))
            write_head(block, head, _RESOURCE, resource, 0)
        self.forget()

    def forget(self) -> None:
        """Start over with the resources that were written so far."""
        self.pending.clear()
        self.seen.clear()

    def take_back(self) -> None:
        """End what was lent, and free the C resources."""
        assert self.handles is not None
        for type_, value, resource in self.given:
            self.handles.returned(type_, value, resource)
        self.given.clear()


Write: TypeAlias = Callable[[bytearray, int, int, int, Kept, Any], None]


@frozen
class Lowering:
    """How to lower one type."""

    write: Write
    """``write(block, head, tail, base, keep, value)``: the offsets of head and tail in
    the block, the block's address, a list that keeps objects alive, and the value."""
    template: bytes = b""
    """What the tail holds before the first write."""
