"""Let guests keep objects in containers: ``wasi:blobstore``.

A container is a folder of the component's own storage, as a bucket of ``wasi:keyvalue``
is, and an object is a value in it: both interfaces see the same. An object's bytes are
in one piece, so it is no larger than a value that is under way may be.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, Final

from attrs import define, field

from ..core.errors import QuotaExceeded, StorageError, WitError
from ..host.errors import as_wit_errors
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, Inside, operation
from .context import context_of
from .kept import BadKey, Kept, NotGranted
from .outside import Outside
from .values import (
    HeldInput,
    HeldOutput,
    IncomingValue,
    OutgoingValue,
    TooMuchHeld,
)

__all__ = (
    "MOST_NAMES",
    "BlobstoreOperations",
    "Container",
    "ContainerOperations",
    "ObjectNames",
    "ValueOperations",
)

MOST_NAMES: Final = 1000
"""Names of objects in one call."""
_SECOND: Final = 1_000_000_000
_SECONDS: Final = re.compile(rb"[0-9]{1,19}")
_ON_OBJECT: Final = "on the object, after the container's name and a slash"
_READ = Inside(("storage.read",), _ON_OBJECT)
_WRITE = Inside(("storage.write",), _ON_OBJECT)
_DELETE = Inside(("storage.delete",), _ON_OBJECT)
_ANY = Inside(
    ("storage.read", "storage.write", "storage.delete"),
    "one of them for something in the container",
)
_MAKE = Inside(("storage.write",), "on the container, a slash and `%container`")
_CLEAR = Inside(("storage.delete",), "on each object that is in the container")
_LIST = Inside(("storage.read",), "for each object that is listed")
_OWN = Free("the value is in the guest's own hands until it is stored")
_HELD = Free("whoever got the value was asked then")
_NAMED = Free("the guest gave the name itself")


def _text(problem: Exception) -> str:
    return problem.reason if isinstance(problem, StorageError) else str(problem)


_AS_ERRORS: Final = as_wit_errors(
    _text, NotGranted, BadKey, QuotaExceeded, StorageError, TooMuchHeld
)


@define(eq=False)
class Container:
    """The resource ``container``."""

    name: str


@define(eq=False)
class ObjectNames:
    """The resource ``stream-object-names``: how far a list was read.

    The names are not held: a guest may have thousands of these.
    """

    container: str
    last: str | None = field(default=None, init=False)
    """The last name that was read or skipped; None: none yet."""


@define(eq=False)
class ValueOperations:
    """The operations of ``wasi:blobstore/types``."""

    interface: ClassVar[str] = "wasi:blobstore/types@0.2.0-draft"
    outside: Outside

    @operation("[static]outgoing-value.new-outgoing-value", needs=_OWN)
    def new_outgoing_value(self, call: Call) -> OutgoingValue:
        return OutgoingValue(self.outside.values.new(call))

    @operation("[method]outgoing-value.outgoing-value-write-body", needs=_OWN)
    def write_body(self, _: Call, outgoing: OutgoingValue) -> HeldOutput:
        if outgoing.taken:
            raise WitError(None)
        outgoing.taken = True
        return HeldOutput(outgoing.value)

    @operation("[static]outgoing-value.finish", needs=_WRITE)
    async def finish(self, call: Call, outgoing: OutgoingValue) -> None:
        try:
            with _AS_ERRORS:
                if outgoing.value.cut:
                    raise TooMuchHeld
                if outgoing.place is not None:
                    container, name = outgoing.place
                    content = bytes(outgoing.value.content)
                    await self.outside.kept.set_many(call, container, [(name, content)])
        finally:
            outgoing.value.close()

    @operation("[static]incoming-value.incoming-value-consume-sync", needs=_HELD)
    def consume_sync(self, _: Call, incoming: IncomingValue) -> bytes:
        content = bytes(incoming.value.content)
        incoming.value.close()
        return content

    @operation("[static]incoming-value.incoming-value-consume-async", needs=_HELD)
    def consume_async(self, _: Call, incoming: IncomingValue) -> HeldInput:
        incoming.taken = True
        return HeldInput(incoming.value)

    @operation("[method]incoming-value.size", needs=_HELD)
    def size(self, _: Call, incoming: IncomingValue) -> int:
        return incoming.size


@define(eq=False)
class ContainerOperations:
    """The operations of ``wasi:blobstore/container``."""

    interface: ClassVar[str] = "wasi:blobstore/container@0.2.0-draft"
    outside: Outside

    @property
    def kept(self) -> Kept:
        """What keeps the objects."""
        return self.outside.kept

    @operation("[method]container.name", needs=_NAMED)
    def name(self, _: Call, container: Container) -> str:
        return container.name

    @operation("[method]container.info", needs=_ANY)
    async def info(self, call: Call, container: Container) -> dict[str, object]:
        with _AS_ERRORS:
            made = await self.kept.mark(call, container.name)
        return {"name": container.name, "created-at": _seconds(made)}

    @operation("[method]container.get-data", needs=_READ)
    async def get_data(
        self, call: Call, container: Container, name: str, start: int, end: int
    ) -> IncomingValue:
        if start > end:
            raise WitError(f"the first byte, {start}, is after the last, {end}")
        with _AS_ERRORS:
            content = await self._content(call, container.name, name)
            return self.outside.values.incoming(call, content[start : end + 1])

    @operation("[method]container.write-data", needs=_WRITE)
    def write_data(
        self, call: Call, container: Container, name: str, data: OutgoingValue
    ) -> None:
        with _AS_ERRORS:
            self.kept.check(call, container.name, name, "write")
        if data.place is not None:
            raise WitError("the value has an object already that it is to be")
        data.place = container.name, name

    @operation("[method]container.list-objects", needs=_LIST)
    def list_objects(self, call: Call, container: Container) -> ObjectNames:
        with _AS_ERRORS:
            self.kept.check_list(call, container.name)
        return ObjectNames(container.name)

    @operation("[method]container.delete-object", needs=_DELETE)
    async def delete_object(self, call: Call, container: Container, name: str) -> None:
        with _AS_ERRORS:
            await self.kept.delete_many(call, container.name, [name])

    @operation("[method]container.delete-objects", needs=_DELETE)
    async def delete_objects(
        self, call: Call, container: Container, names: list[str]
    ) -> None:
        if len(names) > MOST_NAMES:
            raise WitError(f"{len(names):_} at once: {MOST_NAMES:_} are the most")
        with _AS_ERRORS:
            await self.kept.delete_many(call, container.name, names)

    @operation("[method]container.has-object", needs=_READ)
    async def has_object(self, call: Call, container: Container, name: str) -> bool:
        with _AS_ERRORS:
            return await self.kept.exists(call, container.name, name)

    @operation("[method]container.object-info", needs=_READ)
    async def object_info(
        self, call: Call, container: Container, name: str
    ) -> dict[str, object]:
        with _AS_ERRORS:
            content = await self._content(call, container.name, name)
        return {
            "name": name,
            "container": container.name,
            # The storage does not know: it keeps keys and values.
            "created-at": 0,
            "size": len(content),
        }

    @operation("[method]container.clear", needs=_CLEAR)
    async def clear(self, call: Call, container: Container) -> None:
        with _AS_ERRORS:
            await self.kept.clear(call, container.name, mark=False)

    @operation("[method]stream-object-names.read-stream-object-names", needs=_LIST)
    async def read_names(
        self, call: Call, names: ObjectNames, length: int
    ) -> tuple[list[str], bool]:
        with _AS_ERRORS:
            return await self._go_on(call, names, length)

    @operation("[method]stream-object-names.skip-stream-object-names", needs=_LIST)
    async def skip_names(
        self, call: Call, names: ObjectNames, number: int
    ) -> tuple[int, bool]:
        skipped, ended = 0, False
        with _AS_ERRORS:
            while not ended:
                passed, ended = await self._go_on(call, names, number - skipped)
                skipped += len(passed)
                if skipped == number:
                    break
        return skipped, ended

    async def _go_on(
        self, call: Call, names: ObjectNames, most: int
    ) -> tuple[list[str], bool]:
        """Return some names, and whether they are the last."""
        page = await self.kept.page(call, names.container, names.last)
        taken = page[: min(most, MOST_NAMES)]
        if taken:
            names.last = taken[-1]
        if len(taken) < len(page):
            return taken, False
        # It is a whole page: whether it is the last shows only behind it.
        ended = not page or not await self.kept.page(call, names.container, names.last)
        return taken, ended

    async def _content(self, call: Call, container: str, name: str) -> bytes:
        content = await self.kept.get(call, container, name)
        if content is None:
            raise WitError(f"there is no object {name[:80]!r}")
        return content


@define(eq=False)
class BlobstoreOperations:
    """The operations of ``wasi:blobstore/blobstore``."""

    interface: ClassVar[str] = "wasi:blobstore/blobstore@0.2.0-draft"
    outside: Outside

    @property
    def kept(self) -> Kept:
        """What keeps the objects."""
        return self.outside.kept

    @operation(needs=_MAKE)
    async def create_container(self, call: Call, name: str) -> Container:
        now = str(context_of(call).clock.wall() // _SECOND).encode()
        with _AS_ERRORS:
            if not await self.kept.make(call, name, now):
                raise WitError(f"there is a container {name[:80]!r} already")
        return Container(name)

    @operation(needs=_ANY)
    async def get_container(self, call: Call, name: str) -> Container:
        with _AS_ERRORS:
            await self._check_there(call, name)
        return Container(name)

    @operation(needs=_CLEAR)
    async def delete_container(self, call: Call, name: str) -> None:
        with _AS_ERRORS:
            await self._check_there(call, name)
            await self.kept.clear(call, name, mark=True)

    @operation(needs=_ANY)
    async def container_exists(self, call: Call, name: str) -> bool:
        with _AS_ERRORS:
            return await self.kept.is_there(call, name)

    @operation(
        needs=Inside(
            ("storage.read", "storage.write"), "to read the one, and to write the other"
        )
    )
    async def copy_object(self, call: Call, src: Any, dest: Any) -> None:
        with _AS_ERRORS:
            await self._copy(call, src, dest)

    @operation(
        needs=Inside(
            ("storage.read", "storage.delete", "storage.write"),
            "to read and to delete the one, and to write the other",
        )
    )
    async def move_object(self, call: Call, src: Any, dest: Any) -> None:
        with _AS_ERRORS:
            self.kept.check(call, src.container, src.object, "delete")
            await self._copy(call, src, dest)
            if (src.container, src.object) != (dest.container, dest.object):
                await self.kept.delete_many(call, src.container, [src.object])

    async def _copy(self, call: Call, src: Any, dest: Any) -> None:
        self.kept.check(call, dest.container, dest.object, "write")
        content = await self.kept.get(call, src.container, src.object)
        if content is None:
            raise WitError(f"there is no object {src.object[:80]!r}")
        await self._check_there(call, dest.container)
        await self.kept.set_many(call, dest.container, [(dest.object, content)])

    async def _check_there(self, call: Call, name: str) -> None:
        if not await self.kept.is_there(call, name):
            raise WitError(f"there is no container {name[:80]!r}")


def _seconds(made: bytes | None) -> int:
    """Return when a container was made; 0 where that is not known."""
    digits = made or b""
    return int(digits) if _SECONDS.fullmatch(digits) else 0
