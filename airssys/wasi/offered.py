"""Offer WASI 0.2 to guests: every interface that airssys has of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from operator import methodcaller
from typing import Any, Final, cast

import anyio

from ..host.filesystem import Disk
from ..host.guest_log import GuestLog
from ..host.network import SystemResolver
from ..host.network.permits import Permits
from ..host.offered import Facilities
from ..hostcalls.declare import Needed, Operations, interface_of, needs_of
from ..hostcalls.gate import Gate
from ..hostcalls.interface import HostInterface, HostResource
from ..witmodel.agreement import agreement
from .blobstore import (
    BlobstoreOperations,
    Container,
    ContainerOperations,
    ObjectNames,
    ValueOperations,
)
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
from .config import ConfigOperations
from .eventual import (
    ErrorTraces,
    EventualBatchOperations,
    EventualOperations,
    EventualValues,
    KeyvalueError,
)
from .filesystem.descriptor import Descriptor
from .filesystem.files import FileOperations
from .filesystem.listing import DirectoryEntryStream
from .filesystem.paths import PathOperations
from .filesystem.preopens import PreopenOperations
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
from .http.outgoing import OutgoingHandler
from .kept import Kept
from .keyvalue import (
    BatchOperations,
    Bucket,
    BucketOperations,
    Cas,
    CasOperations,
    IncrementOperations,
    NumberedPages,
    OptionalPairs,
    Pages,
    Pairs,
)
from .logging import LoggingOperations
from .outside import Outside
from .polling import Pollable, PollOperations
from .random import Insecure, InsecureSeed, Random
from .sockets.datagrams import IncomingDatagrams, OutgoingDatagrams, UdpEnd
from .sockets.lookup import LookupOperations, ResolvedAddresses
from .sockets.network import InstanceNetwork, Network, NetworkOperations
from .sockets.tcp import TcpCreation, TcpEnd, TcpOperations
from .sockets.udp import UdpCreation, UdpOperations
from .streams import (
    ErrorOperations,
    InputStream,
    IoError,
    OutputStream,
    StreamOperations,
)
from .values import IncomingValue, OutgoingValue

__all__ = (
    "WASI_OPERATIONS",
    "interfaces_over",
    "names_of",
    "needed_for",
    "open_interfaces",
    "open_outside",
)

_ALONE: Final[tuple[type[Operations], ...]] = (
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
    ConfigOperations,
    ErrorTraces,
    FieldOperations,
    BodyOperations,
    MessageOperations,
    InstanceNetwork,
    NetworkOperations,
)
"""What needs nothing but the instance's own `Context`."""
_OUTSIDE: Final[tuple[Callable[[Outside], Operations], ...]] = (
    LoggingOperations,
    BucketOperations,
    NumberedPages,
    Pages,
    IncrementOperations,
    CasOperations,
    BatchOperations,
    OptionalPairs,
    Pairs,
    EventualValues,
    EventualOperations,
    EventualBatchOperations,
    ValueOperations,
    ContainerOperations,
    BlobstoreOperations,
    LookupOperations,
    TcpCreation,
    TcpOperations,
    UdpCreation,
    UdpOperations,
    PreopenOperations,
    FileOperations,
    PathOperations,
    OutgoingHandler,
)
"""What reaches the world outside: classes whose one argument is the `Outside`."""
WASI_OPERATIONS: Final = (*_ALONE, *_OUTSIDE)
"""What `open_interfaces` offers."""
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
    "wasi:keyvalue/wasi-keyvalue-error@0.1.0": {"error": KeyvalueError},
    "wasi:keyvalue/types@0.1.0": {
        "bucket": Bucket,
        "outgoing-value": OutgoingValue,
        "incoming-value": IncomingValue,
    },
    "wasi:keyvalue/store@0.2.0-draft": {"bucket": Bucket},
    "wasi:keyvalue/store@0.2.0-draft2": {"bucket": Bucket},
    "wasi:keyvalue/atomics@0.2.0-draft2": {"cas": Cas},
    "wasi:blobstore/types@0.2.0-draft": {
        "outgoing-value": OutgoingValue,
        "incoming-value": IncomingValue,
    },
    "wasi:blobstore/container@0.2.0-draft": {
        "container": Container,
        "stream-object-names": ObjectNames,
    },
    "wasi:sockets/network@0.2.12": {"network": Network},
    "wasi:sockets/ip-name-lookup@0.2.12": {"resolve-address-stream": ResolvedAddresses},
    "wasi:sockets/tcp@0.2.12": {"tcp-socket": TcpEnd},
    "wasi:sockets/udp@0.2.12": {
        "udp-socket": UdpEnd,
        "incoming-datagram-stream": IncomingDatagrams,
        "outgoing-datagram-stream": OutgoingDatagrams,
    },
    "wasi:filesystem/types@0.2.12": {
        "descriptor": Descriptor,
        "directory-entry-stream": DirectoryEntryStream,
    },
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


