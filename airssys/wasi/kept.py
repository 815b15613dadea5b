"""Keep what guests store by WASI's interfaces, over the storage that is airssys's own.

A guest's buckets and containers are folders of its component's namespace: ``a`` of the
bucket ``users`` is the key ``users/a``, to grants, quotas and ``airssys:core/storage``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator, Sequence
from functools import partial
from typing import Final, Literal, TypeAlias

from attrs import define, evolve, frozen

from ..core.defaults import LISTED
from ..core.errors import QuotaExceeded
from ..core.grants.capabilities import Storage as Needed
from ..core.grants.grants import Grants
from ..host.shelves import Shelves
from ..hostcalls.call import Call
from ..hostcalls.gate import Gate
from ..hostcalls.pieces import in_pieces
from ..storage import keys
from .spelled import spelled, spelled_name, unspelled

__all__ = ("DEFAULT", "Action", "BadKey", "Kept", "NotGranted")

DEFAULT: Final = "default"
"""The folder that is meant where a guest gives no name."""
_MARK: Final = "%container"
"""What is in a folder though it is empty. No text is spelled so, so no guest has it."""
Action: TypeAlias = Literal["read", "write", "delete"]
_ACTIONS: Final[tuple[Action, ...]] = ("read", "write", "delete")
_Write: TypeAlias = Callable[[], Awaitable[bool]]


@define(eq=False)
class NotGranted(Exception):
    """The caller may not; there was an event."""

    words: str

    def __str__(self) -> str:
        return self.words


@define(eq=False)
class BadKey(Exception):
    """What the guest calls a key or a folder cannot be one; there was an event."""

    words: str

    def __str__(self) -> str:
        return self.words


@frozen
class _Asked:
    """What a call needs, and by which grants it had it."""

    needs: tuple[Needed, ...]
    grants: Grants
    shown: str
    """As of `Gate.allowed`."""


@define(eq=False)
class Kept:
    """Keys and values in folders, each access checked before and after its waits.

    Every method can raise `NotGranted`, `BadKey` and `StorageError`, and what writes
    `QuotaExceeded`.
    """

    gate: Gate
    shelves: Shelves

    def check_reach(self, call: Call, folder: str) -> None:
        """Refuse a folder of which the caller may have nothing at all.

        Whether there is anything in it makes no difference.
        """
        start = keys.target(f"{self._folder(call, folder)}/")
        if not any(self._reaches(call, action, start) for action in _ACTIONS):
            self._deny(call, Needed("read", f"{start}**"))

    def check(self, call: Call, folder: str, key: str, *actions: Action) -> None:
        """Refuse to do something later with a key that would be refused now."""
        self._ask(call, [self._place(call, folder, key)], *actions)

    async def make(self, call: Call, folder: str, content: bytes) -> bool:
        """Mark that a folder is there, and tell whether it was not before.

        Needs to write to it.
        """
        place = f"{self._folder(call, folder)}/{_MARK}"
        asked = self._ask(call, [place], "write")
        if await self.is_there(call, folder):
            return False
        await self._set(call, asked, place, content)
        return True

    async def is_there(self, call: Call, folder: str) -> bool:
        """Tell whether a folder is marked, or holds a key. Needs to reach into it."""
        self.check_reach(call, folder)
        found = await self.shelves.store.keys(
            call.namespace, f"{self._folder(call, folder)}/", most=1
        )
        self.check_reach(call, folder)
        return bool(found)

    async def mark(self, call: Call, folder: str) -> bytes | None:
        """Return what a folder is marked with. Needs to reach into it."""
        self.check_reach(call, folder)
        place = f"{self._folder(call, folder)}/{_MARK}"
        content = await self.shelves.store.get(call.namespace, place)
        self.check_reach(call, folder)
        return content

    async def clear(self, call: Call, folder: str, *, mark: bool) -> None:
        """Remove all that is in a folder. Needs to delete each key.

        Args:
            call: Who clears it.
            folder: Which.
            mark: Whether that it is there is forgotten too.
        """
        prefix = f"{self._folder(call, folder)}/"
        last = ""
        while True:
            found = await self.shelves.store.keys(
                call.namespace, prefix, after=last, most=LISTED
            )
            for place in found:
                if mark or place != f"{prefix}{_MARK}":
                    # By the folder's name: it may not know of the key.
                    asked = self._ask(call, [place], "delete", shown=prefix)
                    await self.shelves.remove(
                        call, place, partial(self._still, call, asked)
                    )
            if len(found) < LISTED:
                return
            last = found[-1]

    async def get(self, call: Call, folder: str, key: str) -> bytes | None:
        """Return a value; None where there is none. Needs to read it."""
        place = self._place(call, folder, key)
        asked = self._ask(call, [place], "read")
        value = await self.shelves.store.get(call.namespace, place)
        self._still(call, asked)
        return value

    async def get_many(
        self, call: Call, folder: str, names: Sequence[str], most: int
    ) -> list[bytes | None]:
        """Return values, as `get` does, of so many bytes together at the most.

        Raises:
            BadKey: They are more.
        """
        places = await self._places(call, folder, names)
        asked = await self._ask_each(call, places, "read")
        values: list[bytes | None] = []
        for place in places:
            value = await self.shelves.store.get(call.namespace, place)
            most -= len(value or b"")
            if most < 0:
                raise self._bad(call, "read so much", "that is more than fits together")
            values.append(value)
        for each in asked:
            self._still(call, each)
        return values

    async def exists(self, call: Call, folder: str, key: str) -> bool:
        """Tell whether there is a value. Needs to read it."""
        place = self._place(call, folder, key)
        asked = self._ask(call, [place], "read")
        found = await self.shelves.store.exists(call.namespace, place)
        self._still(call, asked)
        return found

    async def set_many(
        self, call: Call, folder: str, values: Sequence[tuple[str, bytes]]
    ) -> None:
        """Write values, one after the other. Needs to write each of them."""
        places = await self._places(call, folder, [key for key, _ in values])
        asked = await self._ask_each(call, places, "write")
        for place, each, (_, value) in zip(places, asked, values, strict=True):
            await self._set(call, each, place, value)

    async def delete_many(self, call: Call, folder: str, names: Sequence[str]) -> int:
        """Remove values, and tell how many there were. Needs to delete each of them."""
        places = await self._places(call, folder, names)
        asked = await self._ask_each(call, places, "delete")
        removed = 0
        for place, each in zip(places, asked, strict=True):
            removed += await self.shelves.remove(
                call, place, partial(self._still, call, each)
            )
        return removed

    async def swap(
        self, call: Call, folder: str, key: str, before: bytes | None, value: bytes
    ) -> bool:
        """Write a value if another one is there, and tell whether it was.

        Needs to read and to write it.
        """
        place = self._place(call, folder, key)
        asked = self._ask(call, [place], "read", "write")
        store = self.shelves.store

        async def write() -> bool:
            self._still(call, asked)
            return await store.compare_and_set(call.namespace, place, before, value)

        found = await store.get(call.namespace, place)
        done = found == before and await self._put(call, place, value, write)
        self._still(call, asked)
        return done

    def check_list(self, call: Call, folder: str) -> None:
        """Refuse to list a folder of which the caller may read nothing."""
        self._may_list(call, f"{self._folder(call, folder)}/")

    async def page(
        self, call: Call, folder: str, after: str | None = None
    ) -> list[str]:
        """Return keys that the caller may read, up to a thousand, in their order.

        No key is told of that it may not read. An empty page is the last.

        Args:
            call: Who asks.
            folder: Where.
            after: The last key of the page before; None: the first page.
        """
        prefix = f"{self._folder(call, folder)}/"
        last = "" if after is None else self._place(call, folder, after)
        while True:
            self._may_list(call, prefix)
            found = await self.shelves.store.keys(
                call.namespace, prefix, after=last, most=LISTED
            )
            readable = await self._readable(call, prefix, found)
            if readable or len(found) < LISTED:
                return readable
            last = found[-1]

    def _folder(self, call: Call, folder: str) -> str:
        try:
            # Before it is spelled: that takes long for megabytes.
            keys.check_length(folder)
            name = spelled_name(folder or DEFAULT)
            keys.check_key(name)
        except ValueError as error:
            raise self._bad(call, "use that name", str(error)) from error
        return name

    def _place(self, call: Call, folder: str, key: str) -> str:
        """Return the key of the namespace."""
        within = self._folder(call, folder)
        try:
            keys.check_length(key)
            place = f"{within}/{spelled(key)}"
            keys.check_key(place)
        except ValueError as error:
            raise self._bad(call, "use that key", str(error)) from error
        return place

    async def _places(self, call: Call, folder: str, names: Sequence[str]) -> list[str]:
        """Return many keys of the namespace: to spell odd ones takes its time."""

        def placed() -> Generator[int, None, list[str]]:
            places = []
            for key in names:
                yield 1
                places.append(self._place(call, folder, key))
            return places

        return await in_pieces(placed())

    def _bad(self, call: Call, attempt: str, reason: str) -> BadKey:
        self.gate.refused(call, attempt, reason)
        return BadKey(reason)

    def _ask(
        self, call: Call, places: Sequence[str], *actions: Action, shown: str = ""
    ) -> _Asked:
        """Check that the caller may, with an event of each."""
        needs = [Needed(each, keys.target(p)) for p in places for each in actions]
        for need in needs:
            if problem := self.gate.allowed(call, need, shown):
                raise NotGranted(problem)
        return _Asked(tuple(needs), call.grants, shown)

    async def _ask_each(
        self, call: Call, places: Sequence[str], action: Action
    ) -> list[_Asked]:
        """Check that the caller may do something with each of many keys, as `_ask`."""

        def asked() -> Generator[int, None, list[_Asked]]:
            # What changes meanwhile shows when each is used.
            before = call.grants
            found = []
            for place in places:
                yield 1
                one = self._ask(call, [place], action)
                found.append(evolve(one, grants=before))
            return found

        return await in_pieces(asked())

    def _still(self, call: Call, asked: _Asked) -> None:
        """Check again after a wait: meanwhile a grant may be gone."""
        if call.grants is asked.grants and not asked.grants.expires:
            return
        for need in asked.needs:
            if self.gate.judge(call, need) is not None:
                self._deny(call, need, asked.shown)

    def _deny(self, call: Call, need: Needed, shown: str = "") -> None:
        denial = self.gate.judge(call, need)
        assert denial is not None, "no grant reaches it, so none covers it"
        self.gate.report(call, denial, shown)
        raise NotGranted(self.gate.words(denial, shown))

    def _reaches(self, call: Call, action: Action, start: str) -> bool:
        grants = call.grants
        holds = grants.holds("storage", self.gate.clock())
        return holds and grants.reach("storage", action, start)

    def _may_list(self, call: Call, prefix: str) -> None:
        start = keys.target(prefix)
        if not self._reaches(call, "read", start):
            self._deny(call, Needed("read", f"{start}**"))

    async def _readable(
        self, call: Call, prefix: str, found: Sequence[str]
    ) -> list[str]:
        """Return those of some keys that the caller may read, as it wrote them."""
        while True:
            self._may_list(call, prefix)
            before = call.grants
            readable = await in_pieces(self._judged(call, prefix, found))
            if call.grants is before:
                return readable

    def _judged(
        self, call: Call, prefix: str, found: Sequence[str]
    ) -> Generator[int, None, list[str]]:
        readable: list[str] = []
        for place in found:
            yield len(place)
            key = unspelled(place.removeprefix(prefix))
            need = Needed("read", keys.target(place))
            if key is not None and self.gate.judge(call, need) is None:
                readable.append(key)
        return readable

    async def _set(self, call: Call, asked: _Asked, place: str, value: bytes) -> None:
        async def write() -> bool:
            self._still(call, asked)
            await self.shelves.store.set(call.namespace, place, value)
            return True

        await self._put(call, place, value, write)

    async def _put(self, call: Call, place: str, value: bytes, write: _Write) -> bool:
        try:
            return await self.shelves.put(call, place, value, write)
        except QuotaExceeded as error:
            attempt = f"write key {keys.target(place)!r}"
            self.gate.refused(call, attempt, str(error))
            raise
