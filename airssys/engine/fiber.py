"""Run one guest call as a fibre that the caller's task polls to its end.

A poll runs the guest until it ends, until its fuel slice is used up, or until it calls
a host function. The first slices are polled inline on the event loop; a call that goes
on moves to a worker thread, where it lets go of the interpreter lock and runs slice
after slice, looking for a cancel between them. Host functions always run on the
caller's own task, between two polls.
"""

from __future__ import annotations

import ctypes
import math
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, Protocol, Self

import anyio
import anyio.from_thread
import anyio.lowlevel
import anyio.to_thread
from attrs import field, frozen, validators

from ..core.checks import seconds
from . import _ffi
from .values.pieces import Held

__all__ = (
    "ClockPace",
    "CountedPace",
    "Fiber",
    "Host",
    "Pace",
    "Slicing",
    "Store",
    "Threads",
    "TooMuch",
)

_UNMETERED: Final = 2**64 - 1
_positive: Any = validators.gt(0)
# Looked up once: these are a good part of what a short call costs.
_now, _thread, _computed = time.monotonic, threading.get_ident, time.thread_time
_checkpoint_if_cancelled = anyio.lowlevel.checkpoint_if_cancelled


@frozen(kw_only=True)
class Slicing:
    """How long guests run at a stretch.

    A unit of fuel is about a wasm instruction: 0.3 to 1.2 ns in loops on the machine
    where the defaults were measured (see ``benchmarks/``), 10 ns for ``memory.grow``.
    """

    inline: int = field(default=100_000, validator=_positive)
    """Fuel of a slice on the event loop: 0.1 ms keeps the loop's lateness there."""
    inline_slices: int = field(default=2, validator=_positive)
    """Slices on the event loop before a call moves to a worker thread."""
    threaded: int = field(default=200_000, validator=_positive)
    """Fuel of a slice in a worker thread: the longest a cancel waits."""
    quantum: float = field(default=0.02, converter=seconds, validator=_positive)
    """Seconds in a worker thread before the next guest in line may have it."""

    @property
    def on_the_loop(self) -> int:
        """The most fuel that a guest uses on the event loop at a stretch.

        What is left of a thread's slice after a host call is used there, too.
        """
        return self.inline * self.inline_slices + self.threaded


class TooMuch(Exception):
    """A fibre computed for longer than it may."""


class Pace(Protocol):
    """Let other tasks run often enough without a full checkpoint for each call.

    A checkpoint costs about as much as a short guest call. So every call, of a guest or
    of a host function, is a step, and only some steps are a full one.
    """

    threads: bool
    """Whether what computes for long may move to worker threads."""

    async def step(self) -> None:
        """Be a checkpoint, a full one only when it is time."""

    def is_due(self) -> bool:
        """Tell whether a step does more than to look for a cancel.

        Where it does not, and `Store.others_ran` is false, nobody else had a turn since
        one looked, and so nobody can have cancelled.
        """

    def begin(self) -> Pace:
        """Return the pace of a new instance."""


class ClockPace:
    """Give way to other tasks when none had a turn for `longest` seconds."""

    __slots__ = ("_last",)

    longest: Final = 500e-6
    threads = True

    def __init__(self) -> None:
        self._last: dict[int, float] = {}  # by thread, since each runs its own loop

    def begin(self) -> ClockPace:
        """Return itself: the clock is everybody's."""
        return self

    def is_due(self) -> bool:
        """Tell whether it is time for a full checkpoint."""
        return _now() > self._last.get(_thread(), 0.0) + self.longest

    async def step(self) -> None:
        """Be a checkpoint, a full one only when it is time."""
        if self.is_due():
            await anyio.lowlevel.checkpoint()
            self._last[_thread()] = _now()
        else:
            await _checkpoint_if_cancelled()


class CountedPace:
    """Give way to other tasks after so many steps of an instance, whatever they took.

    So the order of what happens depends on what guests do, and on nothing else: not on
    the clock, nor on worker threads, which are done when they are done.
    """

    __slots__ = ("_left", "_steps")

    threads = False

    def __init__(self, steps: int) -> None:
        self._steps = steps
        self._left = 0

    def begin(self) -> CountedPace:
        """Return another one: what other instances did before counts for nothing."""
        return CountedPace(self._steps)

    def is_due(self) -> bool:
        """Return True: each step counts."""
        return True

    async def step(self) -> None:
        """Be a checkpoint, a full one the first time and after so many steps."""
        if self._left:
            self._left -= 1
            await _checkpoint_if_cancelled()
        else:
            self._left = self._steps - 1
            await anyio.lowlevel.checkpoint()


class Host(Protocol):
    """What a store's guest reaches of its host, during a poll."""

    def lift(self, index: int, arguments: int) -> list[object] | Held:
        """Read the parameters of a call of the host function of that index."""

    def drop(self, rep: int) -> None:
        """Note that the guest dropped a resource of the host's."""


