"""Tie the classes of a bindings' module to the types of a component, at run time."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeAlias, TypeVar

from attrs import field, frozen

from ..core.errors import InvalidComponent
from ..hostcalls.call import Call
from ..hostcalls.interface import HostFunction, HostInterface, HostResource
from ..witmodel.agreement import agreement
from ..witmodel.functype import compared
from ..witmodel.parse import World, parse_world
from ..witmodel.types import (
    Enum,
    Extern,
    Flags,
    FuncType,
    InstanceType,
    RecordType,
    ResourceType,
    Shapes,
    TypeDef,
    VariantType,
    shortened,
)
from .names import members

__all__ = ("Answer", "Bindings")

_T = TypeVar("_T")

Answer: TypeAlias = _T | Awaitable[_T]
"""What a host's function returns: ``def`` works as well as ``async def``."""


@frozen
class Bindings:
    """What a module of bindings was made for, and its classes."""

    wit: str
    """The world, as text."""
    classes: Mapping[str, Any] = field(factory=dict)
    """The class of each named type, by its place in the text, such as
    ``import acme:kv/store@1.0.0#entry``; for a variant, a class for each case."""

    def shapes(
        self,
        component: str,
        imports: Mapping[str, Extern],
        exports: Mapping[str, Extern],
    ) -> Shapes:
        """Return the classes for a component's types: see `Component.bind`.

        Raises:
            InvalidComponent: Its exports differ; lists every difference.
        """
        world = self._world(imports, exports)
        if differences := list(_differences(world.exports, exports)):
            lines = "".join(f"\n  {each}" for each in differences)
            raise InvalidComponent(
                component,
                f"its exports are not what the bindings were made for:{lines}",
            )
        return self._shapes(world)

    def named(self) -> Iterator[tuple[Any, Extern | None]]:
        """Yield the classes, each with the type it is for, in the module's order."""
        world = self._world({}, {})
        for path, made in self.classes.items():
            yield made, _at(world, path)

    def offer(self, interface: str, implementation: object) -> HostInterface:
        """Offer an object's methods to guests.

        Args:
            interface: An interface that the world imports; empty: its own functions.
            implementation: What has a method for each function.

        Raises:
            TypeError: Methods are missing; names them.
        """
        externs: Mapping[str, Extern] = self._world({}, {}).imports
        if interface:
            extern = externs[interface]
            assert isinstance(extern, InstanceType)
            externs = extern.exports
        made = HostInterface(interface, shapes=self._imported)
        functions = {n: e for n, e in externs.items() if isinstance(e, FuncType)}
        plain = [name for name in functions if not name.startswith("[method]")]
        attributes = members(plain)
        missing = [a for a in attributes.values() if not _callable(implementation, a)]
        if missing:
            raise TypeError(
                f"{type(implementation).__name__} has no method {', '.join(missing)}: "
                f"it cannot be offered as {interface or 'functions of the world'}"
            )
        for name, attribute in attributes.items():
            body = getattr(implementation, attribute)
            _add(made, name, functions[name], body, count=len(functions[name].params))
        for name, extern in externs.items():
            if isinstance(extern, ResourceType) and extern.home == interface:
                self._resource(made, name, functions)
        return made

    def _resource(
        self, made: HostInterface, name: str, functions: Mapping[str, FuncType]
    ) -> None:
        """Offer a resource, whose objects the other functions make."""
        methods = members(f for f in functions if f.startswith(f"[method]{name}."))
        path = f"import {made.name}#{name}" if made.name else f"import {name}"
        made.resources[name] = HostResource(
            name, self.classes[path], _dropping(set(methods.values()))
        )
        for method, attribute in methods.items():
            count = len(functions[method].params)
            _add(made, method, functions[method], _method(attribute), count=count)

    def _imported(self, imports: Mapping[str, Extern]) -> Shapes:
        return self._shapes(self._world(imports, {}))

    def _world(
        self, imports: Mapping[str, Extern], exports: Mapping[str, Extern]
    ) -> World:
        """Read the world with the resources of a component in it."""
        known = {
            (resource.imported, agreement(resource.home), resource.name): resource
            for resource in (*_resources(imports), *_resources(exports))
        }

        def find(resource: ResourceType) -> ResourceType:
            key = (resource.imported, agreement(resource.home), resource.name)
            return known.get(key, resource)

        return parse_world(self.wit, find)

    def _shapes(self, world: World) -> Shapes:
        records: dict[RecordType, Callable[..., object]] = {}
        variants: dict[VariantType, Mapping[str, type]] = {}
        enums: dict[Enum, Mapping[str, str]] = {}
        flags: dict[Flags, type[enum.Flag]] = {}
        resources: dict[ResourceType, Callable[..., object]] = {}
        for path, made in self.classes.items():
            match _at(world, path):
                case TypeDef(RecordType() as record):
                    records[record] = made
                case TypeDef(VariantType(cases) as variant):
                    variants[variant] = {
                        name: case for (name, _), case in zip(cases, made)
                    }
                case TypeDef(Enum() as one_of):
                    enums[one_of] = {member.value: member for member in made}
                case TypeDef(Flags() as several):
                    flags[several] = made
                case ResourceType(imported=False) as resource:
                    resources[resource] = made
                case _:
                    pass  # a host's resource needs no class; or the component lacks it
        return Shapes(records, variants, enums, flags, resources=resources)


