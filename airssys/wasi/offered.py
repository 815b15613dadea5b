"""Offer WASI 0.2 to guests: every interface that airssys has of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import methodcaller
from typing import Final

from attrs import frozen

from ..hostcalls.declare import Operations, interface_of
from ..hostcalls.interface import HostInterface, HostResource
from .cli import (
    Environment,
    Exit,
    Stderr,
    Stdin,
    Stdout,
    TerminalInput,
    TerminalOutput,
    TerminalStderr,
    TerminalStdin,
    TerminalStdout,
)
from .clocks import MonotonicClock, Timezone, WallClock
from .polling import Pollable, PollOperations
from .random import Insecure, InsecureSeed, Random
from .streams import (
    ErrorOperations,
    InputStream,
    IoError,
    OutputStream,
    StreamOperations,
)

__all__ = ("WASI_OPERATIONS", "interfaces")

WASI_OPERATIONS: Final[tuple[type[Operations], ...]] = (
    ErrorOperations,
    PollOperations,
    StreamOperations,
    MonotonicClock,
    WallClock,
    Timezone,
    Random,
    Insecure,
    InsecureSeed,
    Environment,
    Exit,
    Stdin,
    Stdout,
    Stderr,
    TerminalStdin,
    TerminalStdout,
    TerminalStderr,
)
"""What `interfaces` offers, in the order of WASI's packages."""
_DROP: Final = methodcaller("drop")


@frozen
class _Resources:
    """The resources of an interface: each is offered in its home alone."""

    made: Mapping[str, type]
    drop: Callable[[object], object] | None = None


_RESOURCES: Final[Mapping[str, _Resources]] = {
    "wasi:io/error@0.2.12": _Resources({"error": IoError}),
    "wasi:io/poll@0.2.12": _Resources({"pollable": Pollable}),
    "wasi:io/streams@0.2.12": _Resources(
        {"input-stream": InputStream, "output-stream": OutputStream}, _DROP
    ),
    "wasi:cli/terminal-input@0.2.12": _Resources({"terminal-input": TerminalInput}),
    "wasi:cli/terminal-output@0.2.12": _Resources({"terminal-output": TerminalOutput}),
}


def interfaces() -> tuple[HostInterface, ...]:
    """Return the interfaces, for any number of instances.

    What belongs to an instance is in its `Context`.
    """
    made = {
        each.interface: interface_of(each(), resources=_resources(each.interface))
        for each in WASI_OPERATIONS
    }
    for name in _RESOURCES.keys() - made.keys():  # an interface of a resource alone
        made[name] = HostInterface(name)
        made[name].resources |= {each.name: each for each in _resources(name)}
    return tuple(made.values())


def _resources(interface: str) -> list[HostResource]:
    found = _RESOURCES.get(interface)
    if found is None:
        return []
    return [HostResource(name, made, found.drop) for name, made in found.made.items()]
