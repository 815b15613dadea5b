"""Let guests keep keys and values: ``wasi:keyvalue``, in both of its drafts.

A class here serves both where they are alike; where they are not, each has its own.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from typing import ClassVar, Final
from weakref import WeakKeyDictionary

import anyio.to_thread
from attrs import define, field

from ..core.errors import QuotaExceeded, StorageError, WitError
from ..host.errors import as_wit_errors
from ..hostcalls.call import Call, Standing
from ..hostcalls.declare import Inside, operation
from ..witmodel.types import Variant
from .kept import BadKey, Kept, NotGranted
from .outside import Outside

__all__ = (
    "MOST_AT_ONCE",
    "MOST_TOGETHER",
    "BatchOperations",
    "Bucket",
    "BucketOperations",
    "Cas",
    "CasOperations",
    "IncrementOperations",
    "NumberedPages",
    "OptionalPairs",
    "Pages",
    "Pairs",
)

MOST_AT_ONCE: Final = 1000
"""Keys in one call of ``wasi:keyvalue/batch``."""
MOST_TOGETHER: Final = 16 * 2**20
"""Bytes of the values that one ``get-many`` returns."""
_MOST_MARKS: Final = 1000
"""Pages that a guest can go on from at a time, of all its buckets: each is a key in the
host's memory."""
_DIGESTED_HERE: Final = 2**20
"""Bytes of a value that is digested on the event loop; a larger one is in a thread."""
_MOST_TRIES: Final = 100
"""Times that an increment is tried while others write the same key."""
_NUMBER: Final = re.compile(rb"-?[0-9]{1,20}")
"""A number of 64 bits, or one that is a little larger."""
_S64: Final = range(-(2**63), 2**63)
_U64: Final = range(2**64)
_ON_KEY: Final = "on the key, which begins with the bucket's name and a slash"
_READ = Inside(("storage.read",), _ON_KEY)
_WRITE = Inside(("storage.write",), _ON_KEY)
_DELETE = Inside(("storage.delete",), _ON_KEY)
_SWAP = Inside(("storage.read", "storage.write"), f"both {_ON_KEY}")
_LIST = Inside(
    ("storage.read",),
    "for each key that is listed; refused where no grant reaches into the bucket",
)
_OPEN = Inside(
    ("storage.read", "storage.write", "storage.delete"),
    "one of them for something in the bucket; each use is checked again",
)
_PROBLEMS: Final = (NotGranted, BadKey, QuotaExceeded, StorageError)


def _error(problem: Exception) -> Variant:
    match problem:
        case NotGranted():
            return Variant("access-denied")
        case StorageError():
            return Variant("other", problem.reason)
        case _:
            return Variant("other", str(problem))


_AS_ERRORS: Final = as_wit_errors(_error, *_PROBLEMS)
_AS_CAS_ERRORS: Final = as_wit_errors(
    lambda problem: Variant("store-error", _error(problem)), *_PROBLEMS
)


@define(eq=False)
class Bucket:
    """The resource ``bucket``: a folder of the component's namespace."""

    name: str


@define(eq=False)
class BucketOperations:
    """Most operations of ``wasi:keyvalue/store``."""

    interface: ClassVar[str] = "wasi:keyvalue/store@0.2.0-draft2"
    also: ClassVar[tuple[str, ...]] = ("wasi:keyvalue/store@0.2.0-draft",)
    outside: Outside

    @operation(needs=_OPEN)
    def open(self, call: Call, identifier: str) -> Bucket:
        try:
            self.kept.check_reach(call, identifier)
        except BadKey as error:
            raise WitError(Variant("no-such-store")) from error
        except NotGranted as error:
            raise WitError(_error(error)) from error
        return Bucket(identifier)

    @operation("[method]bucket.get", needs=_READ)
    async def get(self, call: Call, bucket: Bucket, key: str) -> bytes | None:
        with _AS_ERRORS:
            return await self.kept.get(call, bucket.name, key)

    @operation("[method]bucket.set", needs=_WRITE)
    async def set(self, call: Call, bucket: Bucket, key: str, value: bytes) -> None:
        with _AS_ERRORS:
            await self.kept.set_many(call, bucket.name, [(key, value)])

    @operation("[method]bucket.delete", needs=_DELETE)
    async def delete(self, call: Call, bucket: Bucket, key: str) -> None:
        with _AS_ERRORS:
            await self.kept.delete_many(call, bucket.name, [key])

    @operation("[method]bucket.exists", needs=_READ)
    async def exists(self, call: Call, bucket: Bucket, key: str) -> bool:
        with _AS_ERRORS:
            return await self.kept.exists(call, bucket.name, key)

    @property
    def kept(self) -> Kept:
        """What keeps the keys."""
        return self.outside.kept


