"""Run the host functions that a guest calls, between two polls of its fibre."""

from __future__ import annotations

from collections.abc import Sequence
from inspect import isawaitable
from types import CoroutineType

from ..core.errors import ValuesTooLarge, WitError
from ..hostcalls.call import Call
from ..hostcalls.interface import Guard
from .fiber import Pace, Store
from .large import LargeValues
from .link import Linked
from .resource import Resources
from .values.pieces import Held

__all__ = ("HostCalls",)


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

    async def serve(self, store: Store, handles: Resources) -> None:
        """Run the host function that the guest called, and lower its result.

        This is the caller's own task, with its stack and its context. The result must
        be in its place before the fibre is polled again: the guest goes on with it.
        """
        assert store.pending is not None
        index, values, results = store.pending
        linked = self._functions[index]
        if handles.dropped:
            handles.destroy()
        self.count += 1
        call = self._called.get(index)
        if call is None:
            call = self._called[index] = linked.call(self._caller)
        # A guest that calls the host in a loop must not keep the event loop. Not after
        # the call: a cancel would lose a resource that the host has just made.
        await self._pace.step()
        try:
            if isinstance(values, Held):
                values = await self._lifted(linked, values, store, handles)
            value = self._guard(linked.function, call, values)
            if type(value) is CoroutineType or isawaitable(value):
                value = await value
        except WitError as error:
            if not linked.signature.fallible:
                raise
            linked.signature.lower_error(error.value, results, handles)
        else:
            linked.signature.lower(value, results, handles)
        store.answered()

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
            words = str(error)
            denied = linked.function.denied
            if not signature.fallible or signature.has_handles:
                raise  # handles that were given away would be lost
            if denied is not None:
                raise WitError(denied(words)) from error
            if signature.says_text:
                raise WitError(words) from error
            raise
