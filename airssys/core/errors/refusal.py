"""Name what a host does not allow: to be granted, or to be given more of."""

from __future__ import annotations

from attrs import define

from ..texts import cut
from .root import AirssysError

__all__ = (
    "CannotCompile",
    "CapabilityDenied",
    "CompileLimit",
    "LimitExceeded",
    "NamespaceTaken",
    "OutOfComputing",
    "OutOfFuel",
    "OutOfMemory",
    "Overtime",
    "QuotaExceeded",
    "TooManyHandles",
    "TrustError",
    "ValuesTooLarge",
)


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


@define(eq=False)
class NamespaceTaken(AirssysError, ValueError):
    """The component has the name of another one, whose storage it would get."""

    component: str
    source: str
    """The path of its manifest; empty where it has none."""
    namespace: str
    holder: str
    """The manifest of the one that has the namespace; empty where it has none."""

    def __str__(self) -> str:
        where = f" ({self.source})" if self.source else ""
        holder = repr(self.holder) if self.holder else "one made in Python"
        return (
            f"component {self.component!r}{where} may not have the storage namespace "
            f"{self.namespace!r}: another component of that name has it, {holder} "
            "(give each a name of its own, or a namespace by the tree file or spawn())"
        )


class LimitExceeded(AirssysError):
    """A limit ended the call, or a ceiling refused it."""


@define(eq=False)
class CompileLimit(LimitExceeded):
    """To compile the component takes more than the host gives for that."""

    component: str
    limit: str
    """Which one: ``memory``, ``time`` or ``size``."""
    allowed: str
    """How much there is."""

    def __str__(self) -> str:
        return (
            f"component {self.component!r} cannot be compiled within its {self.limit} "
            f"(limit: {self.allowed}; compile.{self.limit} in the host file)"
        )


@define(eq=False)
class CannotCompile(AirssysError):
    """The host has no way to compile just now, whatever the component is."""

    component: str
    reason: str

    def __str__(self) -> str:
        return f"component {self.component!r} cannot be compiled here: {self.reason}"


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
    """The memory limit in bytes, or the other limit that ``key`` names."""
    key: str = "memory"
    """Which of `Limits` it is."""

    def __str__(self) -> str:
        limit = f"{self.limit:_} bytes"
        if self.key == "total_memory":
            limit = f"total_memory = {self.limit:_} bytes"
        elif self.key != "memory":
            limit = f"{self.key} = {self.limit}"
        return (
            f"component {self.component!r} is out of memory: {cut(self.reason)} "
            f"(limit: {limit})"
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
class OutOfComputing(LimitExceeded):
    """The call computed for longer than its limit, however long it waited."""

    component: str
    export: str
    limit: float
    """Seconds of processor time."""

    def __str__(self) -> str:
        return (
            f"component {self.component!r} computed for longer than {self.limit:g} s "
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


@define(eq=False)
class TooManyHandles(LimitExceeded):
    """A guest has more handles in its table than its limit of them."""

    component: str
    export: str
    """The exported function that was called."""
    limit: int

    def __str__(self) -> str:
        return (
            f"component {self.component!r} holds too many handles of resources in "
            f"{self.export!r} (limit: {self.limit:_}; those that it does not need any "
            "more are to be dropped)"
        )


@define(eq=False)
class ValuesTooLarge(LimitExceeded):
    """What a guest passes in one call is larger than its limit of values."""

    component: str
    function: str
    """The exported function whose result it is, or the host's whose arguments."""
    what: str
    """``result`` or ``arguments``."""
    limit: int
    """Bytes, as values lie in Python."""

    def __str__(self) -> str:
        return (
            f"component {self.component!r} passes too much as {self.what} of "
            f"{self.function!r} (limit of values: {self.limit:_} bytes in Python)"
        )
