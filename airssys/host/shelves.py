"""Keep what components write within their quotas, whichever interface they use."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

import anyio
from attrs import define, field

from ..core.budget import Budget
from ..core.errors import QuotaExceeded
from ..hostcalls.call import Call
from ..storage import keys
from ..storage.protocol import Storage

__all__ = ("Shelves",)


@define(eq=False)
class Shelves:
    """A `Storage`, and whose quota holds which of its bytes.

    What is in a component's namespace counts towards the quota of who wrote it, and no
    component stores more than its quota, however many its actors are. There is one of
    these for a `Storage`: what is written past it nobody's quota holds.
    """

    store: Storage
    _shelves: dict[str, _Shelf] = field(factory=dict, init=False)

    async def put(
        self, call: Call, key: str, value: bytes, write: Callable[[], Awaitable[bool]]
    ) -> bool:
        """Write a value, once its bytes are held; give them back where it fails.

        Args:
            call: Who writes.
            key: Where.
            value: What.
            write: Does so, and tells whether it was done.

        Raises:
            QuotaExceeded: There is no room for it in a quota; nothing was written.
        """
        shelf = self._shelf(call)
        budget = call.budget
        async with shelf.alone():
            before = await self.store.get(call.namespace, key)
            growth = keys.cost(key, len(value))
            if before is not None:
                growth -= keys.cost(key, len(before))
            used = (await self.store.usage(call.namespace)).bytes
            shelf.settle(budget, used, growth)
            done = False
            try:
                done = await write()
            finally:
                # After a failure release what was held for the write; after a success
                # what the old value took and the new one does not.
                shelf.release(budget, -growth if done else growth)
        return done

    async def remove(self, call: Call, key: str, still: Callable[[], object]) -> bool:
        """Remove a value, and tell whether there was one.

        Args:
            call: Who removes it.
            key: Where it is.
            still: Called right before; raises where it must not be removed after all.
        """
        shelf = self._shelf(call)
        async with shelf.alone():
            before = await self.store.get(call.namespace, key)
            still()
            if before is None or not await self.store.delete(call.namespace, key):
                return False
            shelf.release(call.budget, keys.cost(key, len(before)))
            return True

    def _shelf(self, call: Call) -> _Shelf:
        return self._shelves.setdefault(call.namespace, _Shelf())


@define(eq=False)
class _Shelf:
    """A component's namespace: what is under way in it, and who holds its bytes."""

    held: WeakKeyDictionary[Budget, int] = field(factory=WeakKeyDictionary)
    _lock: anyio.Lock | None = None
    _waiting: int = 0

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Let nobody else write meanwhile."""
        # A lock is one of its event loop's, and the shelves may see several.
        if self._lock is None:
            self._lock = anyio.Lock()
        self._waiting += 1
        try:
            async with self._lock:
                yield
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._lock = None

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
