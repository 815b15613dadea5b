"""Put core functions into a guest that look at what comes to it and leaves it."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define, evolve

from ...witmodel.types import FuncType
from .abi import values
from .binary import Section
from .canon import CanonFunction
from .guard import (
    SET_LIMITS,
    Guards,
    Watch,
    counting,
    limiting,
    watch_builtin,
    watch_lift,
    watch_lower,
    watch_return,
)
from .scope import CORE_FUNC, CORE_MEMORY, CORE_MODULE, Added, Unreadable, has_large
from .weights import Weights
from .writer import Writer, assembled

__all__ = ("Counted", "watched")


@define
class Counted:
    """What holds a component to its limits, but for those within it."""

    _writer: Writer
    _lane: bool
    """Whether bytes cross as strings."""
    _limited: bool
    """Whether what it passes goes to the host, as far as is known."""
    _tasks: bool
    """Whether there are tasks in it."""
    _limit_at: int | None = None
    """The core instance with the limits."""

    def watched(self, functions: Sequence[tuple[Watch, int | None, int]]) -> list[int]:
        """Return core functions that pass calls on to these, and look at values.

        Args:
            functions: What to look at, the guest's memory, and the function.
        """
        ready = [0] * len(functions)
        groups: dict[int | None, list[int]] = {}
        for place, (watch, memory, _) in enumerate(functions):
            groups.setdefault(memory if watch.has_memory else None, []).append(place)
        for memory, places in groups.items():
            limit = self._limit()
            weights = Weights(self._lane, self._limited)
            guards, given_parts = Guards(memory is not None, weights, self._tasks), []
            if memory is not None:
                given_parts.append(("memory", CORE_MEMORY, memory))
            for place in places:
                watch, _, function = functions[place]
                guards.add(f"f{place}", watch)
                given_parts.append((f"f{place}", CORE_FUNC, function))
            self._writer.write(Section.CORE_MODULE, assembled(guards.text()))
            given = {"handles": limit, "guest": self._writer.bundle(given_parts)}
            instance = self._writer.instance(self._writer.scope.new(CORE_MODULE), given)
            self._writer.scope.grow(Added(instances=1))
            for place in places:
                name = f"f{place}"
                ready[place] = self._writer.exported(instance, name, CORE_FUNC)
        return ready

    def _limit(self) -> int:
        """Return the core instance with the limits, which is made once."""
        if self._limit_at is None:
            sets = []
            new_and_drop = (("new", b"\x1f"), ("drop", b"\x22"))
            for name, code in new_and_drop if self._tasks else ():
                self._writer.write(Section.CANON, b"\1" + code)
                sets.append((name, CORE_FUNC, self._writer.scope.new(CORE_FUNC)))
            code = assembled(limiting(tasks=self._tasks))
            self._writer.write(Section.CORE_MODULE, code)
            module = self._writer.scope.new(CORE_MODULE)
            given = {"sets": self._writer.bundle(sets)} if sets else {}
            self._limit_at = self._writer.instance(module, given)
            self._writer.scope.grow(Added(instances=1))
        return self._limit_at

    def finish(self) -> bool:
        """Export the function that takes the limits, if there is anything to limit.

        A component within this one has a table, and such a function, of its own.
        """
        limited = [
            self._writer.lowered_export(instance, SET_LIMITS)
            for instance in self._writer.scope.counting
        ]
        if self._limit_at is not None:
            own = self._writer.exported(self._limit_at, "limit", CORE_FUNC)
            limited.append(own)
        if not limited:
            return False
        (limit, *others) = limited
        if others:
            limit = self._passing_on(limited)
        self._writer.limits_taker(limit, SET_LIMITS)
        return True

    def _passing_on(self, limited: Sequence[int]) -> int:
        """Define a core function that passes the limits on to all of these."""
        module = assembled(counting(len(limited)))
        self._writer.write(Section.CORE_MODULE, module)
        names = [(f"f{i}", CORE_FUNC, each) for i, each in enumerate(limited)]
        given = {"limits": self._writer.bundle(names)}
        all_ = self._writer.instance(self._writer.scope.new(CORE_MODULE), given)
        self._writer.scope.grow(Added(instances=1))
        return self._writer.exported(all_, "limit", CORE_FUNC)


def watched(canon: CanonFunction, label: str, *, tasks: bool) -> Watch | None:
    """Return what there is to be watched of what a function passes.

    Args:
        canon: The function.
        label: The host's function that it is; empty: it is none, or not known.
        tasks: Whether there are tasks in the guest.
    """
    known, options = canon.known, canon.options
    if canon.function is None:
        if known is None or not options.has_memory:
            return watch_builtin(canon.code)
        watch = None if has_large(known.value) else watch_return(known.value)
        return watch and evolve(watch, wide=options.wide)
    if known is None:
        raise Unreadable("a function of another component")
    type_ = known.type
    if (
        not isinstance(type_, FuncType)
        or any(map(has_large, values(type_)))
        or options.typed
    ):
        if known.handles:
            raise Unreadable("a function with handles that is too large")
        return None
    is_async = options.is_async
    if canon.lifts:
        watch = watch_lift(type_, is_async=is_async, callback=options.callback)
    else:
        watch = watch_lower(type_, is_async=is_async)
    if watch is not None and not tasks:
        watch = watch.without_tasks(type_)
    return watch and evolve(watch, wide=options.wide, label=label)
