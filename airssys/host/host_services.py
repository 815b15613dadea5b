"""Give guests a log, clocks, random bytes and a view of their own surroundings.

This is ``airssys:core/host-services``. Nothing of it needs a capability: a guest sees
its own configuration, and of other actors only those it may send to or ask.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any, ClassVar, Final

import anyio
from attrs import define

from ..core.emitter import SILENT
from ..core.errors import NoSuchActor, QuotaExceeded, WitError
from ..core.grants.capabilities import Messaging
from ..core.texts import shortened
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, interface_of, operation
from ..hostcalls.interface import HostInterface
from ..hostcalls.pieces import in_pieces
from ..witmodel.records import SECOND, actor_id, component_id, timestamp
from ..witmodel.types import Variant
from .actor_directory import ActorDirectory
from .guest_log import GuestLog

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


def host_services(
    actors: ActorDirectory,
    *,
    guest_log: GuestLog | None = None,
    wall_clock: Callable[[], int] = time.time_ns,
    random_source: Callable[[int], bytes] = secrets.token_bytes,
) -> HostInterface:
    """Return the interface for all components of a system.

    Args:
        actors: All actors of the system.
        guest_log: Where log lines go; None: nowhere.
        wall_clock: Returns nanoseconds since 1970.
        random_source: Returns that many bytes that nobody can guess.
    """
    log = guest_log or GuestLog(SILENT)
    return interface_of(HostServices(actors, log, wall_clock, random_source))


@define(eq=False)
class HostServices:
    """The operations of ``airssys:core/host-services``."""

    interface: ClassVar[str] = HOST_SERVICES
    actors: ActorDirectory
    guest_log: GuestLog
    wall_clock: Callable[[], int]
    random_source: Callable[[int], bytes]

    @operation(needs=Free("a log line carries the caller's name"))
    def log(
        self, call: Call, level: str, message: str, context: list[tuple[str, str]]
    ) -> None:
        message = shortened(message, _LONGEST_MESSAGE)
        fields = tuple(
            (shortened(key, _LONGEST_FIELD), shortened(value, _LONGEST_FIELD))
            for key, value in context[:_MOST_FIELDS]
        )
        self.guest_log.write(call, level, message, fields)

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


def _may_know(call: Call, id_: str, now: float) -> bool:
    grants = call.grants
    return (
        id_ == call.actor
        or grants.check(Messaging("send", id_), now) is None
        or grants.check(Messaging("request", id_), now) is None
    )
