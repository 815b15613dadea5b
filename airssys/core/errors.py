"""Name everything that can go wrong, cut by what the caller does next.

Every exception has fields and builds its message from them: who, what was tried, on
what, why not, what is allowed. Messages are lowercase and have no full stop.
"""

from __future__ import annotations

from attrs import define, field

__all__ = (
    "ActorStopped",
    "AirssysError",
    "AskCycle",
    "AskRefused",
    "AuditError",
    "CannotReply",
    "CapabilityDenied",
    "ChildRefused",
    "ComponentError",
    "DeliveryError",
    "DuplicateChild",
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
    "NoSuchActor",
    "NoSuchChild",
    "OutOfFuel",
    "OutOfMemory",
    "Overtime",
    "QuotaExceeded",
    "ReplyTimeout",
    "RestartsExhausted",
    "StorageError",
    "SupervisorError",
    "TrustError",
    "Unhealthy",
    "UnknownImport",
    "ValueMismatch",
    "WaveError",
    "WitError",
)


def _listed(names: tuple[str, ...], *, nothing: str = "nothing") -> str:
    return ", ".join(repr(name) for name in names) or nothing


class AirssysError(Exception):
    """Any error airssys raises on purpose."""


# --- fix the file -----------------------------------------------------------------


@define(eq=False)
class ManifestError(AirssysError, ValueError):
    """A Component.toml, tree file or host file breaks its schema."""

    source: str
    """The path of the file, or a word for where the text came from."""
    problems: tuple[str, ...]
    """Every problem, each as ``text @ place``."""

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{self.source} has {count} problem{'' if count == 1 else 's'}"
        return "\n  ".join((f"{head}:", *self.problems))


# --- fix or rebuild the component -------------------------------------------------


class ComponentError(AirssysError):
    """A component cannot be used as it is."""


@define(eq=False)
class InvalidComponent(ComponentError):
    """The bytes are no WebAssembly component that this host can run."""

    component: str
    reason: str

    def __str__(self) -> str:
        return f"{self.component!r} is no usable component: {self.reason}"


@define(eq=False)
class MissingExport(ComponentError):
    """A call names a function the component does not export."""

    component: str
    export: str
    near: tuple[str, ...] = ()
    """Exports with similar names; all of them when there are few."""

    def __str__(self) -> str:
        return (
            f"component {self.component!r} exports no function {self.export!r} "
            f"(it exports: {_listed(self.near)})"
        )


@define(eq=False)
class InitFailed(ComponentError):
    """The component's ``init`` returned an error, so its actor did not start."""

    component: str
    reason: str

    def __str__(self) -> str:
        return f"component {self.component!r} did not start: {self.reason}"


@define(eq=False)
class UnknownImport(ComponentError):
    """The component imports what nobody offers, or offers in another shape."""

    component: str
    problems: tuple[str, ...]
    """One text for each import that cannot be linked."""
    offered: tuple[str, ...]
    """The interfaces that were offered."""

    def __str__(self) -> str:
        return (
            f"component {self.component!r} cannot be linked: "
            f"{'; '.join(self.problems)} (offered: {_listed(self.offered)})"
        )


# --- fix the call -----------------------------------------------------------------


@define(eq=False)
class ValueMismatch(AirssysError, TypeError):
    """A Python value does not fit its WIT type."""

    where: str
    """The function, and whether a parameter or the result was meant."""
    path: str
    """The place inside the value, such as ``items[3].size``."""
    expected: str
    got: str

    def __str__(self) -> str:
        return f"{self.where}: {self.path}: expected {self.expected}, got {self.got}"


@define(eq=False)
class WaveError(AirssysError, ValueError):
    """A text is no value of the WIT type it was read by."""

    text: str
    at: int
    """Where in the text, counted from 0."""
    path: str
    """The place inside the value, such as ``items[3].size``; empty at the top."""
    expected: str
    got: str

    def __str__(self) -> str:
        before = self.text[: self.at]
        line = before.count("\n") + 1
        column = self.at - (before.rfind("\n") + 1) + 1
        place = f"line {line}, column {column}" if line > 1 else f"column {column}"
        path = f" ({self.path})" if self.path else ""
        return f"{place}{path}: expected {self.expected}, got {self.got}"


