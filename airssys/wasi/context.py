"""Keep what belongs to one instance: arguments, environment, streams, clocks."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol

from attrs import field, frozen

from ..hostcalls.call import Call
from .clock import Clock, LoopClock
from .stdio import BytesInput, NoOutput
from .streams import InputStream, OutputStream

__all__ = ("Context", "HasContext", "context_of")


# Typed, so that who passes a list or a dict of texts is not told that it is none.
def _texts(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


def _named(given: Mapping[str, str]) -> dict[str, str]:
    return dict(given)


@frozen(kw_only=True)
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
    stdin: InputStream = field(factory=BytesInput)
    stdout: OutputStream = field(factory=NoOutput)
    stderr: OutputStream = field(factory=NoOutput)
    clock: Clock = field(factory=LoopClock)
    random: Callable[[int], bytes] = secrets.token_bytes
    """Returns that many bytes that nobody can guess."""


class HasContext(Protocol):
    """**Protocol:** a context of a program's own that has a guest's in it."""

    @property
    def wasi(self) -> Context:
        """What the guest finds around it."""


_EMPTY: Final = Context()


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
    return own if isinstance(own, Context) else _EMPTY
