"""Give guests a log, clocks, random bytes and a view of their own surroundings.

This is ``airssys:core/host-services``. Nothing of it needs a capability: a guest sees
its own configuration, and of other actors only those it may send to or ask.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, ClassVar, Final
from weakref import WeakKeyDictionary

import anyio
from attrs import define, field

from ..core.budget import Budget
from ..core.emitter import SILENT, Emitter
from ..core.errors import NoSuchActor, QuotaExceeded, WitError
from ..core.event import Logged
from ..core.grants.capabilities import Messaging
from ..core.units import show_size_rate
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, interface_of, operation
from ..hostcalls.interface import HostInterface
from ..hostcalls.pieces import in_pieces
from ..witmodel.records import SECOND, actor_id, component_id, timestamp
from ..witmodel.types import Variant
from .actor_directory import ActorDirectory

__all__ = (
    "HOST_SERVICES",
    "MOST_RANDOM",
    "HostServices",
    "host_services",
)

HOST_SERVICES: Final = "airssys:core/host-services@1.0.0"
MOST_RANDOM: Final = 65_536
"""Random bytes that one call may ask for."""


_LONGEST_MESSAGE: Final = 16_384
"""Characters of a log line, and of a key or a value beside it."""
_LONGEST_FIELD: Final = 1024
_MOST_FIELDS: Final = 64
_LINE: Final = 40
"""Bytes that a line costs beside its text: the time, the level and a name."""


def host_services(
    actors: ActorDirectory,
    *,
    emitter: Emitter = SILENT,
    wall_clock: Callable[[], int] = time.time_ns,
    random_source: Callable[[int], bytes] = secrets.token_bytes,
) -> HostInterface:
    """Return the interface for all components of a system.

    Args:
        actors: All actors of the system.
        emitter: Tells of log lines, as `Logged` events.
        wall_clock: Returns nanoseconds since 1970.
        random_source: Returns that many bytes that nobody can guess.
    """
    return interface_of(HostServices(actors, emitter, wall_clock, random_source))


@define(eq=False)
class HostServices:
    """The operations of ``airssys:core/host-services``."""

    interface: ClassVar[str] = HOST_SERVICES
    actors: ActorDirectory
    emitter: Emitter
    wall_clock: Callable[[], int]
    random_source: Callable[[int], bytes]
    _left_out: WeakKeyDictionary[Budget, int] = field(
        factory=WeakKeyDictionary, init=False
    )
    """Lines by the quota that had no room for them."""

    @operation(needs=Free("a log line carries the caller's name"))
    def log(
        self, call: Call, level: str, message: str, context: list[tuple[str, str]]
    ) -> None:
        message = _cut(message, _LONGEST_MESSAGE)
        fields = tuple(
            (_cut(key, _LONGEST_FIELD), _cut(value, _LONGEST_FIELD))
            for key, value in context[:_MOST_FIELDS]
        )
        if self._has_room(call, len(message) + sum(len(k) + len(v) for k, v in fields)):
            self._emit(call, level, message, fields)

    def _emit(
        self, call: Call, level: str, message: str, fields: tuple[tuple[str, str], ...]
    ) -> None:
        self.emitter.emit(
            lambda at: Logged(
                at=at,
                subject=call.actor or call.component,
                level=level,
                message=message,
                fields=fields,
            )
        )

    def _has_room(self, call: Call, size: int) -> bool:
        """Take a line from the quota, or count it as left out.

        The guest is not held up: it could be told nothing, and a log is no place to
        wait in. The next line that is let through comes after the number of those that
        were not.
        """
        budget = call.standing.budget
        if budget is None:
            return True
        now = anyio.current_time()
        if budget.debt("log", now):
            self._left_out[budget] = self._left_out.get(budget, 0) + 1
            return False
        # On credit, as a line that is longer than the quota must come through too.
        budget.charge("log", size + _LINE, now)
        if lost := self._left_out.pop(budget, 0):
            lines = "line was" if lost == 1 else "lines were"
            most = show_size_rate(int(budget.most("log")))
            self._emit(call, "warn", f"{lost} {lines} left out: more than {most}", ())
        return True

    @operation(needs=Free("the wall clock is no secret"))
    def current_time(self, _: Call) -> dict[str, int]:
        return timestamp(self.wall_clock())

    @operation(needs=Free("the wall clock is no secret"))
    def current_time_millis(self, _: Call) -> int:
        return self.wall_clock() // 1_000_000

    @operation(needs=Free("its time limit bounds how long a guest sleeps"))
    async def sleep_millis(self, _: Call, duration: int) -> None:
        await anyio.sleep(duration / 1000)

    @operation(needs=Free("random bytes tell nothing, and their number is bound"))
    def random_bytes(self, call: Call, count: int) -> bytes:
        if count > MOST_RANDOM:
            # The function has no error to return, so this ends the instance.
            raise QuotaExceeded(
                f"component {call.component!r} asking for {count:_} random bytes",
                "limit of random-bytes",
                f"{MOST_RANDOM:_} a call",
            )
        return self.random_source(count)

    @operation(needs=Free("a component may read its own configuration"))
    def get_config(self, call: Call, key: str) -> str | None:
        try:
            return self.actors.entry(call.actor).config.get(key)
        except NoSuchActor:
            return None  # an instance outside a system

    @operation(needs=Free("lists only whom the caller may send to or ask"))
    async def list_components(self, call: Call) -> list[Mapping[str, str]]:
        return await in_pieces(self._known_to(call))

    def _known_to(self, call: Call) -> Generator[int, None, list[Mapping[str, str]]]:
        """Return whom the caller may know of, in pieces."""
        while True:
            before = call.grants
            known = []
            for id_ in self.actors.ids:
                yield len(id_)
                if _may_know(call, id_, self.wall_clock() / SECOND):
                    known.append(component_id(id_))
            if call.grants is before:
                return known

    @operation(needs=Free("tells only of whom the caller may send to or ask"))
    def get_component_metadata(self, call: Call, id: Any) -> dict[str, object]:  # noqa: A002 - a record
        wanted, now = actor_id(id), self.wall_clock() / SECOND
        try:
            known = self.actors.entry(wanted) if _may_know(call, wanted, now) else None
        except NoSuchActor:
            known = None
        if known is None:
            raise WitError(
                Variant("not-found", f"there is no {wanted!r}, or none for the caller")
            )
        return {
            "id": component_id(wanted),
            "metadata": known.metadata,
            "health": known.health or Variant("unknown", "not checked yet"),
        }


def _cut(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return f"{text[:longest]}... (and {len(text) - longest:_} characters)"


def _may_know(call: Call, id_: str, now: float) -> bool:
    grants = call.grants
    return (
        id_ == call.actor
        or grants.check(Messaging("send", id_), now) is None
        or grants.check(Messaging("request", id_), now) is None
    )