@define(eq=False)
class InstanceClosed(AirssysError, RuntimeError):
    """The instance cannot be called any more."""

    component: str
    reason: str
    """``closed``, or what ended it: a trap, a limit, a cancelled call."""

    def __str__(self) -> str:
        return (
            f"instance of {self.component!r} cannot be called: {self.reason} "
            "(instantiate the component again)"
        )


@define(eq=False)
class InstanceBusy(AirssysError, RuntimeError):
    """A call of the instance is still under way; one instance runs one at a time."""

    component: str
    export: str
    running: str

    def __str__(self) -> str:
        return (
            f"instance of {self.component!r} cannot run {self.export!r}: "
            f"{self.running!r} is still running in it"
        )


# --- decide -----------------------------------------------------------------------


@define(eq=False)
class TrustError(AirssysError):
    """The artifact is not the one that was meant."""

    subject: str
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"{self.subject!r} is not trusted: expected {self.expected}, "
            f"found {self.found}"
        )


@define(eq=False)
class CapabilityDenied(AirssysError, PermissionError):
    """The component has no grant that covers what it tried."""

    component: str
    needed: str
    granted: tuple[str, ...] = ()
    """Its grants of the same kind."""
    reason: str = ""
    """Why not, where it is not that no grant covers it."""

    def __str__(self) -> str:
        granted = ", ".join(self.granted) or "nothing"
        reason = self.reason or f"no grant covers it (granted: {granted})"
        return f"component {self.component!r} may not {self.needed}: {reason}"


# --- raise the limit --------------------------------------------------------------


class LimitExceeded(AirssysError):
    """A limit ended the call, or a ceiling refused it."""


@define(eq=False)
class OutOfFuel(LimitExceeded):
    """The call used up its fuel."""

    component: str
    export: str
    limit: int

    def __str__(self) -> str:
        return (
            f"component {self.component!r} ran out of fuel in {self.export!r} "
            f"(limit: {self.limit:_} a call)"
        )


@define(eq=False)
class OutOfMemory(LimitExceeded):
    """The component needs more memory, table elements or instances than allowed."""

    component: str
    reason: str
    limit: int
    """The memory limit in bytes."""

    def __str__(self) -> str:
        return (
            f"component {self.component!r} is out of memory: {self.reason} "
            f"(limit: {self.limit:_} bytes)"
        )


@define(eq=False)
class Overtime(LimitExceeded, TimeoutError):
    """The call took longer than its time limit."""

    component: str
    export: str
    limit: float
    """Seconds."""

    def __str__(self) -> str:
        return (
            f"component {self.component!r} took longer than {self.limit:g} s "
            f"in {self.export!r}"
        )


@define(eq=False)
class QuotaExceeded(LimitExceeded):
    """A quota or a ceiling of the host is used up."""

    subject: str
    quota: str
    limit: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f"; {self.advice}" if self.advice else ""
        return f"{self.subject} is over its {self.quota} (limit: {self.limit}{advice})"


# --- report to the component's author ---------------------------------------------


@define(eq=False)
class GuestTrapped(AirssysError):
    """The guest trapped; its instance is dead."""

    component: str
    export: str
    kind: str
    """A word for the trap, such as ``unreachable`` or ``integer-divide-by-zero``."""
    reason: str
    """wasmtime's own words."""
    backtrace: tuple[str, ...] = ()
    """Guest frames, innermost first."""
    fuel: int | None = None
    """Fuel used by the call; None when it was not metered."""

    def __str__(self) -> str:
        trace = f" (in {' < '.join(self.backtrace)})" if self.backtrace else ""
        return (
            f"component {self.component!r} trapped in {self.export!r}: "
            f"{self.kind}: {self.reason}{trace}"
        )


@define(eq=False)
class Unhealthy(AirssysError):
    """The component's ``health`` says that it does not work."""

    component: str
    reason: str

    def __str__(self) -> str:
        return f"component {self.component!r} says it is unhealthy: {self.reason}"


@define(eq=False)
class WitError(AirssysError):
    """The ``err`` value of a WIT ``result``, from a guest or from a host function."""

    value: object = None

    def __str__(self) -> str:
        return f"err({self.value!r})"


# --- retry elsewhere --------------------------------------------------------------


class DeliveryError(AirssysError):
    """A message did not reach its actor, or no reply came back."""


@define(eq=False)
class NoSuchActor(DeliveryError):
    """Nobody is registered under the id."""

    target: str
    near: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"no actor {self.target!r} (there are: {_listed(self.near)})"


