"""Let guests keep keys and values of their own: ``airssys:core/storage``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import ClassVar, Final
from weakref import WeakKeyDictionary

import anyio
from attrs import define, field

from ..core.budget import Budget
from ..core.defaults import LISTED
from ..core.errors import QuotaExceeded, StorageError, WitError
from ..core.grants.capabilities import Storage as Needed
from ..core.grants.grants import Grants
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, Inside, Requires, interface_of, operation
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface
from ..hostcalls.pieces import in_pieces
from ..storage import keys
from ..storage.protocol import Storage
from ..witmodel.types import Variant
from .errors import as_wit_errors, denied

__all__ = ("MOST_LISTED", "STORAGE", "StorageOperations", "storage_interface")

STORAGE: Final = "airssys:core/storage@1.0.0"
MOST_LISTED: Final = 10_000
"""Keys that one call lists at the most."""
_AS_WIT_ERRORS: Final = as_wit_errors(
    lambda error: Variant("io-error", error.reason), StorageError
)


def storage_interface(store: Storage, gate: Gate) -> HostInterface:
    """Return the interface for all components of a system.

    Each component has a namespace of its own, by its name or as the host says: its
    actors share it, and find it again after a restart. What is in it counts towards the
    quota of who wrote it, and no component stores more than its quota, however many its
    actors are.

    Args:
        store: Where it is kept.
        gate: Checks what shows only inside.
    """
    return interface_of(StorageOperations(store, gate), denied=denied)


@define(eq=False)
class StorageOperations:
    """The operations of ``airssys:core/storage``."""

    interface: ClassVar[str] = STORAGE
    store: Storage
    gate: Gate
    _shelves: dict[str, _Shelf] = field(factory=dict, init=False)

    @operation(needs=Requires("storage.read", keys.target))
    async def get(self, call: Call, key: str) -> bytes | None:
        self._check_key(call, key)
        with _AS_WIT_ERRORS:
            return await self.store.get(call.namespace, key)

    @operation(needs=Requires("storage.write", lambda key, _: keys.target(key)))
    async def set_(self, call: Call, key: str, value: bytes) -> None:
        async def write() -> bool:
            self._still(call, Needed("write", keys.target(key)))
            await self.store.set(call.namespace, key, value)
            return True

        self._check_key(call, key)
        with _AS_WIT_ERRORS:
            await self._put(call, key, value, write)

    @operation(needs=Requires("storage.delete", keys.target))
    async def delete(self, call: Call, key: str) -> None:
        self._check_key(call, key)
        with _AS_WIT_ERRORS:
            shelf = self._shelf(call)
            async with shelf.lock:
                before = await self.store.get(call.namespace, key)
                self._still(call, Needed("delete", keys.target(key)))
                if before is None or not await self.store.delete(call.namespace, key):
                    raise WitError(Variant("not-found", f"there is no key {key!r}"))
                shelf.release(call.budget, keys.cost(key, len(before)))

    @operation(needs=Requires("storage.read", keys.target))
    async def exists(self, call: Call, key: str) -> bool:
        self._check_key(call, key)
        with _AS_WIT_ERRORS:
            return await self.store.exists(call.namespace, key)

    @operation(
        needs=Inside(
            ("storage.read",),
            "for each key that is listed; refused where no grant reaches below the "
            "prefix",
        )
    )
    async def list_keys(self, call: Call, prefix: str | None) -> list[str]:
        start = prefix or ""
        try:
            keys.check_prefix(start)
        except ValueError as error:
            self.gate.refused(call, "list keys with that prefix", str(error))
            raise WitError(Variant("invalid-key", str(error))) from error
        self._may_list(call, start)
        with _AS_WIT_ERRORS:
            return await self._listed(call, start)

    def _may_list(self, call: Call, start: str) -> None:
        grants = call.grants
        if not (
            grants.holds("storage", self.gate.clock())
            and grants.reach("storage", "read", keys.target(start))
        ):
            # The denial must not show whether there are such keys.
            denial = self.gate.judge(call, Needed("read", keys.target(f"{start}**")))
            assert denial is not None, "no grant reaches it, so none covers it"
            self.gate.report(call, denial)
            raise WitError(denied(self.gate.words(denial)))

    def _still(self, call: Call, *needs: Needed) -> None:
        """Let a call go on, after a wait, that was granted something before it."""
        for need in needs:
            if self.gate.judge(call, need) is not None:
                raise WitError(denied(self.gate.allowed(call, need)))

    @operation(needs=Free("tells only how much the caller itself stores"))
    async def usage(self, call: Call) -> dict[str, int | None]:
        with _AS_WIT_ERRORS:
            stored = await self.store.usage(call.namespace)
        return {
            "used_bytes": stored.bytes,
            "quota_bytes": call.budget.limit("storage") if call.budget else None,
            "key_count": stored.keys,
        }

    @operation(needs=Inside(("storage.read", "storage.write"), "both on the key"))
    async def compare_and_set(
        self, call: Call, key: str, expected: bytes | None, value: bytes
    ) -> bool:
        needs = Needed("read", keys.target(key)), Needed("write", keys.target(key))

        async def write() -> bool:
            self._still(call, *needs)
            return await self.store.compare_and_set(
                call.namespace, key, expected, value
            )

        for need in needs:
            if problem := self.gate.allowed(call, need):
                raise WitError(denied(problem))
        self._check_key(call, key)
        with _AS_WIT_ERRORS:
            found = await self.store.get(call.namespace, key)
            done = found == expected and await self._put(call, key, value, write)
        self._still(call, *needs)
        return done

    async def _listed(self, call: Call, prefix: str) -> list[str]:
        """Return the keys that begin so and that the caller may read."""
        listed: list[str] = []
        last, before = "", call.grants
        while True:
            page = await self.store.keys(
                call.namespace, prefix, after=last, most=LISTED
            )
            if call.grants is not before or before.expires:
                before, listed = await self._again(call, prefix, listed)
            if not page:
                return listed
            last = page[-1]
            listed += await in_pieces(self._readable(call, page))
            if len(listed) > MOST_LISTED:
                reason = f"there are more than {MOST_LISTED:_} keys: ask by prefix"
                raise WitError(Variant("quota-exceeded", reason))

    async def _again(
        self, call: Call, prefix: str, listed: list[str]
    ) -> tuple[Grants, list[str]]:
        """Return by which grants some keys may be read, and which of them."""
        while True:
            before = call.grants
            self._may_list(call, prefix)
            listed = await in_pieces(self._readable(call, listed))
            if call.grants is before:
                return before, listed

    def _readable(
        self, call: Call, found: list[str]
    ) -> Generator[int, None, list[str]]:
        """Return those of some keys that the caller may read, in pieces."""
        readable = []
        for key in found:
            yield len(key)
            if self._may_read(call, key):
                readable.append(key)
        return readable

    def _may_read(self, call: Call, key: str) -> bool:
        return self.gate.judge(call, Needed("read", keys.target(key))) is None

    def _check_key(self, call: Call, key: str) -> None:
        """Refuse what cannot be a key, and tell of it."""
        try:
            keys.check_key(key)
        except ValueError as error:
            self.gate.refused(call, "use that key", str(error))
            raise WitError(Variant("invalid-key", str(error))) from error

    async def _put(
        self, call: Call, key: str, value: bytes, write: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Write a value, once its bytes are held; give them back where it fails."""
        shelf = self._shelf(call)
        budget = call.budget
        async with shelf.lock:
            before = await self.store.get(call.namespace, key)
            growth = keys.cost(key, len(value))
            if before is not None:
                growth -= keys.cost(key, len(before))
            used = (await self.store.usage(call.namespace)).bytes
            try:
                shelf.settle(budget, used, growth)
            except QuotaExceeded as error:
                self.gate.refused(call, f"write key {keys.target(key)!r}", str(error))
                raise WitError(Variant("quota-exceeded", str(error))) from error
            done = False
            try:
                done = await write()
            finally:
                # After a failure release what was held for the write; after a success
                # what the old value took and the new one does not.
                shelf.release(budget, -growth if done else growth)
        return done

    def _shelf(self, call: Call) -> _Shelf:
        return self._shelves.setdefault(call.namespace, _Shelf())


