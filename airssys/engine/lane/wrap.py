"""Write the outer component that stands between a guest and the host.

Text by text, in this order: the guest's place, imports as the host sees them, the
lane's memory, forwarders of imported functions, the guest's instance, forwarders of
exported functions, and the exports as the host sees them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Container, Mapping
from typing import Final

import wasmtime
from attrs import Factory, define, field, frozen

from ..types import (
    Enum,
    Extern,
    Flags,
    FuncType,
    InstanceType,
    Opaque,
    Own,
    RecordType,
    ResourceType,
    TypeDef,
    VariantType,
    WitType,
)
from .abi import flat, retyped, retyped_function
from .binary import IMPORTED, splice
from .declare import Ids, Names, Scope, Undeclarable, quoted
from .machine import NAME, machine, top
from .walk import Forwarders, Way, area

__all__ = ("Outer", "outer", "with_type_imports")

_IN_IMPORT: Final = "(export {name} (type {new} (eq {old})))"
_IMPORTED: Final = "(import {name} (type {new} (eq {old})))"
_EXPORTED: Final = "(export {new} {name} (type {old}))"
_PARTS: Final = {
    "memory": "memory",
    "top": "global",
    **dict.fromkeys(
        ("realloc", "done", "decode", "encode", "decode-at", "encode-at"), "func"
    ),
}
"""The parts of the lane's core module, and their sorts."""
_OPTIONS: Final = "(memory $lane-memory) (realloc $lane-realloc)"


@frozen
class Outer:
    """An outer component."""

    text: str
    """Component text, with an empty component in the guest's place."""
    exports: Mapping[str, FuncType]
    """The exported functions with bytes as the host sees them, by the name that
    `Instance.call` takes."""
    imports: Mapping[str, FuncType]
    """The imported functions with bytes, likewise."""
    drops: Mapping[ResourceType, str]
    """The functions that run the destructors of the guest's resources."""

    def joined(self, guest: bytes) -> bytes:
        """Return the binary of both."""
        return splice(bytes(wasmtime.wat2wasm(self.text)), guest)


def outer(
    imports: Mapping[str, Extern], exports: Mapping[str, Extern], *, lane: bool = True
) -> Outer | None:
    """Return the outer component for a guest.

    Args:
        imports: What the guest imports.
        exports: What it exports.
        lane: Whether lists of bytes are to cross as strings.

    Returns:
        None where there is nothing to do, or where an import cannot be written as text:
        a module, a component, a function of streams.
    """
    for crossing in (True, False) if lane else (False,):
        with contextlib.suppress(Undeclarable):
            return _Builder(imports, exports, lane=crossing).build()
    return None


def with_type_imports(
    imports: Mapping[str, Extern], exports: Mapping[str, Extern]
) -> tuple[dict[str, Extern], dict[str, Extern]]:
    """Return what a component imports and exports, read from its skeleton."""
    prefix = IMPORTED.decode()
    types = {name: e for name, e in exports.items() if name.startswith(prefix)}
    found = {name.removeprefix(prefix): extern for name, extern in types.items()}
    return {**imports, **found}, {n: e for n, e in exports.items() if n not in types}


def _retyped(
    externs: Mapping[str, Extern], *, lane: bool
) -> dict[str, dict[str, FuncType]]:
    """Return the retyped functions of each interface; the world's under ``""``."""
    found: dict[str, dict[str, FuncType]] = {}

    def look(home: str, functions: Mapping[str, Extern]) -> None:
        for name, extern in functions.items():
            if isinstance(extern, FuncType) and (type_ := retyped_function(extern)):
                found.setdefault(home, {})[name] = type_

    if lane:
        look("", externs)
        for name, extern in externs.items():
            if isinstance(extern, InstanceType) and _writable(extern):
                look(name, extern.exports)
    return found


def _writable(interface: InstanceType) -> bool:
    """Tell whether an interface can be written as text."""
    scope = Scope(Ids(), resource=lambda _: "")
    try:
        for extern in interface.exports.values():
            match extern:
                case FuncType():
                    scope.signature(extern)
                case TypeDef(type_):
                    scope.text(type_)
                case InstanceType() | Opaque():
                    return False
                case ResourceType():
                    pass
    except Undeclarable:
        return False
    return True


def _full(home: str, name: str) -> str:
    return f"{home}#{name}" if home else name


def _flattened(found: Mapping[str, Mapping[str, FuncType]]) -> dict[str, FuncType]:
    return {
        _full(home, name): type_
        for home, functions in found.items()
        for name, type_ in functions.items()
    }


