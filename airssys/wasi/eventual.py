"""Let guests keep keys and values by the first version of ``wasi:keyvalue``, 0.1.0.

Its values are resources, written and read as streams, and so are its errors. Of its
interfaces ``atomic`` and ``cache`` are not offered: no host that has them is known.
"""

from __future__ import annotations

from typing import ClassVar, Final

from attrs import define

from ..core.errors import QuotaExceeded, StorageError, WitError
from ..host.errors import as_wit_errors
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, Inside, operation
from .kept import BadKey, Kept, NotGranted
from .keyvalue import MOST_AT_ONCE, MOST_TOGETHER, Bucket
from .outside import Outside
from .values import HeldInput, HeldOutput, IncomingValue, OutgoingValue, TooMuchHeld

__all__ = (
    "MOST_KEYS",
    "ErrorTraces",
    "EventualBatchOperations",
    "EventualOperations",
    "EventualValues",
    "KeyvalueError",
)

MOST_KEYS: Final = 10_000
"""Keys that one call of ``keys`` lists."""
_ON_KEY: Final = "on the key, which begins with the bucket's name and a slash"
_READ = Inside(("storage.read",), _ON_KEY)
_WRITE = Inside(("storage.write",), _ON_KEY)
_DELETE = Inside(("storage.delete",), _ON_KEY)
_LIST = Inside(
    ("storage.read",),
    "for each key that is listed; refused where no grant reaches into the bucket",
)
_OPEN = Inside(
    ("storage.read", "storage.write", "storage.delete"),
    "one of them for something in the bucket; each use is checked again",
)
_OWN = Free("the value is in the guest's own hands until it is stored")
_HELD = Free("whoever got the value was asked then")
_NOTHING = Free("it says what went wrong in the guest's own call")


@define(eq=False)
class KeyvalueError:
    """The resource ``error``."""

    text: str


def _error(problem: Exception) -> KeyvalueError:
    return KeyvalueError(
        problem.reason if isinstance(problem, StorageError) else str(problem)
    )


def _refused(words: str) -> WitError:
    return WitError(KeyvalueError(words))


_AS_ERRORS: Final = as_wit_errors(
    _error, NotGranted, BadKey, QuotaExceeded, StorageError, TooMuchHeld
)


class ErrorTraces:
    """The operation of ``wasi:keyvalue/wasi-keyvalue-error``."""

    interface: ClassVar[str] = "wasi:keyvalue/wasi-keyvalue-error@0.1.0"

    @operation("[method]error.trace", needs=_NOTHING)
    def trace(self, _: Call, error: KeyvalueError) -> str:
        return error.text


@define(eq=False)
class EventualValues:
    """The operations of ``wasi:keyvalue/types``."""

    interface: ClassVar[str] = "wasi:keyvalue/types@0.1.0"
    outside: Outside

    @operation("[static]bucket.open-bucket", needs=_OPEN)
    def open_bucket(self, call: Call, name: str) -> Bucket:
        with _AS_ERRORS:
            self.outside.kept.check_reach(call, name)
        return Bucket(name)

    @operation("[static]outgoing-value.new-outgoing-value", needs=_OWN)
    def new_outgoing_value(self, call: Call) -> OutgoingValue:
        return OutgoingValue(self.outside.values.new(call))

    @operation("[method]outgoing-value.outgoing-value-write-body-async", needs=_OWN)
    def write_body_async(self, _: Call, outgoing: OutgoingValue) -> HeldOutput:
        if outgoing.taken:
            raise _refused("the stream of the value was taken already")
        outgoing.taken = True
        return HeldOutput(outgoing.value)

    @operation("[method]outgoing-value.outgoing-value-write-body-sync", needs=_OWN)
    def write_body_sync(self, _: Call, outgoing: OutgoingValue, value: bytes) -> None:
        with _AS_ERRORS:
            outgoing.value.add(value)

    @operation("[method]incoming-value.incoming-value-consume-sync", needs=_HELD)
    def consume_sync(self, _: Call, incoming: IncomingValue) -> bytes:
        _take(incoming)
        return incoming.value.take(incoming.size)

    @operation("[method]incoming-value.incoming-value-consume-async", needs=_HELD)
    def consume_async(self, _: Call, incoming: IncomingValue) -> HeldInput:
        _take(incoming)
        return HeldInput(incoming.value)

    @operation("[method]incoming-value.incoming-value-size", needs=_HELD)
    def size(self, _: Call, incoming: IncomingValue) -> int:
        return incoming.size