@asynccontextmanager
async def open_interfaces(
    gate: Gate | None = None, facilities: Facilities | None = None
) -> AsyncIterator[tuple[HostInterface, ...]]:
    """Open the interfaces, for any number of instances.

    What belongs to an instance is in its `Context`. Leaving this ends what guests have
    begun and not finished, such as requests of HTTP. An exception of the block
    leaves it as it is, not in an ExceptionGroup.

    Args:
        gate: Checks every host call, and emits events; None: one without events.
        facilities: What the interfaces work with; None: the usual.

    Raises:
        TypeError: They are something else.
    """
    async with open_outside(Gate() if gate is None else gate, facilities) as outside:
        yield interfaces_over(outside)


@asynccontextmanager
async def open_outside(
    gate: Gate, facilities: Facilities | None = None
) -> AsyncIterator[Outside]:
    """Open what the interfaces of `interfaces_over` reach the world by.

    Args:
        gate: As for `open_interfaces`; likewise ``facilities``.
        facilities: What they work with.
    """
    if not isinstance(gate, Gate):  # what gets events is given to one
        raise TypeError(f"a {type(gate).__name__} is no Gate: use Gate(...) of it")
    if not isinstance(facilities, Facilities | None):
        raise TypeError(f"a {type(facilities).__name__} is no Facilities")
    given = facilities or Facilities()
    permits = Permits(gate, given.resolver or SystemResolver(), given.longest_wait)
    raised: Exception | None = None
    async with anyio.create_task_group() as work:
        try:
            yield Outside(
                gate=gate,
                disk=Disk(gate, given.files),
                permits=permits,
                tls=given.tls,
                log=GuestLog(gate.emitter),
                kept=Kept(gate, given.shelves),
                work=work,
            )
        except Exception as error:  # noqa: BLE001 - not within the group
            raised = error
        work.cancel_scope.cancel()
    if raised is not None:
        raise raised


def names_of(operations: Any) -> tuple[str, ...]:
    """Return the interfaces that a class of operations serves.

    That is its own, and other versions of it, ``also``, for which the same holds.
    """
    return (operations.interface, *getattr(operations, "also", ()))


def interfaces_over(outside: Outside) -> tuple[HostInterface, ...]:
    """Return all interfaces, as they reach the world by these means."""
    operations = (
        *(each() for each in _ALONE),
        *(each(outside) for each in _OUTSIDE),
    )
    made: dict[str, HostInterface] = {}
    for each in operations:
        for name in names_of(type(each)):
            # Those of a large interface are in several classes.
            part = made.setdefault(name, HostInterface(name))
            part.functions |= interface_of(each, name=name).functions
    for name, resources in _RESOURCES.items():
        home = made.setdefault(name, HostInterface(name))
        home.resources |= {each: _resource(each, of) for each, of in resources.items()}
    return tuple(made.values())


def needed_for(interface: str) -> Mapping[str, Needed] | None:
    """Return what each function of an interface needs; None: it is not offered.

    Args:
        interface: Its name, with the version that a component imports.
    """
    found: dict[str, Needed] = {}
    wanted = agreement(interface)
    offered = cast("tuple[type[Operations], ...]", WASI_OPERATIONS)
    homes = (*(name for each in offered for name in names_of(each)), *_RESOURCES)
    if wanted not in map(agreement, homes):
        return None
    for each in offered:
        if wanted in map(agreement, names_of(each)):
            found |= needs_of(each)
    return found


def _resource(name: str, made: type) -> HostResource:
    return HostResource(name, made, _DROP if hasattr(made, "drop") else None)
