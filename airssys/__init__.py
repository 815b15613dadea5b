"""Run WebAssembly components under supervision inside async programs.

Everything most programs need is here; the modules hold the rest, among them
`airssys.core.errors` with every exception and `airssys.core.event` with every event.

Names are imported when they are first used: ``airssys --help`` needs none of them.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .actors.actor import Actor
    from .actors.reference import ActorRef
    from .config import HostConfig
    from .core.errors import AirssysError, RestartsExhausted, WitError
    from .core.grants.grants import Custom, Grants
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
    from .hostcalls.call import Call
    from .hostcalls.interface import HostInterface
    from .supervision.supervisor import open_supervisor, supervise
    from .system.system import open_system
    from .witmodel.types import Err, Ok, Record, Some, Variant

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
    "RestartsExhausted",
    "Some",
    "Strategy",
    "Usage",
    "Variant",
    "WitError",
    "open_supervisor",
    "open_system",
    "supervise",
)

_HOMES = {
    "Actor": ".actors.actor",
    "ActorRef": ".actors.reference",
    "AirssysError": ".core.errors",
    "AutoShutdown": ".core.restart",
    "Backoff": ".core.restart",
    "Call": ".hostcalls.interface",
    "ChildSpec": ".core.restart",
    "Component": ".engine.component",
    "Custom": ".core.grants.grants",
    "Engine": ".engine.component",
    "Err": ".witmodel.types",
    "Grants": ".core.grants.grants",
    "HealthCheck": ".core.restart",
    "HostConfig": ".config",
    "HostInterface": ".hostcalls.interface",
    "Instance": ".engine.instance",
    "Intensity": ".core.restart",
    "Limits": ".core.limits",
    "Ok": ".witmodel.types",
    "Record": ".witmodel.types",
    "Restart": ".core.restart",
    "RestartsExhausted": ".core.errors",
    "Some": ".witmodel.types",
    "Strategy": ".core.restart",
    "Usage": ".core.limits",
    "Variant": ".witmodel.types",
    "WitError": ".core.errors",
    "open_supervisor": ".supervision.supervisor",
    "open_system": ".system.system",
    "supervise": ".supervision.supervisor",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        value = globals()[name] = getattr(import_module(_HOMES[name], __name__), name)
        return value
    if name == "__version__":
        return metadata.version("airssys")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted((*globals(), *__all__))