@define(eq=False)
class _Marks:
    """Where the lists of a guest's buckets go on, by numbers."""

    _lasts: dict[int, tuple[str, str]] = field(factory=dict, init=False)
    """The bucket and the key after which its list goes on."""
    _given: int = field(default=0, init=False)

    def give(self, bucket: str, last: str) -> int:
        """Return the number by which a list goes on after a key."""
        self._given += 1
        self._lasts[self._given] = bucket, last
        if len(self._lasts) > _MOST_MARKS:
            del self._lasts[next(iter(self._lasts))]
        return self._given

    def last(self, bucket: str, cursor: int) -> str:
        """Return the key after which a list goes on.

        Raises:
            WitError: The number is none of this bucket, or was long ago.
        """
        of, last = self._lasts.get(cursor, (None, ""))
        if of != bucket:
            raise WitError(Variant("other", f"there is no cursor {cursor}: begin anew"))
        return last


@define(eq=False)
class NumberedPages:
    """``list-keys`` of the first draft, where a cursor is a number."""

    interface: ClassVar[str] = "wasi:keyvalue/store@0.2.0-draft"
    outside: Outside
    _marks: WeakKeyDictionary[Standing, _Marks] = field(
        factory=WeakKeyDictionary, init=False
    )

    @operation("[method]bucket.list-keys", needs=_LIST)
    async def list_keys(
        self, call: Call, bucket: Bucket, cursor: int | None
    ) -> dict[str, object]:
        marks = self._marks.setdefault(call.standing, _Marks())
        after = None if cursor is None else marks.last(bucket.name, cursor)
        with _AS_ERRORS:
            page = await self.outside.kept.page(call, bucket.name, after)
        following = marks.give(bucket.name, page[-1]) if page else None
        return {"keys": page, "cursor": following}


@define(eq=False)
class Pages:
    """``list-keys`` of the second draft, where a cursor is the last key of a page."""

    interface: ClassVar[str] = "wasi:keyvalue/store@0.2.0-draft2"
    outside: Outside

    @operation("[method]bucket.list-keys", needs=_LIST)
    async def list_keys(
        self, call: Call, bucket: Bucket, cursor: str | None
    ) -> dict[str, object]:
        with _AS_ERRORS:
            page = await self.outside.kept.page(call, bucket.name, cursor)
        return {"keys": page, "cursor": page[-1] if page else None}


@define(eq=False)
class IncrementOperations:
    """The operation of ``wasi:keyvalue/atomics`` that both drafts have.

    A number is kept as its decimal digits, so that it can be read as a value.
    """

    interface: ClassVar[str] = "wasi:keyvalue/atomics@0.2.0-draft2"
    also: ClassVar[tuple[str, ...]] = ("wasi:keyvalue/atomics@0.2.0-draft",)
    outside: Outside

    @operation(needs=_SWAP)
    async def increment(self, call: Call, bucket: Bucket, key: str, delta: int) -> int:
        numbers = _S64 if call.function.partition("#")[0] == self.interface else _U64
        with _AS_ERRORS:
            for _ in range(_MOST_TRIES):
                before = await self.outside.kept.get(call, bucket.name, key)
                number = _number(before) + delta
                if number not in numbers:
                    raise WitError(Variant("other", f"{number} is too large a number"))
                value = str(number).encode()
                if await self.outside.kept.swap(call, bucket.name, key, before, value):
                    return number
        raise WitError(Variant("other", "others write that key all the time"))


def _number(value: bytes | None) -> int:
    if value is None:
        return 0
    if not _NUMBER.fullmatch(value):
        raise WitError(Variant("other", "what is there is no number"))
    return int(value)


@define(eq=False)
class Cas:
    """The resource ``cas``: a key, and what its value was when it was looked at.

    That is a digest: guests may have thousands of these, of values of any size.
    """

    bucket: str
    key: str
    seen: bytes | None

    async def look(self, value: bytes | None) -> None:
        """Take what is there for what must be there when it is swapped."""
        self.seen = await _digest(value)


