"""Tell which functions of a guest have bytes, and which resources are its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve, frozen

from ...witmodel.types import Extern, FuncType, InstanceType, Own, ResourceType
from .abi import BYTES, parts, values

__all__ = ("Drop", "LanePlan", "plan_lane")


@frozen
class Drop:
    """A function put into a guest that runs the destructor of one of its resources."""

    resource: ResourceType
    export: str
    """Its name there."""
    home: str
    """The path of an instance that exports the resource; empty: the world does."""
    name: str
    """The resource's name there."""

    @property
    def label(self) -> str:
        """What errors call it."""
        home = f"{self.resource.home}#" if self.resource.home else ""
        return f"{home}[resource-drop]{self.resource.name}"

    @property
    def type(self) -> FuncType:
        return FuncType((("handle", Own(self.resource)),))


@frozen
class LanePlan:
    """What is to be put into a guest: forwarders of bytes, and functions that drop."""

    exports: frozenset[str] = frozenset()
    """The exported functions with bytes, by the name that `Instance.call` takes."""
    imports: frozenset[str] = frozenset()
    """The imported functions with bytes, likewise."""
    drops: tuple[Drop, ...] = ()

    @property
    def lane(self) -> bool:
        """Whether any bytes cross."""
        return bool(self.exports or self.imports)

    def __bool__(self) -> bool:
        return self.lane or bool(self.drops)

    def without_lane(self) -> LanePlan:
        """Return the plan without forwarders: bytes stay lists."""
        return evolve(self, exports=frozenset(), imports=frozenset())


def plan_lane(imports: Mapping[str, Extern], exports: Mapping[str, Extern]) -> LanePlan:
    """Return what is to be put into a guest of this type."""
    drops: dict[ResourceType, Drop] = {}
    for home, name, resource in _resources("", exports):
        if not resource.imported and resource not in drops:
            export = f"airssys-drop-{len(drops)}"
            drops[resource] = Drop(resource, export, home, name)
    return LanePlan(_with_bytes(exports), _with_bytes(imports), tuple(drops.values()))


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