def _take(incoming: IncomingValue) -> None:
    if incoming.taken:
        raise _refused("the value was consumed already")
    incoming.taken = True


@define(eq=False)
class EventualOperations:
    """The operations of ``wasi:keyvalue/eventual``."""

    interface: ClassVar[str] = "wasi:keyvalue/eventual@0.1.0"
    outside: Outside

    @property
    def kept(self) -> Kept:
        """What keeps the keys."""
        return self.outside.kept

    @operation(needs=_READ)
    async def get(self, call: Call, bucket: Bucket, key: str) -> IncomingValue | None:
        with _AS_ERRORS:
            content = await self.kept.get(call, bucket.name, key)
            return (
                None if content is None else self.outside.values.incoming(call, content)
            )

    @operation(needs=_WRITE)
    async def set(
        self, call: Call, bucket: Bucket, key: str, outgoing: OutgoingValue
    ) -> None:
        with _AS_ERRORS:
            await self.kept.set_many(call, bucket.name, [(key, _content(outgoing))])

    @operation(needs=_DELETE)
    async def delete(self, call: Call, bucket: Bucket, key: str) -> None:
        with _AS_ERRORS:
            await self.kept.delete_many(call, bucket.name, [key])

    @operation(needs=_READ)
    async def exists(self, call: Call, bucket: Bucket, key: str) -> bool:
        with _AS_ERRORS:
            return await self.kept.exists(call, bucket.name, key)


@define(eq=False)
class EventualBatchOperations:
    """The operations of ``wasi:keyvalue/eventual-batch``."""

    interface: ClassVar[str] = "wasi:keyvalue/eventual-batch@0.1.0"
    outside: Outside

    @property
    def kept(self) -> Kept:
        """What keeps the keys."""
        return self.outside.kept

    @operation(needs=_READ)
    async def get_many(
        self, call: Call, bucket: Bucket, keys: list[str]
    ) -> list[IncomingValue | None]:
        _check_number(len(keys))
        made: list[IncomingValue | None] = []
        with _AS_ERRORS:
            for content in await self.kept.get_many(
                call, bucket.name, keys, MOST_TOGETHER
            ):
                try:
                    made.append(_incoming(self.outside, call, content))
                except TooMuchHeld:
                    for each in made:
                        if each is not None:
                            each.drop()
                    raise
        return made

    @operation(needs=_LIST)
    async def keys(self, call: Call, bucket: Bucket) -> list[str]:
        keys: list[str] = []
        with _AS_ERRORS:
            while page := await self.kept.page(
                call, bucket.name, keys[-1] if keys else None
            ):
                keys += page
                if len(keys) > MOST_KEYS:
                    raise _refused(f"there are more than {MOST_KEYS:_} keys")
        return keys

    @operation(needs=_WRITE)
    async def set_many(
        self, call: Call, bucket: Bucket, key_values: list[tuple[str, OutgoingValue]]
    ) -> None:
        _check_number(len(key_values))
        with _AS_ERRORS:
            # One value may be given a thousand times: look before it is copied.
            if sum(len(each.value.content) for _, each in key_values) > MOST_TOGETHER:
                raise TooMuchHeld
            values = [(key, _content(each)) for key, each in key_values]
            await self.kept.set_many(call, bucket.name, values)

    @operation(needs=_DELETE)
    async def delete_many(self, call: Call, bucket: Bucket, keys: list[str]) -> None:
        _check_number(len(keys))
        with _AS_ERRORS:
            await self.kept.delete_many(call, bucket.name, keys)


def _incoming(
    outside: Outside, call: Call, content: bytes | None
) -> IncomingValue | None:
    return None if content is None else outside.values.incoming(call, content)


def _content(outgoing: OutgoingValue) -> bytes:
    """Return what was written of a value.

    Raises:
        TooMuchHeld: That is not all that was to be written.
    """
    if outgoing.value.cut:
        raise TooMuchHeld
    return bytes(outgoing.value.content)


def _check_number(keys: int) -> None:
    if keys > MOST_AT_ONCE:
        raise _refused(f"{keys:_} keys at once: {MOST_AT_ONCE:_} are the most")
