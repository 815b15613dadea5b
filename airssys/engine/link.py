"""Match what a component imports with what a host offers, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Final, Never

import wasmtime
from attrs import Factory, define, evolve, frozen
from wasmtime.component import Linker

from ..core.errors import GuestTrapped, UnknownImport
from ..hostcalls.call import Call
from ..hostcalls.interface import HostFunction, HostInterface, HostResource, Missing
from ..witmodel.agreement import agreement
from ..witmodel.functype import compared
from ..witmodel.types import (
    Extern,
    FuncType,
    InstanceType,
    Opaque,
    ResourceType,
    Shapes,
    TypeDef,
    shortened,
)
from . import _ffi
from .borrows import has_several_borrows, several_borrows
from .resource import Hosted, LiftParameters
from .signature import ImportSignature
from .values.layout import Unsupported

__all__ = ("Link", "Linked", "link")

_NO_FINALIZER: Final = None


@frozen
class Linked:
    """A host function at its place in one component."""

    name: str
    function: HostFunction
    signature: ImportSignature

    def call(self, caller: Call) -> Call:
        """Return the caller's identity for a call of this function."""
        return evolve(caller, function=self.name)


class Link:
    """One linker, which serves all instances of a component with the same imports."""

    __slots__ = ("_linker", "functions", "lifts", "pointer", "resources", "slow")

    def __init__(
        self,
        linker: Linker,
        functions: list[Linked],
        resources: dict[ResourceType, Hosted],
    ) -> None:
        self._linker = linker
        self.pointer: int = _ffi.address(linker.ptr())
        self.functions: list[Linked] = functions
        self.lifts: list[LiftParameters] = [e.signature.lift for e in functions]
        """What reads the parameters of a call of each function."""
        self.resources: dict[ResourceType, Hosted] = resources
        self.slow: bool = any(each.signature.slow for each in functions)
        """Whether calls are to be polled in threads: see `Store.slow`."""


def _offer(name: str, offered: Sequence[HostInterface]) -> HostInterface | None:
    """Find the interface for an import: by its name, else by a compatible version."""
    exact = next((o for o in offered if o.name == name), None)
    if exact is not None:
        return exact
    wanted = agreement(name)
    return next((o for o in offered if o.name and agreement(o.name) == wanted), None)


def link(
    engine: wasmtime.Engine,
    component: str,
    imports: Mapping[str, Extern],
    offered: Sequence[HostInterface],
    *,
    missing: Missing = "refuse",
    lane: AbstractSet[str] = frozenset(),
    borrows_one: bool = False,
    signatures: dict[str, ImportSignature] | None = None,
) -> Link:
    """Link what a component imports with host interfaces.

    Args:
        engine: The engine of the component.
        component: Its name, for the error.
        imports: What it imports.
        offered: The interfaces to take it from. One called ``a#b`` offers the instance
            ``b`` within the instance ``a``.
        missing: What happens where nobody offers a function or resource: the component
            is refused, or whatever calls it traps.
        lane: Functions whose bytes cross in one piece, by their names as imports.
        borrows_one: Whether wasmtime passes one borrowed handle at most, and traps
            where there are more: functions that take more are missing.
        signatures: How functions cross whose values have no classes of their own: used
            again where they are there, else kept there. By their names as imports.

    Raises:
        UnknownImport: Something is missing, or takes another number of parameters, or
            has another type than the host's, or one that cannot be passed. The error
            lists every problem.
    """
    # None of wasmtime's own WASI: `add_wasip2_async` aborts the process when a guest
    # sleeps, as no reactor runs here, and `add_wasip2` blocks the loop all the while.
    linker = Linker(engine)
    kept = {} if signatures is None else signatures
    traps = missing == "trap"
    linking = _Linking(component, imports, offered, traps, lane, borrows_one, kept)
    with linker.root() as root:
        linking.instance(root, "", imports)
    if linking.problems:
        names = tuple(o.name or "functions of the world" for o in offered)
        raise UnknownImport(component, tuple(linking.problems), names)
    return Link(linker, linking.functions, linking.resources)


