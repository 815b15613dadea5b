"""Name everything that can go wrong, cut by what the caller does next.

Every exception has fields and builds its message from them: who, what was tried, on
what, why not, what is allowed. Messages are lowercase and have no full stop.
"""

from __future__ import annotations

from .call import (
    InstanceBusy,
    InstanceClosed,
    ValueMismatch,
    WaveError,
)
from .component import (
    ComponentError,
    GuestExited,
    GuestTrapped,
    InitFailed,
    InvalidComponent,
    ManifestError,
    MissingExport,
    Unhealthy,
    UnknownImport,
    WitError,
)
from .delivery import (
    ActorStopped,
    AskCycle,
    AskRefused,
    AuditError,
    CannotReply,
    DeliveryError,
    MailboxFull,
    NoSuchActor,
    ReplyTimeout,
    StorageError,
)
from .refusal import (
    CannotCompile,
    CapabilityDenied,
    CompileLimit,
    LimitExceeded,
    NamespaceTaken,
    OutOfComputing,
    OutOfFuel,
    OutOfMemory,
    Overtime,
    QuotaExceeded,
    TooManyHandles,
    TrustError,
    ValuesTooLarge,
)
from .root import (
    AirssysError,
)
from .supervision import (
    ChildRefused,
    DuplicateChild,
    HealthCheckFailed,
    NoSuchChild,
    RestartsExhausted,
    StartTimeout,
    SupervisorError,
)

__all__ = (
    "ActorStopped",
    "AirssysError",
    "AskCycle",
    "AskRefused",
    "AuditError",
    "CannotCompile",
    "CannotReply",
    "CapabilityDenied",
    "ChildRefused",
    "CompileLimit",
    "ComponentError",
    "DeliveryError",
    "DuplicateChild",
    "GuestExited",
    "GuestTrapped",
    "HealthCheckFailed",
    "InitFailed",
    "InstanceBusy",
    "InstanceClosed",
    "InvalidComponent",
    "LimitExceeded",
    "MailboxFull",
    "ManifestError",
    "MissingExport",
    "NamespaceTaken",
    "NoSuchActor",
    "NoSuchChild",
    "OutOfComputing",
    "OutOfFuel",
    "OutOfMemory",
    "Overtime",
    "QuotaExceeded",
    "ReplyTimeout",
    "RestartsExhausted",
    "StartTimeout",
    "StorageError",
    "SupervisorError",
    "TooManyHandles",
    "TrustError",
    "Unhealthy",
    "UnknownImport",
    "ValueMismatch",
    "ValuesTooLarge",
    "WaveError",
    "WitError",
)
