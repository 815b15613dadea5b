"""Call a component: one instance, its store, its limits and its host functions."""

from __future__ import annotations

import ctypes
import weakref
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

import anyio

from ..core.errors import (
    InstanceBusy,
    InstanceClosed,
    OutOfComputing,
    Overtime,
    WitError,
)
from ..core.limits import Limits, Usage
from ..hostcalls.call import Call
from ..hostcalls.interface import Guard
from . import _ffi
from .aside import aside
from .fiber import Fiber, Pace, Store, TooMuch
from .lane import SET_LIMITS, Bounds
from .large import LargeValues
from .link import Link
from .origin import Exports, Origin, SharedEngine
from .resource import Resources
from .serve import HostCalls
from .signature import LATER, ExportSignature, Frame
from .trap import failure
from .values.pieces import PIECE, Held

__all__ = ("Instance",)

_Raw = ctypes.c_uint64 * 3
"""A C instance, and the error of making it."""
_INSTANTIATE: Final = "instantiate"


class Instance:
    """A component at work: its own memory, its own limits, one call at a time.

    Made by `Component.instantiate`. A trap, a limit or a cancel ends the instance, as
    the component model rules: what it was doing cannot be undone.
    """

    __slots__ = (
        *("__weakref__", "_bounds", "_calls", "_engine", "_fuel", "_funcs"),
        *("_handles", "_host_calls", "_large_values", "_link", "_mappings"),
        *("_pace", "_raw", "_raw_at", "_running", "_sharing", "_source"),
        *("_store", "_threaded", "_why", "component", "limits"),
    )

    def __init__(
        self,
        component: Origin,
        link: Link,
        limits: Limits,
        call: Call,
        guard: Guard,
    ) -> None:
        self.component: Origin = component
        self.limits: Limits = limits
        self._source: Exports = component
        """Knows how to call the exported functions."""
        self._link = link
        engine = component.engine
        self._engine: SharedEngine = engine
        self._pace: Pace = engine.pace.begin()
        self._large_values = LargeValues(component.name, limits)
        self._host_calls = HostCalls(
            link.functions, guard, call, self._pace, self._large_values
        )
        bounds = Bounds.of(limits, engine.slicing.on_the_loop)
        self._bounds = bounds if component.counts and bounds != Bounds() else None
        """What the guest's code is still to be told."""
        self._why = ""
        self._running: str | None = None
        self._calls = 0
        self._fuel = 0
        self._threaded = 0.0
        self._funcs: dict[str, tuple[ExportSignature, Any, int]] = {}
        self._raw = _Raw()
        self._raw_at = ctypes.addressof(self._raw)
        self._mappings = component.mappings
        """What the instance gives back to the ceiling; 0 where that is not known."""
        added = component.added
        self._sharing = component.needs.sharing(limits, added.memories)
        """How many memories share what there is."""
        # First of all: where the system has no mapping left, wasmtime aborts.
        engine.ceiling.admit(component.name, component.mappings)
        self._store: Store | None = (store := Store(component.engine_pointer))
        self._handles = Resources(
            component.name, store.context, link.lifts, link.resources, weakref.ref(self)
        )
        store.host = self._handles
        _ffi.store_limiter(
            store.pointer,
            limits.share(self._sharing),
            limits.table_elements,
            limits.instances + added.instances,
            limits.tables,
            limits.memories + added.memories,
        )

    def __repr__(self) -> str:
        return f"<Instance of {self.component.name!r}: {self._why or 'alive'}>"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or self._running is not None:
            self.close()
        else:
            self._end("closed", error)

    def __del__(self) -> None:
        # A call that was abandoned with its instance, in one cycle of garbage, may be
        # finalized later than this: it still needs the store, and ends the instance.
        if getattr(self, "_store", None) is not None and self._running is None:
            self._end("closed")

    @property
    def alive(self) -> bool:
        """Whether the instance can still be called."""
        return self._store is not None

    @property
    def usage(self) -> Usage:
        """What the instance has used so far; also after its end.

        ``memory`` is None: wasmtime's C API does not tell the size of memories inside
        a component.
        """
        store, fuel = self._store, self._fuel
        if store is not None:
            fuel = store.used if self._running is None else store.spent
        return Usage(
            fuel=fuel,
            calls=self._calls,
            host_calls=self._host_calls.count,
            threaded=self._threaded,
        )

    def close(self) -> None:
        """Free the instance. Does nothing when it is closed already.

        Raises:
            InstanceBusy: A call is under way; cancel it first.
        """
        if self._running is not None:
            raise InstanceBusy(self.component.name, "close", self._running)
        self._end("closed")

    def attach(self, bound: Exports) -> None:
        """Take and return the classes of typed bindings: see `Bound.attach`.

        Raises:
            ValueError: There are other bindings already.
        """
        if self._source not in (self.component, bound):
            raise ValueError(f"{self!r} has other bindings already")
        self._source = bound
        for export, (_, raw, func) in self._funcs.items():
            self._funcs[export] = (bound.function(export)[0], raw, func)

    async def call(self, export: str, *args: Any) -> Any:
        """Call an exported function and return its result.

        Args:
            export: A function of the world, such as ``add``, or of an exported
                interface, such as ``acme:calc/ops@1.0.0#mul``, whose version may be
                another that is compatible, and may be left out where there is but one.
            args: One Python value for each WIT parameter.

        Raises:
            MissingExport: There is no such function.
            ValueMismatch: An argument does not fit its WIT type.
            WitError: The function returned ``err``.
            GuestTrapped: The guest trapped.
            LimitExceeded: The call ran out of fuel, time or computing.
            InstanceClosed: The instance was closed, or an earlier call ended it.
            InstanceBusy: Another call of this instance is under way.

        Destructors of handles that were closed since the last call run first. Whatever
        a host function raises leaves from here unchanged.
        """
        await self._pace.step()
        if self._store is None:
            raise InstanceClosed(self.component.name, self._why)
        if self._running is not None:
            raise InstanceBusy(self.component.name, export, self._running)
        if self._handles.closing:
            await self.drop()
        signature, _, func = self._funcs.get(export) or await self._first(export)
        if signature.hefts and signature.heft(args, PIECE) > PIECE:
            return await self._call_with_much(export, signature, func, args)
        frame = signature.frame(args, self._handles)
        if self._running is not None:  # a call that an argument's own code began
            raise InstanceBusy(self.component.name, export, self._running)
        self._calls += 1
        return await self._invoke(export, signature, func, frame)

    async def _call_with_much(
        self,
        export: str,
        signature: ExportSignature,
        func: int,
        args: tuple[Any, ...],
    ) -> Any:
        """Call with arguments that take long to lower, which a thread does.

        Raises:
            ValuesTooLarge: They weigh more than the limit.
        """
        most = self.limits.values

        def lower() -> Frame:
            if signature.heft(args, most) > most:
                raise self._large_values.too_large(export, "arguments")
            return signature.frame(args, self._handles)

        self._running = export
        try:
            frame = await aside(lower, lambda _: None, threads=self._pace.threads)
        finally:
            self._running = None
        self._calls += 1
        # wasmtime makes values of its own of them, at once.
        begin = partial(_future, func, self._begin(export), signature, frame)
        try:
            future = await aside(begin, _ffi.future_delete, threads=self._pace.threads)
        except BaseException as error:
            self._end(f"{export!r} was cut off by {type(error).__name__}", error)
            raise
        return await self._invoke(export, signature, func, frame, future)

    async def drop(self) -> None:
        """Run the destructors of the guest's resources whose handles were closed.

        Each is a call with the limits of one. `call` does this too.

        Raises:
            As `call`.
        """
        handles = self._handles
        while handles.closing and self._store is not None:
            if self._running is not None:
                raise InstanceBusy(self.component.name, "drop", self._running)
            # There may be many, so each is a step like a call; one that is not taken
            # out yet stays for the next call where this is cancelled.
            self._running = "drop"
            try:
                await self._pace.step()
            finally:
                self._running = None
            handle = handles.closing.popleft()
            export = self.component.drop(handle.type)
            if export is None:
                handle.release()
                continue
            signature, _, func = self._funcs.get(export) or self._find(export)
            handles.dropping = handle
            frame = signature.frame((handle,), handles)
            handles.dropping = None
            await self._invoke(export, signature, func, frame)

    async def _invoke(
        self,
        export: str,
        signature: ExportSignature,
        func: int,
        frame: Frame,
        begun: int = 0,
    ) -> Any:
        """Go on with a call from the making of its future, or after it was begun."""
        try:
            future = begun or _future(func, self._begin(export), signature, frame)
            # Most calls are over at once, and need no Fiber. Nothing may come between
            # the making of a future and what deletes it but for a poll: whoever raises
            # here leaves a future behind, and `_abandon` can only leak the store.
            if signature.slow or self._link.slow or begun:
                await self._run(future, export, slow=True)
            elif _ffi.future_poll(future):
                _ffi.future_delete(future)
            else:
                await self._run(future, export)
        except BaseException:
            self._abandon(export)
            raise
        # The future is gone: from here on the frame may be read and used again.
        if error := frame.error:
            raise self._failed(error, export)
        self._running = None
        try:
            result = signature.result(frame, self._handles)
            if result is LATER:
                return await self._large(export, signature, signature.held(frame))
            return result
        finally:
            if self._handles.dropped:
                self._handles.destroy()

    async def _large(self, export: str, signature: ExportSignature, held: Held) -> Any:
        """Lift a large result in pieces; the call is under way until that is done."""
        self._running = export
        store, values = self._store, self._large_values
        assert store is not None
        try:
            with values.lifting(store, held, export, "result") as meter:
                result = await signature.result_in_pieces(held, self._handles, meter)
        except WitError:
            self._running = None
            raise
        except BaseException as error:
            self._end(f"{export!r} was cut off by {type(error).__name__}", error)
            raise
        self._running = None
        return result

    async def start(self) -> None:
        """Instantiate the component; its start functions run like a call."""
        try:
            future = _ffi.linker_instantiate_async(
                self._link.pointer,
                self._begin(_INSTANTIATE),
                self.component.pointer,
                self._raw_at,
                self._raw_at + _ffi.INSTANCE_SIZE,
            )
            if _ffi.future_poll(future):
                _ffi.future_delete(future)
            else:
                await self._run(future, _INSTANTIATE)
        except BaseException:
            self._abandon(_INSTANTIATE)
            raise
        if error := self._raw[2]:
            raise self._failed(error, _INSTANTIATE)
        self._running = None
        if self._handles.dropped:
            self._handles.destroy()

    async def _first(self, export: str) -> tuple[ExportSignature, Any, int]:
        """Look a function up; tell the guest's code its limits before the first one.

        Raises:
            MissingExport: There is no such function.
        """
        self._source.function(export)  # before anything is done
        bounds = self._bounds
        if bounds is not None:
            self._bounds = None
            signature, _, func = self._find(SET_LIMITS)
            frame = signature.frame(bounds.numbers(), self._handles)
            store = self._store
            assert store is not None
            with store.free():
                await self._invoke(SET_LIMITS, signature, func, frame)
        return self._find(export)

    def _find(self, export: str) -> tuple[ExportSignature, Any, int]:
        """Look a function up in the instance, once."""
        assert self._store is not None
        signature, index = self._source.function(export)
        if not self._funcs:
            self._mappings += self._engine.ceiling.admit_call(self.component.name)
        raw = ctypes.create_string_buffer(_ffi.FUNC_SIZE)
        func = ctypes.addressof(raw)
        found = _ffi.instance_get_func(self._raw_at, self._store.context, index, func)
        assert found
        # The buffer is kept beside its address.
        self._funcs[export] = (signature, raw, func)
        return self._funcs[export]

    def _begin(self, export: str) -> int:
        """Refill the fuel and mark the instance as running; return the context."""
        store = self._store
        if store is None:  # an argument's own code closed it while it was read
            raise InstanceClosed(self.component.name, self._why)
        store.refill(self.limits.fuel, self._engine.slicing.inline)
        self._running = export
        return store.context

    async def _run(self, future: int, export: str, *, slow: bool = False) -> None:
        """Take a call from its first slice to its end; a cut ends the instance.

        The fibre of a call that is cut unwinds in the middle of the guest's work, and
        wasmtime refuses to enter the instance again. So it has ended, whatever cut it.
        """
        store = self._store
        assert store is not None
        store.slow = slow
        try:
            with Fiber(future, store, self.limits.computing) as fiber:
                try:
                    await self._finish(fiber, export)
                except TooMuch:
                    most = self.limits.computing or 0.0
                    raise OutOfComputing(self.component.name, export, most) from None
                finally:
                    self._threaded += fiber.threaded
        except BaseException as error:
            self._end(f"{export!r} was cut off by {type(error).__name__}", error)
            raise
        if store.problem is not None:
            why = f"{export!r} was cut off by {type(store.problem).__name__}"
            self._end(why, store.problem)
            raise store.problem

    def _abandon(self, export: str) -> None:
        """Give the store up without freeing it, after a Ctrl-C between two steps.

        Nobody knows whether its future is still there, which would end the process.
        Does nothing where the call was cut in the orderly way.
        """
        if self._store is not None:
            self._fuel = self._store.spent
            self._store = self._running = None
            self._why = f"{export!r} was cut off by KeyboardInterrupt"
            self._engine.ceiling.release()
            self._handles.end(self._why, KeyboardInterrupt())

    async def _finish(self, fiber: Fiber, export: str) -> None:
        """Go on after the first slice, under the time limit."""
        engine, timeout = self._engine, self.limits.timeout
        threads = engine.threads() if self._pace.threads else None
        assert self._store is not None
        serve = partial(self._host_calls.serve, self._store, self._handles)
        if timeout is None:
            await fiber.finish(engine.slicing, threads, self._pace, serve)
            return
        with anyio.move_on_after(timeout) as scope:
            await fiber.finish(engine.slicing, threads, self._pace, serve)
        if scope.cancelled_caught:
            raise Overtime(self.component.name, export, timeout)

    def _failed(self, error: int, export: str) -> BaseException:
        """Turn a C error into ours and end the instance."""
        message, frames = _ffi.take_error(error)
        store = self._store
        assert store is not None
        used = store.used - store.spent
        problem = failure(
            message,
            frames,
            component=self.component.name,
            export=export,
            fuel_limit=self.limits.fuel,
            fuel_used=None if self.limits.fuel is None else used,
            limits=self.limits,
            added=self.component.added,
            sharing=self._sharing,
            lane=bool(self.component.lane or self.component.added.instances),
        )
        self._end(f"{export!r} ended with {type(problem).__name__}", problem)
        return problem

    def _end(self, why: str, error: BaseException | None = None) -> None:
        """Free the store, once, and remember why.

        Raises:
            Exception: What destructors of host resources raised; with an error under
                way, which is to be raised, it gets a note of that instead.
        """
        store, self._store = self._store, None
        self._running = None
        if store is None:
            return
        self._fuel = store.used
        store.close()  # no future is left in it: `Fiber` and `_invoke` deleted theirs
        self._engine.ceiling.release(self._mappings)
        self._why = why
        self._handles.end(why, error)


def _future(func: int, context: int, signature: ExportSignature, frame: Frame) -> int:
    """Make the future of a call; whoever has it deletes it."""
    made: int = _ffi.func_call_async(
        func,
        context,
        frame.base,
        signature.params,
        frame.result_address,
        signature.results,
        frame.error_address,
    )
    return made