@define(eq=False)
class _Shelf:
    """A component's namespace: what is under way in it, and who holds its bytes."""

    lock: anyio.Lock = field(factory=anyio.Lock)
    held: WeakKeyDictionary[Budget, int] = field(factory=WeakKeyDictionary)

    def settle(self, budget: Budget | None, used: int, growth: int) -> None:
        """Hold what a write adds, and what nobody holds: what an ended actor left.

        Args:
            budget: Of who writes.
            used: Bytes in the namespace.
            growth: Bytes that the write adds; one that adds none is let through.

        Raises:
            QuotaExceeded: There is not so much left; nothing more is held.
        """
        for each, amount in list(self.held.items()):
            # A budget that was closed holds nothing any more, though it may be around.
            self.held[each] = min(amount, each.held("storage"))
        owed = used - sum(self.held.values())
        if owed < 0:
            self.release(budget, -owed)
        if budget is None or growth <= 0:
            return
        limit = budget.limit("storage")
        if limit is not None and used + growth > limit:
            raise QuotaExceeded(
                f"actor {budget.owner!r}",
                "quota of storage",
                f"{limit:_}",
                f"{used:_} in use, {growth:_} more wanted",
            )
        more = max(owed, 0) + growth
        budget.hold("storage", more)
        self.held[budget] = self.held.get(budget, 0) + more

    def release(self, budget: Budget | None, amount: int) -> None:
        """Give back bytes: those of who acts first, then others'; none below zero."""
        holders = list(self.held)
        if budget in holders:
            holders.remove(budget)
            holders.insert(0, budget)
        for holder in holders:
            if amount <= 0:
                return
            part = min(amount, self.held[holder])
            holder.release("storage", part)
            self.held[holder] -= part
            amount -= part
