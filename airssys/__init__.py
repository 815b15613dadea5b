"""Run WebAssembly components under supervision inside async programs.

Everything most programs need is here; the modules hold the rest, among them
`airssys.core.errors` with every exception and `airssys.core.event` with every event.
"""

from __future__ import annotations

from .abc import Call, HostInterface
from .actor import Actor
from .config import HostConfig
from .core.capability import Custom, Grants
from .core.errors import AirssysError, WitError
from .core.limits import Limits, Usage
from .core.restart import (
    AutoShutdown,
    Backoff,
    ChildSpec,
    HealthCheck,
    Intensity,
    Restart,
    Strategy,
)
from .engine.component import Component, Engine
from .engine.instance import Instance
from .engine.types import Err, Ok, Record, Some, Variant
from .mailbox import ActorRef
from .supervisor import open_supervisor, supervise
from .system import open_system

__all__ = (
    "Actor",
    "ActorRef",
    "AirssysError",
    "AutoShutdown",
    "Backoff",
    "Call",
    "ChildSpec",
    "Component",
    "Custom",
    "Engine",
    "Err",
    "Grants",
    "HealthCheck",
    "HostConfig",
    "HostInterface",
    "Instance",
    "Intensity",
    "Limits",
    "Ok",
    "Record",
    "Restart",
    "Some",
    "Strategy",
    "Usage",
    "Variant",
    "WitError",
    "open_supervisor",
    "open_system",
    "supervise",
)
