"""Tell which functions of a guest have bytes, and which resources are its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve, field, frozen

from ...witmodel.types import Extern, FuncType, InstanceType, ResourceType
from .abi import BYTES, parts, values

__all__ = ("Plan", "plan")


@frozen
class Plan:
    """What a rewritten guest has."""

    exports: frozenset[str] = frozenset()
    """The exported functions with bytes, by the name that `Instance.call` takes."""
    imports: frozenset[str] = frozenset()
    """The imported functions with bytes, likewise."""
    drops: Mapping[ResourceType, str] = field(factory=dict)
    """The functions that run the destructors of the guest's resources."""
    resources: tuple[tuple[str, str], ...] = ()
    """The interfaces and names of those resources, in the same order."""

    @property
    def lane(self) -> bool:
        """Whether any bytes cross."""
        return bool(self.exports or self.imports)

    def __bool__(self) -> bool:
        return self.lane or bool(self.drops)

    def without_lane(self) -> Plan:
        """Return the same where all bytes stay lists."""
        return evolve(self, exports=frozenset(), imports=frozenset())


def plan(imports: Mapping[str, Extern], exports: Mapping[str, Extern]) -> Plan:
    """Return what is to be done to a guest of this type."""
    resources: dict[ResourceType, tuple[str, str]] = {}
    for home, name, resource in _resources("", exports):
        if not resource.imported:
            resources.setdefault(resource, (home, name))
    return Plan(
        _with_bytes(exports),
        _with_bytes(imports),
        {resource: f"airssys-drop-{i}" for i, resource in enumerate(resources)},
        tuple(resources.values()),
    )


def _resources(
    home: str, externs: Mapping[str, Extern]
) -> Iterator[tuple[str, str, ResourceType]]:
    """Yield resources with the path of their instance and their name."""
    for name, extern in externs.items():
        if isinstance(extern, ResourceType):
            yield home, name, extern
        elif isinstance(extern, InstanceType):
            inner = f"{home}#{name}" if home else name
            yield from _resources(inner, extern.exports)


def _with_bytes(externs: Mapping[str, Extern]) -> frozenset[str]:
    return frozenset(
        name for name, type_ in InstanceType(externs).functions() if _has_bytes(type_)
    )


def _has_bytes(type_: FuncType) -> bool:
    return any(part == BYTES for each in values(type_) for part in parts(each))