@define
class _Crossing:
    """A function on its way through the lane."""

    home: str
    name: str
    original: FuncType
    retyped: FuncType
    core: str
    """What the core code calls it."""


@define
class _Builder:
    """The outer component under construction."""

    _imports: Mapping[str, Extern]
    _exports: Mapping[str, Extern]
    _lane: bool
    _ids: Ids = Factory(Ids)
    _lines: list[str] = Factory(list)
    _public: dict[WitType, tuple[str, str]] = Factory(dict)
    """Types that imported instances name: the instance, and the name."""
    _aliases: dict[WitType, str] = Factory(dict)
    """Identifiers of those that were used."""
    _drops: dict[ResourceType, str] = Factory(dict)
    """Core functions that drop a handle."""
    _functions: dict[str, str] = Factory(dict)
    """Identifiers of functions as they go on: to the guest, or to the host."""

    _root: Scope = field(init=False)
    """The component itself, where types need no names."""
    _world: Scope = field(init=False)
    """The same, for types that are imported by name."""
    _crosses: bool = False
    """Whether bytes cross as strings anywhere."""
    _start: int = 0
    """Where the lane's blocks begin in memory."""

    def build(self) -> Outer | None:
        inward = _retyped(self._imports, lane=self._lane)
        outward = _retyped(self._exports, lane=self._lane)
        own = self._own_resources()
        if not (inward or outward or own):
            return None
        self._root = Scope(self._ids, lines=self._lines, resource=self._unknown)
        self._crosses = bool(inward or outward)
        named = Names.read(self._imports, retype=self._crosses)
        self._world = Scope(
            self._ids,
            naming=_IMPORTED,
            wanted=named.of,
            elsewhere=self._from_instances,
            resource=self._root.resource_id,
            lines=self._lines,
        )
        self._lines.append("(component $guest)")
        instances = self._declare(inward, named)
        crossings = self._crossings(self._imports, inward)
        leaving = self._crossings(self._exports, outward)
        if crossings or leaving:
            areas = [area(each.retyped) for each in (*crossings, *leaving)]
            self._start = top(max(areas))
            self._lines += (
                machine(max(areas)),
                f"(core instance $lane (instantiate ${NAME}))",
                *(
                    f'(alias core export $lane "{name}" (core {sort} $lane-{name}))'
                    for name, sort in _PARTS.items()
                ),
            )
        self._forward(crossings, instances, "encode", "decode")
        self._instantiate(instances, inward)
        inner = self._take()
        self._functions.clear()
        self._forward(leaving, inner, "decode", "encode")
        public = self._give(inner, outward)
        drops = self._destructors(own, public)
        return Outer(
            "(component\n" + "\n".join(self._lines) + ")",
            _flattened(outward),
            _flattened(inward),
            drops,
        )

    def _own_resources(self) -> list[ResourceType]:
        """Return the resources that the guest defines and exports."""
        found: dict[ResourceType, None] = {}
        for extern in self._exports.values():
            inner = (
                extern.exports.values()
                if isinstance(extern, InstanceType)
                else (extern,)
            )
            for each in inner:
                if isinstance(each, ResourceType) and not each.imported:
                    found[each] = None
        return list(found)

    def _unknown(self, resource: ResourceType) -> str:
        raise Undeclarable(f"resource {resource.name} is exported nowhere")

    def _from_instances(self, type_: WitType) -> str | None:
        """Return a type by the name that an imported instance gives it."""
        if type_ not in self._public:
            return None
        if type_ not in self._aliases:
            instance, name = self._public[type_]
            new = self._aliases[type_] = self._ids("type")
            self._lines.append(f"(alias export {instance} {quoted(name)} (type {new}))")
        return self._aliases[type_]

    def _from_world(self, type_: WitType) -> str | None:
        return self._world.types.get(type_) or self._from_instances(type_)

    # Imports.

    def _declare(
        self, found: Mapping[str, Mapping[str, FuncType]], named: Names
    ) -> dict[str, str]:
        """Declare what is imported; return the identifiers of instances by name."""
        instances: dict[str, str] = {}
        for name, extern in self._imports.items():
            match extern:
                case InstanceType():
                    instances[name] = self._import(name, extern, found.get(name, {}))
                case TypeDef():
                    self._world.name(name, named.all[name])
                case ResourceType():
                    new = self._ids("resource")
                    known = self._root.resources.get(extern)
                    bound = "sub resource" if known is None else f"eq {known}"
                    self._lines.append(
                        f"(import {quoted(name)} (type {new} ({bound})))"
                    )
                    self._root.resources.setdefault(extern, new)
                case Opaque():
                    raise Undeclarable(f"{name} is a {extern}")
                case FuncType():
                    pass
        for name, extern in self._imports.items():
            if isinstance(extern, FuncType):
                new = self._ids("function")
                type_ = found.get("", {}).get(name, extern)
                self._lines.append(
                    f"(import {quoted(name)} "
                    f"(func {new} {self._world.signature(type_)}))"
                )
                self._functions[name] = new
        return instances

    def _import(
        self, name: str, interface: InstanceType, found: Mapping[str, FuncType]
    ) -> str:
        """Declare an interface; return the identifier of its instance."""
        instance = self._ids("import")
        named = Names.read(interface.exports, retype=self._crosses)
        scope = Scope(
            self._ids,
            naming=_IN_IMPORT,
            wanted=named.of,
            elsewhere=self._from_world,
            resource=self._root.resource_id,
        )
        owned: dict[ResourceType, str] = {}
        for inner, extern in interface.exports.items():
            if isinstance(extern, ResourceType):
                known = scope.resources.get(extern) or self._root.resources.get(extern)
                bound = "sub resource" if known is None else f"eq {known}"
                new = self._ids("resource")
                scope.lines.append(f"(export {quoted(inner)} (type {new} ({bound})))")
                scope.resources[extern] = new
                if known is None:
                    owned[extern] = inner
            elif isinstance(extern, InstanceType | Opaque):
                raise Undeclarable(f"{name}#{inner} is a {extern}")
        scope.name_all(named)
        for inner, extern in interface.exports.items():
            if isinstance(extern, FuncType):
                text = scope.function(found.get(inner, extern))
                scope.lines.append(f"(export {quoted(inner)} {text})")
        body = "\n  ".join(scope.lines)
        self._lines.append(f"(import {quoted(name)} (instance {instance}\n  {body}))")
        for resource, inner in owned.items():
            new = self._ids("resource")
            self._lines.append(
                f"(alias export {instance} {quoted(inner)} (type {new}))"
            )
            self._root.resources[resource] = new
        for given, type_ in scope.named.items():
            self._public.setdefault(type_, (instance, given))
        return instance

    def _instantiate(
        self,
        instances: Mapping[str, str],
        found: Mapping[str, Mapping[str, FuncType]],
    ) -> None:
        """Make the guest's instance."""
        given = []
        for name, extern in self._imports.items():
            match extern:
                case InstanceType():
                    ref = instances[name]
                    if name in found or self._differs(extern):
                        known = found.get(name, {})
                        ref = self._shim(name, extern, ref, {}, known)
                    given.append(f"(with {quoted(name)} (instance {ref}))")
                case FuncType():
                    given.append(
                        f"(with {quoted(name)} (func {self._functions[name]}))"
                    )
                case TypeDef(type_):
                    ref = self._root.type_id(type_)
                    given.append(f"(with {quoted(name)} (type {ref}))")
                case ResourceType():
                    ref = self._root.resources[extern]
                    given.append(f"(with {quoted(name)} (type {ref}))")
                case Opaque():
                    raise AssertionError(extern)
        self._lines.append(f"(instance $inner (instantiate $guest {' '.join(given)}))")

    def _aliased(self, instance: str, name: str) -> str:
        new = self._ids("function")
        self._lines.append(f"(alias export {instance} {quoted(name)} (func {new}))")
        return new

    def _differs(self, interface: InstanceType) -> bool:
        """Tell whether an interface's types are others for the host."""
        return self._crosses and any(
            isinstance(extern, TypeDef) and retyped(extern.type) != extern.type
            for extern in interface.exports.values()
        )

    # Forwarders.

    @staticmethod
    def _crossings(
        externs: Mapping[str, Extern], found: Mapping[str, Mapping[str, FuncType]]
    ) -> list[_Crossing]:
        crossings: list[_Crossing] = []
        for home, functions in found.items():
            interface = externs[home] if home else InstanceType(externs)
            assert isinstance(interface, InstanceType)
            for name, type_ in functions.items():
                original = interface.exports[name]
                assert isinstance(original, FuncType)
                core = f"f{len(crossings)}"
                crossings.append(_Crossing(home, name, original, type_, core))
        return crossings

    def _forward(
        self,
        crossings: list[_Crossing],
        instances: Mapping[str, str],
        inward: Way,
        outward: Way,
    ) -> None:
        """Lower functions, put core code in between, and lift them again."""
        if not crossings:
            return
        module, instance = self._ids("forwarders"), self._ids("forward")
        forwarders = Forwarders(self._start)
        lowered = []
        for each in crossings:
            forwarders.add(each.core, each.retyped, inward, outward)
            home = instances.get(each.home, "")
            function = (
                self._aliased(home, each.name) if home else self._functions[each.name]
            )
            new = self._ids("lowered")
            self._lines.append(
                f"(core func {new} (canon lower (func {function}) {_OPTIONS}))"
            )
            lowered.append(f'(export "{each.core}" (func {new}))')
        drops = []
        for index, resource in enumerate(forwarders.dropped):
            drops.append(f'(export "drop-{index}" (func {self._drop(resource)}))')
        self._lines += (
            forwarders.text(module[1:], NAME),
            f'(core instance {instance} (instantiate {module} (with "lane" (instance',
            *(f'  (export "{n}" ({sort} $lane-{n}))' for n, sort in _PARTS.items()),
            f"  {' '.join(drops)}))",
            f'  (with "to" (instance {" ".join(lowered)}))))',
        )
        for each in crossings:
            lifted = each.original if inward == "encode" else each.retyped
            self._functions[_full(each.home, each.name)] = self._lift(
                instance, each.core, lifted
            )

    def _drop(self, resource: ResourceType) -> str:
        """Return the core function that drops a handle."""
        if resource not in self._drops:
            new = self._ids("drop")
            self._lines.append(
                f"(core func {new} (canon resource.drop "
                f"{self._root.resource_id(resource)}))"
            )
            self._drops[resource] = new
        return self._drops[resource]

    def _lift(self, instance: str, core: str, type_: FuncType) -> str:
        signature = self._root.signature(type_)
        inner, new = self._ids("core"), self._ids("function")
        pointer = type_.result is not None and len(flat(type_.result)) > 1
        done = "(post-return $lane-done)" if pointer else ""
        self._lines += (
            f'(alias core export {instance} "{core}" (core func {inner}))',
            f"(func {new} {signature}",
            f"  (canon lift (core func {inner}) {_OPTIONS} {done}))",
        )
        return new

    # Exports.

    def _take(self) -> dict[str, str]:
        """Take interfaces and resources out of the guest's instance."""
        instances = {"": "$inner"}
        for name, extern in self._exports.items():
            if isinstance(extern, InstanceType):
                new = self._ids("export")
                self._lines.append(
                    f"(alias export $inner {quoted(name)} (instance {new}))"
                )
                instances[name] = new
                for inner, each in extern.exports.items():
                    if isinstance(each, ResourceType):
                        self._resource(new, inner, each)
            elif isinstance(extern, ResourceType):
                self._resource("$inner", name, extern)
        return instances

    def _resource(self, instance: str, name: str, resource: ResourceType) -> None:
        if resource not in self._root.resources:
            new = self._ids("resource")
            self._lines.append(f"(alias export {instance} {quoted(name)} (type {new}))")
            self._root.resources[resource] = new

    def _give(
        self, inner: Mapping[str, str], found: Mapping[str, Mapping[str, FuncType]]
    ) -> dict[ResourceType, str]:
        """Export everything; return how exported resources are known from then on."""
        public: dict[ResourceType, str] = {}

        def resource_id(resource: ResourceType) -> str:
            return public.get(resource) or self._root.resource_id(resource)

        named = Names.read(self._exports, retype=self._crosses)
        world = Scope(
            self._ids,
            naming=_EXPORTED,
            wanted=named.of,
            elsewhere=self._from_world,
            lines=self._lines,
            resource=resource_id,
        )
        for name, extern in self._exports.items():
            if isinstance(extern, InstanceType):
                ref = inner[name]
                shown = name in found or (self._differs(extern) and _writable(extern))
                if shown:
                    known = found.get(name, {})
                    ref = self._shim(name, extern, ref, known, known, public)
                new = self._ids("public")
                self._lines.append(f"(export {new} {quoted(name)} (instance {ref}))")
                names = Names.read(extern.exports, retype=shown and self._crosses)
                for each, known_type in names.all.items():
                    self._public.setdefault(known_type, (new, each))
                for each, resource in extern.exports.items():
                    if isinstance(resource, ResourceType) and resource not in public:
                        public[resource] = self._ids("resource")
                        self._lines.append(
                            f"(alias export {new} {quoted(each)} "
                            f"(type {public[resource]}))"
                        )
            elif isinstance(extern, ResourceType):
                public[extern] = self._ids("resource")
                self._lines.append(
                    f"(export {public[extern]} {quoted(name)} "
                    f"(type {self._root.resources[extern]}))"
                )
        world.name_all(named)
        for name, extern in self._exports.items():
            if isinstance(extern, FuncType):
                type_ = found.get("", {}).get(name)
                function = (
                    self._aliased("$inner", name)
                    if type_ is None
                    else self._functions[name]
                )
                try:
                    ascribed = world.function(type_ or extern)
                except Undeclarable:
                    ascribed = ""
                self._lines.append(
                    f"(export {quoted(name)} (func {function}) {ascribed})"
                )
        return public

    def _shim(
        self,
        home: str,
        interface: InstanceType,
        instance: str,
        changed: Mapping[str, FuncType],
        forwarded: Container[str],
        public: Mapping[ResourceType, str] | None = None,
    ) -> str:
        """Return an instance that exports an interface, its types by their names.

        A component must export the types of the functions it exports. A nested one can:
        it imports both and exports both.

        Args:
            home: The interface's name.
            interface: What it exports.
            instance: Where to take the functions that are not forwarded from.
            changed: The functions with other types than the interface's.
            forwarded: The functions that are forwarded.
            public: How exported resources are known; None: the instance is for the
                guest, and its types need no names outside.
        """
        retype = self._crosses and public is not None
        named = Names.read(interface.exports, retype=retype)
        given: list[str] = []
        lines: list[str] = []

        def resource_id(resource: ResourceType) -> str:
            new = self._ids("resource")
            name = quoted(f"resource-{len(given)}")
            ref = (public or {}).get(resource) or self._root.resource_id(resource)
            lines.append(f"(import {name} (type {new} (sub resource)))")
            given.append(f"(with {name} (type {ref}))")
            return new

        def other_id(type_: WitType) -> str | None:
            if not isinstance(type_, RecordType | VariantType | Enum | Flags):
                return None
            if public is not None and self._from_world(type_) is None:
                return None
            taken.name(self._ids("other")[1:], type_)
            return taken.types[type_]

        taken = Scope(
            self._ids,
            naming=_IMPORTED,
            wanted={type_: f"type-{name}" for type_, name in named.of.items()},
            elsewhere=other_id,
            resource=resource_id,
            lines=lines,
        )
        shown = Scope(
            self._ids,
            naming=_EXPORTED,
            wanted=named.of,
            inner=taken,
            elsewhere=lambda type_: taken.types.get(type_) or other_id(type_),
            resource=taken.resource_id,
            lines=lines,
        )
        for name, extern in interface.exports.items():
            if isinstance(extern, ResourceType):
                old, new = taken.resource_id(extern), self._ids("resource")
                lines.append(f"(export {new} {quoted(name)} (type {old}))")
                shown.resources[extern] = new
        shown.name_all(named)
        for name, extern in interface.exports.items():
            if not isinstance(extern, FuncType):
                continue
            type_ = changed.get(name, extern)
            function = (
                self._functions[_full(home, name)]
                if name in forwarded
                else self._aliased(instance, name)
            )
            new, outside = self._ids("function"), quoted(f"function-{len(given)}")
            taken_as = taken.signature(type_)
            lines.append(f"(import {outside} (func {new} {taken_as}))")
            shown_as = shown.function(type_)
            lines.append(f"(export {quoted(name)} (func {new}) {shown_as})")
            given.append(f"(with {outside} (func {function}))")
        for given_name, named_type in taken.named.items():
            ref = self._from_world(named_type) or self._root.type_id(named_type)
            given.append(f"(with {quoted(given_name)} (type {ref}))")
        shim, new = self._ids("shim"), self._ids("instance")
        self._lines += (
            f"(component {shim}\n  " + "\n  ".join(lines) + ")",
            f"(instance {new} (instantiate {shim} {' '.join(given)}))",
        )
        return new

    def _destructors(
        self, own: list[ResourceType], public: Mapping[ResourceType, str]
    ) -> dict[ResourceType, str]:
        """Export a function for each of the guest's resources that drops a handle."""
        drops: dict[ResourceType, str] = {}
        for index, resource in enumerate(own):
            name, new = f"airssys-drop-{index}", self._ids("function")
            handle = self._root.text(Own(resource))
            shown = f"(own {public[resource]})"
            self._lines += (
                f'(func {new} (param "handle" {handle})',
                f"  (canon lift (core func {self._drop(resource)})))",
                f'(export "{name}" (func {new}) (func (param "handle" {shown})))',
            )
            drops[resource] = name
        return drops