async def _digest(value: bytes | None) -> bytes | None:
    if value is None:
        return None
    if len(value) <= _DIGESTED_HERE:
        return sha256(value).digest()
    digested = await anyio.to_thread.run_sync(sha256, value, abandon_on_cancel=True)
    return digested.digest()


@define(eq=False)
class CasOperations:
    """The operations of ``wasi:keyvalue/atomics`` that the second draft has alone."""

    interface: ClassVar[str] = "wasi:keyvalue/atomics@0.2.0-draft2"
    outside: Outside

    @operation("[static]cas.new", needs=_READ)
    async def new(self, call: Call, bucket: Bucket, key: str) -> Cas:
        with _AS_ERRORS:
            value = await self.outside.kept.get(call, bucket.name, key)
        return Cas(bucket.name, key, await _digest(value))

    @operation("[method]cas.current", needs=_READ)
    async def current(self, call: Call, cas: Cas) -> bytes | None:
        with _AS_ERRORS:
            value = await self.outside.kept.get(call, cas.bucket, cas.key)
        await cas.look(value)
        return value

    @operation(needs=_SWAP)
    async def swap(self, call: Call, cas: Cas, value: bytes) -> None:
        kept = self.outside.kept
        with _AS_CAS_ERRORS:
            found = await kept.get(call, cas.bucket, cas.key)
            done = await _digest(found) == cas.seen and await kept.swap(
                call, cas.bucket, cas.key, found, value
            )
            if done:
                return
            now = await kept.get(call, cas.bucket, cas.key)
            digest = await _digest(now)
        raise WitError(Variant("cas-failed", Cas(cas.bucket, cas.key, digest)))


@define(eq=False)
class BatchOperations:
    """The operations of ``wasi:keyvalue/batch`` that both drafts have.

    One key after the other: where a quota ends, those before are written.
    """

    interface: ClassVar[str] = "wasi:keyvalue/batch@0.2.0-draft2"
    also: ClassVar[tuple[str, ...]] = ("wasi:keyvalue/batch@0.2.0-draft",)
    outside: Outside

    @operation(needs=_WRITE)
    async def set_many(
        self, call: Call, bucket: Bucket, key_values: list[tuple[str, bytes]]
    ) -> None:
        _check_number(key_values)
        with _AS_ERRORS:
            await self.outside.kept.set_many(call, bucket.name, key_values)

    @operation(needs=_DELETE)
    async def delete_many(self, call: Call, bucket: Bucket, keys: list[str]) -> None:
        _check_number(keys)
        with _AS_ERRORS:
            await self.outside.kept.delete_many(call, bucket.name, keys)


@define(eq=False)
class OptionalPairs:
    """``get-many`` of the first draft: a key without a value is left out."""

    interface: ClassVar[str] = "wasi:keyvalue/batch@0.2.0-draft"
    outside: Outside

    @operation(needs=_READ)
    async def get_many(
        self, call: Call, bucket: Bucket, keys: list[str]
    ) -> list[tuple[str, bytes] | None]:
        values = await _many(self.outside.kept, call, bucket, keys)
        pairs = zip(keys, values, strict=True)
        return [None if value is None else (key, value) for key, value in pairs]


@define(eq=False)
class Pairs:
    """``get-many`` of the second draft: each key with its value, or without."""

    interface: ClassVar[str] = "wasi:keyvalue/batch@0.2.0-draft2"
    outside: Outside

    @operation(needs=_READ)
    async def get_many(
        self, call: Call, bucket: Bucket, keys: list[str]
    ) -> list[tuple[str, bytes | None]]:
        values = await _many(self.outside.kept, call, bucket, keys)
        return list(zip(keys, values, strict=True))


async def _many(
    kept: Kept, call: Call, bucket: Bucket, keys: list[str]
) -> list[bytes | None]:
    _check_number(keys)
    with _AS_ERRORS:
        return await kept.get_many(call, bucket.name, keys, MOST_TOGETHER)


def _check_number(keys: Sequence[object]) -> None:
    if len(keys) > MOST_AT_ONCE:
        reason = f"{len(keys):_} keys at once: {MOST_AT_ONCE:_} are the most"
        raise WitError(Variant("other", reason))