def _at(world: World, path: str) -> Extern | None:
    word, _, place = path.partition(" ")
    externs = world.imports if word == "import" else world.exports
    home, hash_, name = place.rpartition("#")
    if not hash_:
        return externs.get(name)
    extern = externs.get(home)
    return extern.exports.get(name) if isinstance(extern, InstanceType) else None


def _resources(externs: Mapping[str, Extern]) -> Iterator[ResourceType]:
    for extern in externs.values():
        if isinstance(extern, InstanceType):
            yield from _resources(extern.exports)
        elif isinstance(extern, ResourceType):
            yield extern


# --- what differs -----------------------------------------------------------------


def _differences(
    expected: Mapping[str, Extern], found: Mapping[str, Extern], home: str = ""
) -> Iterator[str]:
    for name, extern in expected.items():
        full, other = f"{home}{name}", found.get(name)
        if other is None and not home:
            wanted = agreement(name)  # a compatible version will do
            alike = (each for at, each in found.items() if agreement(at) == wanted)
            other = next(alike, None)
        if isinstance(extern, InstanceType):
            if isinstance(other, InstanceType):
                yield from _differences(extern.exports, other.exports, f"{full}#")
            elif any(isinstance(e, FuncType) for e in extern.exports.values()):
                yield f"interface {full!r} is missing"
        elif isinstance(extern, FuncType):
            if not isinstance(other, FuncType):
                yield f"{full!r} is missing: {shortened(extern)}"
            elif not _alike(extern, other):
                one, another = _shown(other, extern)
                yield f"{full!r} has type {one}, the bindings' is {another}"


def _alike(one: FuncType, other: FuncType) -> bool:
    """Compare functions' types; the names of parameters may differ."""
    return (
        one.is_async == other.is_async
        and one.result == other.result
        and [type_ for _, type_ in one.params] == [type_ for _, type_ in other.params]
    )


def _shown(found: FuncType, expected: FuncType) -> tuple[str, str]:
    one, other = (str(each).removeprefix("async ") for each in (found, expected))
    if found.is_async == expected.is_async and (differing := compared(one, other)):
        return differing
    return shortened(found), shortened(expected)


# --- what a host offers -----------------------------------------------------------


def _callable(implementation: object, name: str) -> bool:
    return callable(getattr(implementation, name, None))


def _add(
    made: HostInterface,
    name: str,
    type_: FuncType,
    body: Callable[..., object],
    *,
    count: int,
) -> None:
    made.functions[name] = HostFunction(
        name, body, fewest=count, most=count, wit=str(type_)
    )


def _method(attribute: str) -> Callable[..., object]:
    """Return the body that calls a method of a resource's object."""

    def body(call: Call, resource: Any, /, *args: Any) -> object:
        return getattr(resource, attribute)(call, *args)

    return body


def _dropping(methods: set[str]) -> Callable[[Any], object]:
    """Return what runs an object's ``drop`` or else ``close``, if they are no more."""
    names = [name for name in ("drop", "close") if name not in methods]

    def drop(resource: Any) -> None:
        for name in names:
            method = getattr(resource, name, None)
            if callable(method) and not inspect.iscoroutinefunction(method):
                method()
                return

    return drop
