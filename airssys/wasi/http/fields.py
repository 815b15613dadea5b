"""Keep the header fields of a message: the resource ``fields``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import ClassVar, Final

from attrs import define, field

from ...core.errors import WitError
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, operation
from ...witmodel.types import Variant

__all__ = ("LARGEST_FIELDS", "TYPES", "FieldOperations", "Fields", "Pair", "is_token")

TYPES: Final = "wasi:http/types@0.2.12"
Pair = tuple[str, bytes]
LARGEST_FIELDS: Final = 128 * 1024
"""Bytes of all names and values of one message."""
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""RFC 9110, 5.6.2."""
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
"""RFC 9110, 5.5: nothing that could end the line, and begin another message."""
_FORBIDDEN: Final = frozenset(
    {
        "connection",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "transfer-encoding",
        "upgrade",
    }
)
"""What belongs to the connection, which is the host's, and not to the message."""
_MEMORY = Free("it is a value of the guest's own")


def is_token(text: str) -> bool:
    """Tell whether a text may name a field or a method."""
    return _TOKEN.fullmatch(text) is not None


@define(eq=False)
class Fields:
    """The resource ``fields``: names, which compare without case, and their values."""

    pairs: list[Pair] = field(factory=list)
    fixed: bool = False
    """Whether it belongs to a message, whose fields cannot be changed any more."""
    _size: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        self._size = sum(_size(pair) for pair in self.pairs)

    @classmethod
    def received(cls, pairs: Iterable[Pair]) -> Fields:
        """Return the fields of a message that came from outside."""
        return cls(list(pairs), fixed=True)

    def get(self, name: str) -> list[bytes]:
        """Return all values of a name."""
        wanted = name.lower()
        return [value for key, value in self.pairs if key.lower() == wanted]

    def add(self, name: str, *values: bytes) -> None:
        """Add values at the end.

        Raises:
            WitError: They may not be there.
        """
        self.check(name, *values)
        added = [(name, value) for value in values]
        size = self._size + sum(map(_size, added))
        if size > LARGEST_FIELDS:
            raise WitError(Variant("invalid-syntax"))
        self._size = size
        self.pairs += added

    def remove(self, name: str) -> None:
        """Remove all values of a name."""
        wanted = name.lower()
        self.pairs = [pair for pair in self.pairs if pair[0].lower() != wanted]
        self._size = sum(map(_size, self.pairs))

    def check(self, name: str, *values: bytes) -> None:
        """Check that a guest may change these.

        Raises:
            WitError: It may not; a ``header-error``.
        """
        if self.fixed:
            raise WitError(Variant("immutable"))
        if not is_token(name) or not all(map(_VALUE.fullmatch, values)):
            raise WitError(Variant("invalid-syntax"))
        if name.lower() in _FORBIDDEN:
            raise WitError(Variant("forbidden"))


def _size(pair: Pair) -> int:
    return len(pair[0]) + len(pair[1])


class FieldOperations:
    """The operations of ``fields`` in ``wasi:http/types``."""

    interface: ClassVar[str] = TYPES

    @operation("[constructor]fields", needs=_MEMORY)
    def make(self, _: Call) -> Fields:
        return Fields()

    @operation("[static]fields.from-list", needs=_MEMORY)
    def from_list(self, _: Call, entries: list[Pair]) -> Fields:
        fields = Fields()
        for name, value in entries:
            fields.add(name, value)
        return fields

    @operation("[method]fields.get", needs=_MEMORY)
    def get(self, _: Call, fields: Fields, name: str) -> list[bytes]:
        return fields.get(name)

    @operation("[method]fields.has", needs=_MEMORY)
    def has(self, _: Call, fields: Fields, name: str) -> bool:
        return bool(fields.get(name))

    @operation("[method]fields.set", needs=_MEMORY)
    def set(self, _: Call, fields: Fields, name: str, values: list[bytes]) -> None:
        fields.check(name, *values)
        fields.remove(name)
        fields.add(name, *values)

    @operation("[method]fields.delete", needs=_MEMORY)
    def delete(self, _: Call, fields: Fields, name: str) -> None:
        fields.check(name)
        fields.remove(name)

    @operation("[method]fields.append", needs=_MEMORY)
    def append(self, _: Call, fields: Fields, name: str, value: bytes) -> None:
        fields.add(name, value)

    @operation("[method]fields.entries", needs=_MEMORY)
    def entries(self, _: Call, fields: Fields) -> list[Pair]:
        return list(fields.pairs)

    @operation("[method]fields.clone", needs=_MEMORY)
    def clone(self, _: Call, fields: Fields) -> Fields:
        return Fields(list(fields.pairs))