@define(eq=False)
class MailboxFull(DeliveryError):
    """The mailbox has no room and its overflow rule is to refuse."""

    target: str
    capacity: int

    def __str__(self) -> str:
        return f"mailbox of actor {self.target!r} is full (capacity: {self.capacity})"


@define(eq=False)
class ReplyTimeout(DeliveryError, TimeoutError):
    """The actor did not reply in time."""

    target: str
    timeout: float

    def __str__(self) -> str:
        return f"actor {self.target!r} did not reply within {self.timeout:g} s"


@define(eq=False)
class ActorStopped(DeliveryError):
    """The actor ended before it took, or answered, the message."""

    target: str
    reason: str = "stopped"

    def __str__(self) -> str:
        return f"actor {self.target!r} cannot answer: {self.reason}"


@define(eq=False)
class AskCycle(DeliveryError):
    """The ask would wait for an actor that, in the end, waits for the asker."""

    cycle: tuple[str, ...]

    def __str__(self) -> str:
        return f"ask would wait for itself: {' -> '.join(self.cycle)}"


@define(eq=False)
class AskRefused(DeliveryError):
    """The actor took the message and answered with an error, or with nothing."""

    target: str
    reason: str

    def __str__(self) -> str:
        return f"actor {self.target!r} refused: {self.reason}"


@define(eq=False)
class CannotReply(DeliveryError):
    """An actor replied where no reply is wanted: a mistake in the actor."""

    sender: str
    reason: str

    def __str__(self) -> str:
        return f"message from {self.sender!r} cannot be answered: {self.reason}"


@define(eq=False)
class StorageError(AirssysError, OSError):
    """A storage engine failed."""

    backend: str
    key: str
    reason: str

    def __str__(self) -> str:
        return f"{self.backend} storage failed on {self.key!r}: {self.reason}"


@define(eq=False)
class AuditError(AirssysError):
    """An audit log cannot be written or read, or the file is no audit log."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"audit log {self.path!r}: {self.reason}"


# --- escalate ---------------------------------------------------------------------


class SupervisorError(AirssysError):
    """A supervisor refused, or gave up."""


@define(eq=False)
class NoSuchChild(SupervisorError, LookupError):
    """The supervisor has no child of that id."""

    supervisor: str
    child: str
    children: tuple[str, ...]
    reason: str = "there is none of that id"

    def __str__(self) -> str:
        return (
            f"supervisor {self.supervisor!r}: child {self.child!r}: {self.reason} "
            f"(children: {_listed(self.children)})"
        )


@define(eq=False)
class DuplicateChild(SupervisorError, ValueError):
    """The supervisor already runs a child of that id."""

    supervisor: str
    child: str
    state: str
    """What the child of that id does, such as ``running``."""

    def __str__(self) -> str:
        return (
            f"supervisor {self.supervisor!r} cannot start child {self.child!r}: "
            f"one of that id is {self.state} (stop it first, or choose another id)"
        )


@define(eq=False)
class ChildRefused(SupervisorError, RuntimeError):
    """The supervisor cannot do that to the child now."""

    supervisor: str
    child: str
    tried: str
    """A verb: ``start``, ``stop``, ``restart`` or ``remove``."""
    reason: str

    def __str__(self) -> str:
        return (
            f"supervisor {self.supervisor!r} cannot {self.tried} "
            f"child {self.child!r}: {self.reason}"
        )


@define(eq=False)
class HealthCheckFailed(SupervisorError):
    """A child failed its health checks."""

    child: str
    failures: int
    reason: str

    def __str__(self) -> str:
        times = "once" if self.failures == 1 else f"{self.failures} times in a row"
        return f"child {self.child!r} failed its health check {times}: {self.reason}"


@define(eq=False)
class RestartsExhausted(SupervisorError):
    """A child fell more often than the supervisor's intensity allows."""

    supervisor: str
    child: str
    restarts: int
    period: float
    history: tuple[str, ...] = field(default=())
    """One text for each exit counted, oldest first."""

    def __str__(self) -> str:
        lines = "".join(f"\n  {line}" for line in self.history)
        return (
            f"supervisor {self.supervisor!r} gave up on child {self.child!r}: "
            f"more than {self.restarts} restarts within {self.period:g} s{lines}"
        )
