"""Give guests a log, clocks, random bytes and a view of their own surroundings.

This is ``airssys:core/host-services``. Nothing of it needs a capability: a guest sees
its own configuration, and of other actors only those it may send to or ask.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import anyio

from ..core.errors import NoSuchActor, QuotaExceeded, WitError
from ..core.event import Instrument, Logged
from ..core.grants.capabilities import Messaging
from ..hostcalls.call import Call
from ..hostcalls.declare import Free, offer
from ..hostcalls.interface import HostInterface
from ..witmodel.records import SECOND, actor_id, component_id, timestamp
from ..witmodel.signatures import SIGNATURES
from ..witmodel.types import Variant

__all__ = (
    "HOST_SERVICES",
    "MOST_RANDOM",
    "Described",
    "Directory",
    "host_services",
)

HOST_SERVICES: Final = "airssys:core/host-services@1.0.0"
_TYPES: Final = SIGNATURES[HOST_SERVICES]
MOST_RANDOM: Final = 65_536
"""Random bytes that one call may ask for."""


class Described(Protocol):
    """**Protocol:** what is known about one actor."""

    @property
    def config(self) -> Mapping[str, str]: ...
    @property
    def metadata(self) -> object: ...
    @property
    def health(self) -> object: ...


class Directory(Protocol):
    """**Protocol:** who there is."""

    @property
    def ids(self) -> tuple[str, ...]: ...
    def entry(self, id: str, /) -> Described:  # noqa: A002
        """Return what is known about an actor. Raises `NoSuchActor`."""
        ...


_LONGEST_MESSAGE: Final = 16_384
"""Characters of a log line, and of a key or a value beside it."""
_LONGEST_FIELD: Final = 1024
_MOST_FIELDS: Final = 64


def host_services(
    directory: Directory,
    *,
    instrument: Instrument | None = None,
    wall_clock: Callable[[], int] = time.time_ns,
    random_source: Callable[[int], bytes] = secrets.token_bytes,
) -> HostInterface:
    """Return the interface for all components of a system.

    Args:
        directory: All actors of the system.
        instrument: Gets log lines as `Logged` events.
        wall_clock: Returns nanoseconds since 1970.
        random_source: Returns that many bytes that nobody can guess.
    """
    interface = HostInterface(HOST_SERVICES)

    @offer(
        interface,
        needs=Free("a log line carries the caller's name"),
        wit=_TYPES["log"],
    )
    def log(
        call: Call, level: str, message: str, context: list[tuple[str, str]]
    ) -> None:
        if instrument is not None:
            actor, now = call.actor or call.component, anyio.current_time()
            fields = tuple(
                (_cut(key, _LONGEST_FIELD), _cut(value, _LONGEST_FIELD))
                for key, value in context[:_MOST_FIELDS]
            )
            line = _cut(message, _LONGEST_MESSAGE)
            instrument.event(Logged(now, actor, level, line, fields))

    @offer(
        interface,
        needs=Free("the wall clock is no secret"),
        wit=_TYPES["current-time"],
    )
    def current_time(_: Call) -> dict[str, int]:
        return timestamp(wall_clock())

    @offer(
        interface,
        needs=Free("the wall clock is no secret"),
        wit=_TYPES["current-time-millis"],
    )
    def current_time_millis(_: Call) -> int:
        return wall_clock() // 1_000_000

    @offer(
        interface,
        needs=Free("its time limit bounds how long a guest sleeps"),
        wit=_TYPES["sleep-millis"],
    )
    async def sleep_millis(_: Call, duration: int) -> None:
        await anyio.sleep(duration / 1000)

    @offer(
        interface,
        needs=Free("random bytes tell nothing, and their number is bound"),
        wit=_TYPES["random-bytes"],
    )
    def random_bytes(call: Call, count: int) -> bytes:
        if count > MOST_RANDOM:
            # The function has no error to return, so this ends the instance.
            raise QuotaExceeded(
                f"component {call.component!r} asking for {count:_} random bytes",
                "limit of random-bytes",
                f"{MOST_RANDOM:_} a call",
            )
        return random_source(count)

    @offer(
        interface,
        needs=Free("a component may read its own configuration"),
        wit=_TYPES["get-config"],
    )
    def get_config(call: Call, key: str) -> str | None:
        try:
            return directory.entry(call.actor).config.get(key)
        except NoSuchActor:
            return None  # an instance outside a system

    @offer(
        interface,
        needs=Free("lists only whom the caller may send to or ask"),
        wit=_TYPES["list-components"],
    )
    def list_components(call: Call) -> list[Mapping[str, str]]:
        now = wall_clock() / SECOND
        return [component_id(id_) for id_ in directory.ids if _may_know(call, id_, now)]

    @offer(
        interface,
        needs=Free("tells only of whom the caller may send to or ask"),
        wit=_TYPES["get-component-metadata"],
    )
    def get_component_metadata(call: Call, id: Any) -> dict[str, object]:  # noqa: A002 - a record
        wanted, now = actor_id(id), wall_clock() / SECOND
        try:
            known = directory.entry(wanted) if _may_know(call, wanted, now) else None
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

    return interface


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
