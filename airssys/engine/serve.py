"""Run the host functions that a guest calls, between two polls of its fibre."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from inspect import isawaitable
from types import CoroutineType
from typing import Final, cast

from ..core.errors import ValuesTooLarge, WitError
from ..hostcalls.call import Call
from ..hostcalls.interface import Guard
from .aside import aside
from .fiber import Pace, Store
from .large import LargeValues
from .link import Linked
from .resource import Resources
from .values.pieces import PIECE, Held

__all__ = ("HostCalls",)

_READY: Final = frozenset((type(None), bool, int, float, str, bytes, list, tuple, dict))
"""What is known to be no awaitable without a look, which takes a while."""


class HostCalls:
    """The host's side of one instance: what it may call, behind which guard, as whom.

    Attributes:
        count: How many host functions were called so far.
    """

    __slots__ = (
        "_called",
        "_caller",
        "_functions",
        "_guard",
        "_large",
        "_pace",
        "count",
    )

    def __init__(
        self,
        functions: Sequence[Linked],
        guard: Guard,
        caller: Call,
        pace: Pace,
        large: LargeValues,
    ) -> None:
        self._functions = functions
        self._guard = guard
        self._caller = caller
        self._pace = pace
        self._large = large
        self._called: dict[int, Call] = {}
        self.count: int = 0

    async def serve(self, store: Store, handles: Resources) -> bool:
        """Run the host function that the guest called, and lower its result.

        Returns:
            Whether it was much: then wasmtime takes long to go on with it.

        This is the caller's own task, with its stack and its context. The result must
        be in its place before the fibre is polled again: the guest goes on with it.
        """
        assert store.pending is not None
        index, values, results = store.pending
        linked = self._functions[index]
        signature = linked.signature
        if handles.dropped:
            handles.destroy()
        self.count += 1
        call = self._called.get(index)
        if call is None:
            call = self._called[index] = linked.call(self._caller)
        # A guest that calls the host in a loop must not keep the event loop. Not after
        # the call: a cancel would lose a resource that the host has just made.
        if store.others_ran or self._pace.is_due():
            await self._pace.step()
        # Functions of our own cancel nothing, but others may while one waits.
        store.others_ran = not linked.function.needed
        try:
            if isinstance(values, Held):
                store.others_ran = True
                values = await self._lifted(linked, values, store, handles)
            value = self._guard(linked.function, call, values)
            kind = type(value)
            if kind is CoroutineType or (kind not in _READY and isawaitable(value)):
                store.others_ran = True
                value = await cast("Awaitable[object]", value)
            much = bool(signature.hefts) and signature.heft(value, PIECE) > PIECE
            if much:
                store.others_ran = True
                await self._lower_much(linked, value, results, handles)
        except WitError as error:
            if not signature.fallible:
                raise
            much = False
            signature.lower_error(error.value, results, handles)
        else:
            if not much:
                signature.lower(value, results, handles)
        store.answered()
        return much

    async def _lower_much(
        self, linked: Linked, value: object, results: int, handles: Resources
    ) -> None:
        """Lower a result that takes long, which a thread does.

        Raises:
            WitError: It is too large, and the function can say so to the guest.
            ValuesTooLarge: It is too large.
        """
        signature, most = linked.signature, self._large.limits.values

        def lower() -> None:
            if signature.heft(value, most) > most:
                raise self._large.too_large(linked.name, "result")
            signature.lower(value, results, handles)

        try:
            await aside(lower, lambda _: None, threads=self._pace.threads)
        except ValuesTooLarge as error:
            if (told := _told(linked, error)) is None:
                raise
            raise told from error

    async def _lifted(
        self, linked: Linked, held: Held, store: Store, handles: Resources
    ) -> list[object]:
        """Lift large arguments in pieces.

        Raises:
            WitError: They are too large, and the function can say so to the guest.
            ValuesTooLarge: They are too large.
            OutOfFuel: They cost more fuel than the call has.
        """
        signature, name = linked.signature, linked.name
        try:
            with self._large.lifting(store, held, name, "arguments") as meter:
                return await signature.lift_in_pieces(held, handles, meter)
        except ValuesTooLarge as error:
            told = _told(linked, error)
            if told is None or signature.has_handles:
                raise  # handles that were given away would be lost
            raise told from error


def _told(linked: Linked, error: ValuesTooLarge) -> WitError | None:
    """Return what tells the guest, if the function has a way to."""
    signature, denied = linked.signature, linked.function.denied
    if not signature.fallible:
        return None
    if denied is not None:
        return WitError(denied(str(error)))
    return WitError(str(error)) if signature.says_text else None
