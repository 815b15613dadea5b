"""Keep the header fields of a message: the resource ``fields``."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import ClassVar, Final

from attrs import define, field

from ...core.errors import WitError
from ...hostcalls.call import Call
from ...hostcalls.declare import Free, operation
from ...witmodel.types import Variant
from ..misuse import misuse
from .ledger import Ledger, Ledgers

__all__ = (
    "LARGEST_FIELDS",
    "MOST_FIELDS",
    "TYPES",
    "FieldOperations",
    "Fields",
    "FieldsTooLarge",
    "Pair",
    "is_token",
)

TYPES: Final = "wasi:http/types@0.2.12"
Pair = tuple[str, bytes]
LARGEST_FIELDS: Final = 128 * 1024
"""Bytes of all names and values of one message, with `_BESIDE` for each."""
MOST_FIELDS: Final = 1024
"""Fields of one message."""
_BESIDE: Final = 32
"""Bytes that each field counts beside its name and its value (RFC 9113, 10.5.1)."""
_LONGEST_TOKEN: Final = 8192
"""Characters of a name: what is longer is not even looked through."""
_ALL: Final = 16 * 2**20
"""Bytes of all fields that a guest has made."""
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


class FieldsTooLarge(Exception):
    """The fields are more than there may be, by number or bytes."""


def is_token(text: str) -> bool:
    """Tell whether a text may name a field or a method."""
    return len(text) <= _LONGEST_TOKEN and _TOKEN.fullmatch(text) is not None


@define(eq=False)
class Fields:
    """The resource ``fields``: names, which compare without case, and their values."""

    pairs: tuple[Pair, ...] = ()
    fixed: bool = False
    """Whether it belongs to a message, whose fields cannot be changed any more."""
    ledger: Ledger | None = field(default=None, repr=False)
    """Counts its bytes; None: another's does."""
    _of: Fields | None = field(default=None, repr=False)
    """Whose view it is: as long as there is a view, that one is counted."""
    _size: int = field(default=0, init=False, repr=False)

    @classmethod
    def received(cls, pairs: Iterable[Pair], ledger: Ledger | None = None) -> Fields:
        """Return the fields of a message that came from outside.

        What is of the connection is left out, and what is no field.

        Raises:
            FieldsTooLarge: They are too many or too large.
        """
        made = cls(ledger=ledger)
        made.put(tuple(pair for pair in pairs if _refusal(*pair) is None))
        made.fixed = True
        return made

    @property
    def size(self) -> int:
        """Bytes of all its names and values, with some for each field."""
        return sum(map(_size, self.pairs))

    def view(self) -> Fields:
        """Return the same fields as an object of its own, which cannot be changed."""
        return Fields(self.pairs, fixed=True, of=self)

    def get(self, name: str) -> list[bytes]:
        """Return all values of a name."""
        if len(name) > _LONGEST_TOKEN:  # nothing has it
            return []
        wanted = name.lower()
        return [value for key, value in self.pairs if key.lower() == wanted]

    def without(self, name: str) -> tuple[Pair, ...]:
        """Return what has another name."""
        wanted = name.lower()
        return tuple(pair for pair in self.pairs if pair[0].lower() != wanted)

    def put(self, pairs: tuple[Pair, ...]) -> None:
        """Have these fields from now on.

        Raises:
            FieldsTooLarge: They are too many or too large; nothing has changed.
        """
        size = sum(map(_size, pairs))
        if len(pairs) > MOST_FIELDS or size > LARGEST_FIELDS:
            raise FieldsTooLarge
        if self.ledger is not None and not self.ledger.hold(size - self._size):
            raise FieldsTooLarge
        self.pairs, self._size = pairs, size

    def change(self, name: str, values: Sequence[bytes], *, keep: bool) -> None:
        """Add values to a name, to those that it has or in their place.

        Raises:
            WitError: They may not be there; a ``header-error``. Nothing has changed.
        """
        if self.fixed:
            raise WitError(Variant("immutable"))
        if len(values) > MOST_FIELDS:
            raise WitError(Variant("invalid-syntax"))
        added = tuple((name, value) for value in values)
        for pair in added or ((name, b""),):
            if problem := _refusal(*pair):
                raise WitError(Variant(problem))
        try:
            self.put((*(self.pairs if keep else self.without(name)), *added))
        except FieldsTooLarge as error:
            raise WitError(Variant("invalid-syntax")) from error

    def __del__(self) -> None:
        if self.ledger is not None:
            self.ledger.release(self._size)


def _refusal(name: str, value: bytes) -> str | None:
    """Return why a message may not have a field: a ``header-error``."""
    # By size first: to look through megabytes would hold up all others.
    if len(value) > LARGEST_FIELDS or not is_token(name) or not _VALUE.fullmatch(value):
        return "invalid-syntax"
    return "forbidden" if name.lower() in _FORBIDDEN else None


def _size(pair: Pair) -> int:
    return len(pair[0]) + len(pair[1]) + _BESIDE


@define(eq=False)
class FieldOperations:
    """The operations of ``fields`` in ``wasi:http/types``."""

    interface: ClassVar[str] = TYPES
    _ledgers: Ledgers = field(factory=lambda: Ledgers(_ALL), init=False)

    @operation("[constructor]fields", needs=_MEMORY)
    def make(self, call: Call) -> Fields:
        return Fields(ledger=self._ledgers.of(call))

    @operation("[static]fields.from-list", needs=_MEMORY)
    def from_list(self, call: Call, entries: list[Pair]) -> Fields:
        if len(entries) > MOST_FIELDS:
            raise WitError(Variant("invalid-syntax"))
        for entry in entries:
            if problem := _refusal(*entry):
                raise WitError(Variant(problem))
        fields = Fields(ledger=self._ledgers.of(call))
        try:
            fields.put(tuple(entries))
        except FieldsTooLarge as error:
            raise WitError(Variant("invalid-syntax")) from error
        return fields

    @operation("[method]fields.get", needs=_MEMORY)
    def get(self, _: Call, fields: Fields, name: str) -> list[bytes]:
        return fields.get(name)

    @operation("[method]fields.has", needs=_MEMORY)
    def has(self, _: Call, fields: Fields, name: str) -> bool:
        return bool(fields.get(name))

    @operation("[method]fields.set", needs=_MEMORY)
    def set(self, _: Call, fields: Fields, name: str, values: list[bytes]) -> None:
        fields.change(name, values, keep=False)

    @operation("[method]fields.delete", needs=_MEMORY)
    def delete(self, _: Call, fields: Fields, name: str) -> None:
        fields.change(name, (), keep=False)

    @operation("[method]fields.append", needs=_MEMORY)
    def append(self, _: Call, fields: Fields, name: str, value: bytes) -> None:
        fields.change(name, (value,), keep=True)

    @operation("[method]fields.entries", needs=_MEMORY)
    def entries(self, _: Call, fields: Fields) -> list[Pair]:
        return list(fields.pairs)

    @operation("[method]fields.clone", needs=_MEMORY)
    def clone(self, call: Call, fields: Fields) -> Fields:
        made = Fields(ledger=self._ledgers.of(call))
        try:
            made.put(fields.pairs)
        except FieldsTooLarge as error:
            raise misuse(call, f"its fields are more than {_ALL:_} bytes") from error
        return made
