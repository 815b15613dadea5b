"""Offer WASI 0.2 to guests: every interface that airssys has of it."""

from __future__ import annotations

from collections.abc import Mapping
from operator import methodcaller
from typing import Final

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
from .http.body import BodyOperations, FutureTrailers, IncomingBody, OutgoingBody
from .http.fields import FieldOperations, Fields
from .http.message import (
    FutureIncomingResponse,
    IncomingRequest,
    IncomingResponse,
    MessageOperations,
    OutgoingRequest,
    OutgoingResponse,
    RequestOptions,
    ResponseOutparam,
)
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
    FieldOperations,
    BodyOperations,
    MessageOperations,
)
"""What `interfaces` offers, in the order of WASI's packages."""
_DROP: Final = methodcaller("drop")


_RESOURCES: Final[Mapping[str, Mapping[str, type]]] = {
    "wasi:io/error@0.2.12": {"error": IoError},
    "wasi:io/poll@0.2.12": {"pollable": Pollable},
    "wasi:io/streams@0.2.12": {
        "input-stream": InputStream,
        "output-stream": OutputStream,
    },
    "wasi:cli/terminal-input@0.2.12": {"terminal-input": TerminalInput},
    "wasi:cli/terminal-output@0.2.12": {"terminal-output": TerminalOutput},
    "wasi:http/types@0.2.12": {
        "fields": Fields,
        "incoming-request": IncomingRequest,
        "outgoing-request": OutgoingRequest,
        "request-options": RequestOptions,
        "response-outparam": ResponseOutparam,
        "incoming-response": IncomingResponse,
        "incoming-body": IncomingBody,
        "future-trailers": FutureTrailers,
        "outgoing-response": OutgoingResponse,
        "outgoing-body": OutgoingBody,
        "future-incoming-response": FutureIncomingResponse,
    },
}
"""The resources of each interface: each is offered in its home alone. A class that has
a method ``drop`` gets it when a guest has no handle of an object any more."""


def interfaces() -> tuple[HostInterface, ...]:
    """Return the interfaces, for any number of instances.

    What belongs to an instance is in its `Context`.
    """
    made = {each.interface: HostInterface(each.interface) for each in WASI_OPERATIONS}
    for operations in WASI_OPERATIONS:
        # Those of a large interface are in several classes.
        part = interface_of(operations())
        made[part.name].functions |= part.functions
    for name, resources in _RESOURCES.items():
        home = made.setdefault(name, HostInterface(name))
        home.resources |= {each: _resource(each, of) for each, of in resources.items()}
    return tuple(made.values())


def _resource(name: str, made: type) -> HostResource:
    return HostResource(name, made, _DROP if hasattr(made, "drop") else None)
