"""Describe what instances and bindings use of the component that they come from.

`Component` makes them, so it stands above them and is not imported there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from ..witmodel.types import Extern, FuncType, ResourceType
from .ceiling import Ceiling
from .fiber import Pace, Slicing, Threads
from .lane import Added
from .needs import Needs
from .signature import ExportSignature

__all__ = ("Exports", "Origin", "SharedEngine")


class Exports(Protocol):
    """Knows how to call exported functions: a component, or bindings of one."""

    def function(self, export: str) -> tuple[ExportSignature, int]:
        """Return how to call an exported function, and its index."""


class SharedEngine(Protocol):
    """What all instances of an engine share."""

    @property
    def slicing(self) -> Slicing: ...
    @property
    def ceiling(self) -> Ceiling: ...
    @property
    def pace(self) -> Pace: ...
    def threads(self) -> Threads:
        """Return what bounds the guests in worker threads."""


class Origin(Exports, Protocol):
    """The component of an instance."""

    @property
    def engine(self) -> SharedEngine: ...
    @property
    def name(self) -> str:
        """What errors and events call it."""

    @property
    def counts(self) -> bool:
        """Whether code was put into it that takes limits."""

    @property
    def imports(self) -> Mapping[str, Extern]: ...
    @property
    def exports(self) -> Mapping[str, Extern]: ...
    @property
    def engine_pointer(self) -> int:
        """The address of the engine of wasmtime's that its code is for."""

    @property
    def pointer(self) -> int:
        """The address of its compiled code."""

    @property
    def mappings(self) -> int:
        """Memory mappings that an instance takes; 0 before the first was made."""

    @property
    def needs(self) -> Needs:
        """What an instance has from the start, at the least."""

    @property
    def added(self) -> Added:
        """What the bytes lane has in an instance."""

    @property
    def lane(self) -> frozenset[str]:
        """Exported functions whose bytes cross in one piece."""

    def functions(self) -> Mapping[str, FuncType]:
        """Return every exported function under the name `Instance.call` takes."""

    def drop(self, resource: ResourceType) -> str | None:
        """Return the function that runs a resource's destructor."""