class Store:
    """One wasmtime store: the memory of one instance and the state of its call.

    wasmtime's callbacks find it through the store's data pointer.
    """

    __slots__ = (
        *("__weakref__", "_answer", "_filled", "_fuel", "_fuel_at", "_pointer"),
        *("context", "continuation", "host", "others_ran", "pending", "problem"),
        *("slow", "spent"),
    )

    def __init__(self, engine: int) -> None:
        # The store's data is this object's address, which counts as no reference:
        # whoever polls a future of the store has to hold this object too.
        self._pointer: int | None = _ffi.store_new(engine, id(self), None)
        self.context: int = _ffi.store_context(self._pointer)
        self.host: Host | None = None
        self.pending: tuple[int, list[object] | Held, int] | None = None
        """A host call to serve: the function's index, parameters, result address."""
        self.problem: BaseException | None = None
        """What went wrong inside a callback."""
        self.others_ran: bool = True
        """Whether code that may cancel the call ran since one looked for a cancel:
        other tasks, or a host function that is none of our own."""
        self.slow: bool = False
        """Whether a poll may take long that uses little fuel, and belongs in a thread:
        what crosses is of types that are too large to be weighed in the guest."""
        self._answer = (ctypes.c_ubyte * 2)()
        answer = ctypes.addressof(self._answer)
        self.continuation: _ffi.Continuation = _ffi.Continuation(answer)
        self._fuel = ctypes.c_uint64()
        self._fuel_at = ctypes.addressof(self._fuel)
        self._filled = 0
        self.spent: int = 0
        """The fuel that calls used before the last one."""

    def refill(self, limit: int | None, slice_: int) -> None:
        """Give the next call its fuel: the limit, or as good as no end of it.

        Args:
            limit: The fuel of a call.
            slice_: The fuel after which a poll comes back.
        """
        if not self._filled:
            _ffi.context_yield_interval(self.context, slice_)
            self._filled = limit or _UNMETERED
            _ffi.context_set_fuel(self.context, self._filled)
        elif self._filled != _UNMETERED:  # which lasts for centuries
            self.spent = self.used
            _ffi.context_set_fuel(self.context, self._filled)

    @property
    def used(self) -> int:
        """The fuel that all calls used. Not to be asked while one is polled."""
        if not self._filled:
            return 0
        _ffi.context_get_fuel(self.context, self._fuel_at)
        return self.spent + self._filled - self._fuel.value

    def charge(self, fuel: int) -> bool:
        """Take fuel for what the host did for the guest; tell whether it was there.

        Between two polls, or after the last one.
        """
        if self._filled == _UNMETERED:
            return True
        _ffi.context_get_fuel(self.context, self._fuel_at)
        left = self._fuel.value - fuel
        _ffi.context_set_fuel(self.context, max(left, 0))
        return left >= 0

    @contextmanager
    def free(self) -> Iterator[None]:
        """Charge nothing for the one call of the block, and set no limit to it."""
        filled, used, self._filled = self._filled, self.used, _UNMETERED
        _ffi.context_set_fuel(self.context, _UNMETERED)
        try:
            yield
        finally:
            if self._pointer is not None:
                self._filled, left = filled, filled - (used - self.spent)
                _ffi.context_set_fuel(self.context, left)

    @property
    def pointer(self) -> int:
        """The C pointer of an open store."""
        assert self._pointer is not None
        return self._pointer

    def close(self) -> None:
        """Free the instance's memory.

        No fibre may be left in the store: to delete a future after its store, or to
        poll one, is a use of freed memory.
        """
        if self._pointer is not None:
            pointer, self._pointer = self._pointer, None
            _ffi.store_delete(pointer)

    def answered(self) -> None:
        """Let the guest go on: the result of its host call is in its place.

        Not before: the next poll reads that place, whatever lies there.
        """
        self.pending = None
        self._answer[0] = 1

    # Called back by wasmtime, during a poll and on the thread that polls:

    def requested(self, index: int, arguments: int, results: int) -> None:
        assert self.host is not None
        self._answer[0] = 0
        self.pending = (index, self.host.lift(index, arguments), results)

    def dropped(self, rep: int) -> None:
        assert self.host is not None
        self.host.drop(rep)

    def failed(self, error: BaseException) -> None:
        self.problem = error


class Threads:
    """The worker threads of one event loop's guests, and who waits for one."""

    __slots__ = ("limiter", "waiting")

    def __init__(self, number: int) -> None:
        self.limiter: anyio.CapacityLimiter = anyio.CapacityLimiter(number)
        self.waiting: set[Fiber] = set()