@define
class _Linking:
    """What was linked so far."""

    component: str
    imports: Mapping[str, Extern]
    offered: Sequence[HostInterface]
    traps: bool
    """Whether what is missing traps where it is called."""
    lane: AbstractSet[str]
    borrows_one: bool
    signatures: dict[str, ImportSignature]
    functions: list[Linked] = Factory(list)
    resources: dict[ResourceType, Hosted] = Factory(dict)
    problems: list[str] = Factory(list)

    def instance(self, place: Any, name: str, externs: Mapping[str, Extern]) -> None:
        """Link an instance; the world is the one without a name."""
        offer = _offer(name, self.offered)
        needed = any(isinstance(e, FuncType | ResourceType) for e in externs.values())
        if name and needed and offer is None and not self.traps:
            self.problems.append(f"interface {name!r} is missing")
            return
        shapes = Shapes()
        if offer is not None and offer.shapes is not None:
            shapes = offer.shapes(self.imports)
        for inner, extern in externs.items():
            match extern:
                case FuncType():
                    path = _full(inner, name)
                    crossing = evolve(shapes, lane=path in self.lane)
                    self.function(place, inner, extern, offer, crossing, path)
                case ResourceType():
                    self.resource(place, inner, extern, offer)
                case InstanceType() if offer is not None and inner in offer.functions:
                    self.problems.append(
                        f"{_full(inner, name)!r} is an instance, the host's a function"
                    )
                case InstanceType():
                    path = f"{name}#{inner}" if name else inner
                    with place.add_instance(inner) as within:
                        self.instance(within, path, extern.exports)
                case TypeDef():
                    pass  # a name for a type; nothing to offer
                case Opaque():
                    full = _full(inner, name)
                    self.problems.append(
                        f"{full!r} is a {extern}, which cannot be offered"
                    )

    def function(
        self,
        place: Any,
        name: str,
        type_: FuncType,
        offer: HostInterface | None,
        shapes: Shapes,
        path: str,
    ) -> None:
        full = _full(name, offer.name) if offer is not None else path
        function = None if offer is None else offer.functions.get(name)
        if function is None and self.traps:
            function = _absent(self.component, path, name)
        if function is None:
            self.problems.append(f"{full!r} is missing: {shortened(type_)}")
            return
        if problem := _unfit(type_, function):
            self.problems.append(f"{full!r} {problem}")
            return
        if self.borrows_one and not self.traps and has_several_borrows(type_):
            self.problems.append(f"{full!r} {several_borrows()}: {shortened(type_)}")
            return
        general = offer is not None and offer.shapes is None
        signature = self.signatures.get(path) if general else None
        if signature is None or signature.name != full:
            try:
                signature = ImportSignature(full, type_, shapes)
            except Unsupported as unsupported:
                self.problems.append(
                    f"{full!r} has a {unsupported} in its type: {shortened(type_)}"
                )
                return
            if general:
                self.signatures[path] = signature
        text = name.encode()
        _ffi.linker_add_func_async(
            _ffi.address(place.ptr()),
            text,
            len(text),
            _ffi.HOST_CALL,
            len(self.functions),
            _NO_FINALIZER,
        )
        self.functions.append(Linked(full, function, signature))

    def resource(
        self, place: Any, name: str, type_: ResourceType, offer: HostInterface | None
    ) -> None:
        hosted = self.resources.get(type_)
        found = None if offer is None else offer.resources.get(name)
        full = _full(name, offer.name if offer is not None else "")
        if found is None and hosted is None and self.traps:
            found = HostResource(name, _Absent)
        if hosted is None:
            if found is None:
                self.problems.append(f"{full!r} is missing: resource")
                return
            hosted = self.resources[type_] = Hosted(len(self.resources), found)
        elif found is not None and hosted.offer.made is _Absent:
            # It was missing where the component first names it, and is offered here.
            hosted = self.resources[type_] = Hosted(hosted.index, found)
        elif found is not None and found.made is not hosted.offer.made:
            self.problems.append(
                f"{full!r} is {found.made.__name__}, the component expects the "
                f"resource {type_.name!r}: {hosted.offer.made.__name__}"
            )
            return
        text = name.encode()
        c_type = _ffi.resource_type_new(hosted.index)
        _ffi.linker_add_resource(
            _ffi.address(place.ptr()),
            text,
            len(text),
            c_type,
            _ffi.DROPPED,
            None,
            _NO_FINALIZER,
        )
        _ffi.resource_type_delete(c_type)


class _Absent:
    """A resource that nobody offers: none can be made."""


def _absent(component: str, path: str, name: str) -> HostFunction:
    """Return what stands in for a function that nobody offers."""

    def body(*_: object) -> Never:
        reason = "the component imports it, and nobody offers it"
        raise GuestTrapped(component, path, "missing-import", reason)

    return HostFunction(name, body, needed="nothing: it does nothing")


def _full(name: str, interface: str) -> str:
    return f"{interface}#{name}" if interface else name


def _unfit(type_: FuncType, function: HostFunction) -> str:
    """Return what is wrong with an import's type for a host function."""
    if type_.is_async:
        return f"is an async func, which wasmtime's C API cannot link: {type_}"
    if function.wit is not None and (differing := compared(str(type_), function.wit)):
        found, expected = differing
        return f"has type {found}, the host's is {expected}"
    if not function.takes(len(type_.params)):
        return (
            f"takes {len(type_.params)} parameters, the host's function "
            f"{_counted(function)}"
        )
    return ""


def _counted(function: HostFunction) -> str:
    if function.most is None:
        return f"at least {function.fewest}"
    if function.fewest == function.most:
        return f"{function.most}"
    return f"{function.fewest} to {function.most}"
