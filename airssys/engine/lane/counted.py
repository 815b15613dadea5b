"""Put core functions into a guest that look at the handles that come to it."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import define

from ...witmodel.types import FuncType
from .abi import parts, values
from .binary import Section
from .canon import CanonFunction
from .guard import (
    COUNTING,
    LIMIT_HANDLES,
    Guards,
    Watch,
    counting,
    watch_builtin,
    watch_lift,
    watch_lower,
)
from .scope import CORE_FUNC, CORE_MEMORY, CORE_MODULE, LARGE, Added, Unreadable
from .writer import Writer, assembled

__all__ = ("Counted", "watched")


@define
class Counted:
    """What limits the handles of a component, but for those within it."""

    _writer: Writer
    _limit_at: int | None = None
    """The core instance with the limit of handles."""

    def watched(self, functions: Sequence[tuple[Watch, int | None, int]]) -> list[int]:
        """Return core functions that pass calls on to these, and look at handles.

        Args:
            functions: What to look at, the guest's memory, and the function.
        """
        ready = [0] * len(functions)
        groups: dict[int | None, list[int]] = {}
        for place, (watch, memory, _) in enumerate(functions):
            groups.setdefault(memory if watch.has_memory else None, []).append(place)
        for memory, places in groups.items():
            limit = self._limit()
            guards, given_parts = Guards(memory is not None), []
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
        """Return the core instance with the limit of handles, which is made once."""
        if self._limit_at is None:
            sets = []
            for name, code in (("new", b"\x1f"), ("drop", b"\x22")):
                self._writer.write(Section.CANON, b"\1" + code)
                sets.append((name, CORE_FUNC, self._writer.scope.new(CORE_FUNC)))
            self._writer.write(Section.CORE_MODULE, assembled(COUNTING))
            module = self._writer.scope.new(CORE_MODULE)
            given = {"sets": self._writer.bundle(sets)}
            self._limit_at = self._writer.instance(module, given)
            self._writer.scope.grow(Added(instances=1))
        return self._limit_at

    def finish(self) -> bool:
        """Export the function that takes the limit, if there is anything to limit.

        A component within this one has a table, and such a function, of its own.
        """
        limited = [
            self._writer.lowered_export(instance, LIMIT_HANDLES)
            for instance in self._writer.scope.counting
        ]
        if self._limit_at is not None:
            own = self._writer.exported(self._limit_at, "limit", CORE_FUNC)
            limited.append(own)
        if not limited:
            return False
        module = assembled(counting(len(limited)))
        self._writer.write(Section.CORE_MODULE, module)
        names = [(f"f{i}", CORE_FUNC, each) for i, each in enumerate(limited)]
        given = {"limits": self._writer.bundle(names)}
        all_ = self._writer.instance(self._writer.scope.new(CORE_MODULE), given)
        self._writer.scope.grow(Added(instances=1))
        limit = self._writer.exported(all_, "limit", CORE_FUNC)
        self._writer.number_taker(limit, LIMIT_HANDLES)
        return True


def watched(canon: CanonFunction) -> Watch | None:
    """Return what there is to be watched of the handles that a function passes."""
    known, options = canon.known, canon.options
    if canon.function is None:
        return watch_builtin(canon.code)
    if known is None:
        raise Unreadable("a function of another component")
    if not known.handles:
        return None
    type_ = known.type
    if (
        not isinstance(type_, FuncType)
        or any(part is LARGE for each in values(type_) for part in parts(each))
        or options.typed
    ):
        raise Unreadable("a function with handles that is too large")
    if canon.lifts:
        is_async, callback = options.is_async, options.callback
        return watch_lift(type_, is_async=is_async, callback=callback)
    return watch_lower(type_, is_async=options.is_async)
