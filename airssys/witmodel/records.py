"""Write the records of ``airssys:core`` that several interfaces share, and read them.

They stand apart from the interfaces: actors put them into messages as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, TypeAlias

from ..core.names import LONGEST_ID

__all__ = ("SECOND", "actor_id", "component_id", "timestamp")

SECOND: Final = 1_000_000_000
"""In nanoseconds, which ``timestamp`` counts in beside its seconds."""
_ComponentId: TypeAlias = Any
"""A ``component-id`` record as it is lifted."""


@lru_cache(maxsize=4096)
def component_id(actor: str) -> Mapping[str, str]:
    """Return an actor's id as a ``component-id`` record, to be read only."""
    front, _, instance = actor.partition("#")
    namespace, _, name = front.rpartition("/")
    return {"namespace": namespace, "name": name, "instance": instance}


def actor_id(record: _ComponentId) -> str:
    """Return the actor's id that a ``component-id`` record means, in normal form.

    One that is longer than any id is cut: then nobody has it.
    """
    front = f"{record.namespace}/{record.name}" if record.namespace else record.name
    id_ = f"{front}#{record.instance}" if record.instance else str(front)
    return id_[: LONGEST_ID + 1]


def timestamp(nanoseconds: int) -> dict[str, int]:
    """Return a ``timestamp`` record for nanoseconds since 1970.

    WIT's timestamps begin there: what lies before it, as a file's time can, is 1970.
    """
    seconds, rest = divmod(max(nanoseconds, 0), SECOND)
    return {"seconds": seconds, "nanoseconds": rest}