class Fiber:
    """One call under way: its future, and the rules for polling and deleting it.

    Use it in a ``with`` block, within which the call's `Frame` must stay alive: the
    fibre reads its arguments, and when it is deleted unwinds, from memory of the frame.
    One thread at a time may poll it, and nothing else may touch the store meanwhile.
    """

    __slots__ = (
        *("_computed", "_computing", "_cut", "_future", "_polling", "_store"),
        "threaded",
    )

    def __init__(
        self, future: int, store: Store, computing: float | None = None
    ) -> None:
        self._future = future
        self._store = store
        self._cut = False
        self._polling: threading.Lock | None = None
        self._computing = computing
        """Seconds that it may compute; None: any number, and nobody counts."""
        self._computed = 0.0
        self.threaded: float = 0.0
        """Seconds of processor time in worker threads."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._polling is None:
            _ffi.future_delete(self._future)
            return
        # On asyncio a task may be cancelled while its worker thread still polls. The
        # thread sees the mark after its slice, so this waits for a slice at most.
        self._cut = True
        with self._polling:
            _ffi.future_delete(self._future)

    def poll(self) -> bool:
        """Run a slice on this thread; tell whether the call is over."""
        over: bool = _ffi.future_poll(self._future)
        return over

    def _poll_here(self) -> bool:
        """Run a slice on the event loop, and count the time.

        Raises:
            TooMuch: That was more than it may compute, and it is not over.
        """
        over: bool
        if self._computing is None:
            over = _ffi.future_poll(self._future)
            return over
        before = _computed()
        over = self.poll()
        self._computed += _computed() - before
        if not over and self._left() <= 0:
            raise TooMuch
        return over

    async def finish(
        self,
        slicing: Slicing,
        threads: Threads | None,
        pace: Pace,
        serve: Callable[[], Awaitable[bool]],
    ) -> None:
        """Poll to the end, after a first poll that did not get there, or none.

        Args:
            slicing: The lengths of slices.
            threads: Bounds the guests that run in worker threads at once; None: none
                does, all slices are on the event loop.
            pace: Says when other tasks are to have their turn between two slices, where
                there are threads; else that is between all of them.
            serve: Runs the pending host call and lowers its result; tells whether
                that was much.

        Raises:
            TooMuch: It computed for longer than it may.
        """
        store = self._store
        slices = 1
        while store.problem is None:
            if store.pending is not None:
                # Here, between two polls, on the caller's own task. In the callback
                # there is no stack for it, and nothing could be awaited.
                large = isinstance(store.pending[1], Held)
                large = await serve() or large
                slices = 0
                if threads is not None and (store.slow or large):
                    # wasmtime frees its values of what was large, in the next poll, or
                    # makes values of it.
                    slices = slicing.inline_slices
                    continue
                over = self._poll_here()
            elif threads is None:
                await anyio.lowlevel.checkpoint()
                over = self._poll_here()
            elif slices < slicing.inline_slices and not store.slow:
                if pace.is_due():
                    await pace.step()
                over = self._poll_here()
            else:
                over = await self._poll_in_thread(slicing, threads)
                store.others_ran = True
            if over:
                return
            slices += 1

    async def _poll_in_thread(self, slicing: Slicing, threads: Threads) -> bool:
        if self._polling is None:
            self._polling = threading.Lock()
        context = self._store.context
        _ffi.context_yield_interval(context, slicing.threaded)
        # The thread comes back when a deadline passes: that wakes the event loop more
        # exactly than its own timer, which counts in whole milliseconds.
        left = anyio.current_effective_deadline() - anyio.current_time()
        threads.waiting.add(self)
        try:
            over = await anyio.to_thread.run_sync(
                self._run,
                slicing.quantum,
                _now() + left,
                threads.waiting,
                limiter=threads.limiter,
            )
        finally:
            threads.waiting.discard(self)
        _ffi.context_yield_interval(context, slicing.inline)
        if self._computing is not None and not over and self._left() <= 0:
            raise TooMuch
        return over

    def _left(self) -> float:
        """Return the seconds that it may still compute."""
        assert self._computing is not None
        return self._computing - self._computed - self.threaded

    def _run(self, quantum: float, deadline: float, waiting: set[Fiber]) -> bool:
        """Run slices until the call is over, needs the host, is cut or gives way."""
        waiting.discard(self)
        before = _computed()
        until = math.inf if self._computing is None else before + self._left()
        try:
            return self._run_on(_now() + quantum, deadline, until, waiting)
        finally:
            self.threaded += _computed() - before

    def _run_on(
        self, turn: float, deadline: float, until: float, waiting: set[Fiber]
    ) -> bool:
        store, polling = self._store, self._polling
        assert polling is not None
        while True:
            with polling:
                if self._cut:
                    return False
                over = self.poll()
            if over or store.pending is not None or store.problem is not None:
                return over
            anyio.from_thread.check_cancelled()
            now = _now()
            if now >= deadline or (waiting and now >= turn):
                return False
            if until < math.inf and _computed() > until:
                return False
            # Without this the loop's thread waits for a time slice of the system's,
            # some milliseconds, whenever all processors compute.
            _ffi.give_way()
