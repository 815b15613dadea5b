"""Name what is wrong with a component or its files, for those who write them."""

from __future__ import annotations

from attrs import define

from ..texts import cut
from .root import AirssysError, listed

__all__ = (
    "ComponentError",
    "GuestExited",
    "GuestTrapped",
    "InitFailed",
    "InvalidComponent",
    "ManifestError",
    "MissingExport",
    "Unhealthy",
    "UnknownImport",
    "WitError",
)


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


class ComponentError(AirssysError):
    """A component cannot be used as it is."""


@define(eq=False)
class InvalidComponent(ComponentError):
    """The bytes are no WebAssembly component that this host can run."""

    component: str
    reason: str

    def __str__(self) -> str:
        return f"{self.component!r} is no usable component: {cut(self.reason)}"


@define(eq=False)
class MissingExport(ComponentError):
    """A call names a function the component does not export."""

    component: str
    export: str
    near: tuple[str, ...] = ()
    """Exports with similar names; all of them when there are few."""

    def __str__(self) -> str:
        return (
            f"component {self.component!r} exports no function {cut(self.export)!r} "
            f"(it exports: {listed(self.near)})"
        )


@define(eq=False)
class InitFailed(ComponentError):
    """The component's ``init`` returned an error, so its actor did not start."""

    component: str
    reason: str

    def __str__(self) -> str:
        return f"component {self.component!r} did not start: {cut(self.reason)}"


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
            f"{cut('; '.join(self.problems))} (offered: {listed(self.offered)})"
        )


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
        trace = f" (in {cut(' < '.join(self.backtrace))})" if self.backtrace else ""
        return (
            f"component {self.component!r} trapped in {cut(self.export)!r}: "
            f"{self.kind}: {cut(self.reason)}{trace}"
        )


@define(eq=False)
class GuestExited(AirssysError):
    """The guest ended itself, as a program does by ``exit``; its instance is gone.

    For a supervisor the status 0 is a normal end, and any other a crash.
    """

    component: str
    status: int
    """0 to 255, as a process exits with."""

    def __str__(self) -> str:
        return f"component {self.component!r} exited with status {self.status}"


@define(eq=False)
class Unhealthy(AirssysError):
    """The component's ``health`` says that it does not work."""

    component: str
    reason: str

    def __str__(self) -> str:
        return f"component {self.component!r} says it is unhealthy: {cut(self.reason)}"


@define(eq=False)
class WitError(AirssysError):
    """The ``err`` value of a WIT ``result``, from a guest or from a host function."""

    value: object = None

    def __str__(self) -> str:
        return f"err({cut(repr(self.value))})"
