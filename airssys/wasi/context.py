"""Keep what belongs to one instance: arguments, environment, streams, clocks."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
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


_IS_INPUT: Final = validators.instance_of(InputStream)
_IS_OUTPUT: Final = validators.instance_of(OutputStream)
_STREAMS: Final = frozenset(("stdin", "stdout", "stderr"))


def _text(what: str, given: object, *, nul: bool = False) -> str:
    """Return what a guest can be given as a text.

    Args:
        what: Which text it is, for the error: what it says may be a secret.
        given: Perhaps a text.
        nul: Whether it may hold a NUL, where programs end a text.
    """
    if not isinstance(given, str):
        raise TypeError(f"{what} must be a text, not {type(given).__name__}")
    if "\0" in given and not nul:
        raise ValueError(f"{what} holds a NUL, where programs end a text")
    try:
        given.encode()
    except UnicodeEncodeError:
        raise ValueError(
            f"{what} holds what is no Unicode, and guests have no other texts"
        ) from None
    return given


def _as_args(given: Sequence[str]) -> tuple[str, ...]:
    if isinstance(given, str):  # each letter would be an argument
        raise TypeError("args are several texts, not one: use a list")
    return tuple(_text(f"args[{at}]", each) for at, each in enumerate(given))


def _as_env(given: Mapping[str, str]) -> dict[str, str]:
    made = dict(given)
    for name, value in made.items():
        if not _text(f"env: the name {name!r}", name) or "=" in name:
            raise ValueError(f"env: {name!r} names no variable: use a name without '='")
        _text(f"env[{name!r}]", value)
    return made


def _as_config(given: Mapping[str, str]) -> dict[str, str]:
    made = dict(given)
    for key, value in made.items():
        _text(f"config: the key {key!r}", key, nul=True)
        _text(f"config[{key!r}]", value, nul=True)
    return made


def _as_cwd(given: str) -> str:
    return _text("cwd", given)


def _as_preopens(given: Mapping[str, str | PathLike[str]]) -> dict[str, str]:
    if not isinstance(given, Mapping):
        raise TypeError("preopens are folders of the host by what the guest calls them")
    return {_folder(guest): _path(guest, fspath(host)) for guest, host in given.items()}


def _folder(guest: str) -> str:
    if not _text(f"preopens: the name {guest!r}", guest, nul=True) or "\0" in guest:
        raise ValueError(f"{guest!r} is no path for a guest: name a folder")
    return guest


def _path(guest: str, host: object) -> str:
    if not isinstance(host, str) or not host.startswith("/") or "\0" in host:
        raise ValueError(f"preopen {guest!r} is {host!r}: use an absolute path")
    return host


def _as_terminals(given: Iterable[str]) -> frozenset[str]:
    # Of one text each letter is one.
    if unknown := sorted(set(given) - _STREAMS):
        raise ValueError(f"terminals: {unknown} are none of {sorted(_STREAMS)}")
    return frozenset(given)


def _is_clock(_: object, __: object, given: object) -> None:
    # By hand: one context is made for each instance, and protocols are slow to check.
    for name in ("monotonic", "wall", "sleep_until"):
        if not callable(getattr(given, name, None)):
            raise TypeError(f"clock: a {type(given).__name__} has no {name}()")


@frozen(kw_only=True, eq=False)
class Context:
    """What a guest finds around it. Each instance gets one of its own.

    Pass it as ``instantiate(context=...)``. By default there is nothing but a clock
    and random numbers: no arguments, an empty input, and what is printed is lost.

    Raises:
        TypeError: Something is of another kind than its field says.
        ValueError: A text holds what is no Unicode or, but for ``config``, a NUL; or it
            names no variable, no stream or no absolute path.
    """

    args: Sequence[str] = field(default=(), converter=_as_args)
    """The program's arguments, its name first."""
    env: Mapping[str, str] = field(factory=dict, converter=_as_env)
    """Its environment variables: these and no others."""
    config: Mapping[str, str] = field(factory=dict, converter=_as_config)
    """Its configuration, which it reads by ``wasi:config``."""
    cwd: str | None = field(default=None, converter=optional(_as_cwd))
    """The folder that it is told it starts in."""
    preopens: Mapping[str, str] | None = field(
        default=None, converter=optional(_as_preopens)
    )
    """By the path that the guest has of it: the absolute path of a folder of the host.
    None: the folders that its grants name, each under its own path. A folder that is
    not there is left out. A preopen only says where paths begin: what is done there is
    asked of the grants, each time."""
    stdin: InputStream = field(factory=BytesInput, validator=_IS_INPUT)
    stdout: OutputStream = field(factory=NoOutput, validator=_IS_OUTPUT)
    stderr: OutputStream = field(factory=NoOutput, validator=_IS_OUTPUT)
    terminals: AbstractSet[str] = field(default=frozenset(), converter=_as_terminals)
    """Which of the three, by these names, are a terminal: programs write line by line
    to one, and may steer it."""
    clock: Clock = field(factory=LoopClock, validator=_is_clock)
    random: Callable[[int], bytes] = field(
        default=secrets.token_bytes, validator=validators.is_callable()
    )
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
