"""Keep what belongs to one instance: arguments, environment, streams, clocks."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from os import PathLike, fspath
from typing import Final, Protocol

from attrs import field, frozen, validators
from attrs.converters import optional

from ..hostcalls.call import Call
from .clock import Clock, LoopClock
from .stdio import BytesInput, NoOutput
from .streams import InputStream, OutputStream

__all__ = ("NOTHING", "Context", "HasContext", "context_of")


def _texts(given: Sequence[str]) -> tuple[str, ...]:
    return tuple(given)


def _named(given: Mapping[str, str]) -> dict[str, str]:
    return dict(given)


def _hosts(preopens: Mapping[str, str | PathLike[str]]) -> dict[str, str]:
    return {guest: fspath(host) for guest, host in preopens.items()}


def _folders(_: object, __: object, preopens: Mapping[str, str]) -> None:
    for guest, host in preopens.items():
        if not guest or "\0" in guest:
            raise ValueError(f"{guest!r} is no path for a guest: name a folder")
        if not host.startswith("/") or "\0" in host:
            raise ValueError(f"preopen {guest!r} is {host!r}: use an absolute path")


@frozen(kw_only=True, eq=False)
class Context:
    """What a guest finds around it. Each instance gets one of its own.

    Pass it as ``instantiate(context=...)``. By default there is nothing but a clock
    and random numbers: no arguments, an empty input, and what is printed is lost.
    """

    args: Sequence[str] = field(default=(), converter=_texts)
    """The program's arguments, its name first."""
    env: Mapping[str, str] = field(factory=dict, converter=_named)
    """Its environment variables: these and no others."""
    config: Mapping[str, str] = field(factory=dict, converter=_named)
    """Its configuration, which it reads by ``wasi:config``."""
    cwd: str | None = None
    """The folder that it is told it starts in."""
    preopens: Mapping[str, str] | None = field(
        default=None,
        converter=optional(_hosts),
        validator=validators.optional(_folders),
    )
    """By the path that the guest has of it: the absolute path of a folder of the host.
    None: the folders that its grants name, each under its own path. A folder that is
    not there is left out. A preopen only says where paths begin: what is done there is
    asked of the grants, each time."""
    stdin: InputStream = field(factory=BytesInput)
    stdout: OutputStream = field(factory=NoOutput)
    stderr: OutputStream = field(factory=NoOutput)
    terminals: AbstractSet[str] = frozenset()
    """Which of the three, by these names, are a terminal: programs write line by line
    to one, and may steer it."""
    clock: Clock = field(factory=LoopClock)
    random: Callable[[int], bytes] = secrets.token_bytes
    """Returns that many bytes that nobody can guess."""


class HasContext(Protocol):
    """**Protocol:** a context of a program's own that has a guest's in it."""

    @property
    def wasi(self) -> Context:
        """What the guest finds around it."""


NOTHING: Final = Context()
"""That of an instance that was given none."""


def context_of(call: Call) -> Context:
    """Return what the caller's instance was given.

    That is ``call.context``, or ``call.context.wasi`` where the instance has a context
    of another class; where it has neither, a context with nothing in it.
    """
    context = call.context
    if isinstance(context, Context):
        return context
    # Not by isinstance of the protocol, which takes longer than a clock is read in.
    own = getattr(context, "wasi", None)
    return own if isinstance(own, Context) else NOTHING
