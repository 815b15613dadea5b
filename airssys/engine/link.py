"""Match what a component imports with what a host offers, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import wasmtime
from attrs import frozen
from wasmtime.component import Linker

from ..abc import Call, HostFunction, HostInterface
from ..core.errors import UnknownImport
from ..core.functype import compared
from . import _ffi
from .layout import Unsupported
from .signature import ImportSignature
from .types import Extern, FuncType, InstanceType, Opaque, TypeDef, shortened

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
        return Call(caller.component, caller.actor, self.name, caller.grants)


class Link:
    """One linker, which serves all instances of a component with the same imports."""

    __slots__ = ("_linker", "functions", "pointer")

    def __init__(self, linker: Linker, functions: list[Linked]) -> None:
        self._linker = linker
        self.pointer: int = _ffi.address(linker.ptr())
        self.functions: list[Linked] = functions

    def lift(self, index: int, arguments: int) -> list[object]:
        """Read the parameters of a host call."""
        return self.functions[index].signature.lift(arguments)


def _version(name: str) -> tuple[str, tuple[int, ...]]:
    """Split ``acme:kv/store@1.2.3`` into the name and what must agree of the version.

    wasmtime's rule: versions agree when they are compatible in the sense of semver,
    so from 1.0 on the first number counts, and below it the first that is not 0.
    """
    base, _, version = name.partition("@")
    numbers = version.partition("-")[0].partition("+")[0].split(".")
    if not version or "-" in version or not all(n.isdecimal() for n in numbers):
        return name, ()
    parts = tuple(map(int, numbers))
    leading = next((i for i, part in enumerate(parts) if part), len(parts) - 1)
    return base, parts[: leading + 1]


def _offer(name: str, offered: Sequence[HostInterface]) -> HostInterface | None:
    """Find the interface for an import: by its name, else by a compatible version."""
    exact = next((o for o in offered if o.name == name), None)
    if exact is not None:
        return exact
    wanted = _version(name)
    return next((o for o in offered if o.name and _version(o.name) == wanted), None)


def link(
    engine: wasmtime.Engine,
    component: str,
    imports: Mapping[str, Extern],
    offered: Sequence[HostInterface],
) -> Link:
    """Link what a component imports with host interfaces.

    Args:
        engine: The engine of the component.
        component: Its name, for the error.
        imports: What it imports.
        offered: The interfaces to take it from.

    Raises:
        UnknownImport: Something is missing, or takes another number of parameters, or
            has another type than the host's, or one that cannot be passed. The error
            lists every problem.
    """
    linker = Linker(engine)
    functions: list[Linked] = []
    problems: list[str] = []

    def add(
        place: Any, name: str, type_: FuncType, offer: HostInterface | None
    ) -> None:
        full = f"{offer.name}#{name}" if offer is not None and offer.name else name
        function = None if offer is None else offer.functions.get(name)
        if function is None:
            problems.append(f"{full!r} is missing: {shortened(type_)}")
            return
        if function.wit is not None and (
            differing := compared(str(type_), function.wit)
        ):
            found, expected = differing
            problems.append(f"{full!r} has type {found}, the host's is {expected}")
            return
        if not function.takes(len(type_.params)):
            problems.append(
                f"{full!r} takes {len(type_.params)} parameters, the host's function "
                f"{_counted(function)}"
            )
            return
        try:
            signature = ImportSignature(full, type_)
        except Unsupported as unsupported:
            words = f"{full!r} has a {unsupported} in its type: {shortened(type_)}"
            problems.append(words)
            return
        text = name.encode()
        _ffi.linker_add_func_async(
            _ffi.address(place.ptr()),
            text,
            len(text),
            _ffi.HOST_CALL,
            len(functions),
            _NO_FINALIZER,
        )
        functions.append(Linked(full, function, signature))

    with linker.root() as root:
        world = _offer("", offered)
        for name, extern in imports.items():
            match extern:
                case FuncType():
                    add(root, name, extern, world)
                case InstanceType():
                    offer = _offer(name, offered)
                    if offer is None and any(True for _ in extern.functions()):
                        problems.append(f"interface {name!r} is missing")
                        continue
                    with root.add_instance(name) as place:
                        for inner, type_ in extern.exports.items():
                            if isinstance(type_, FuncType):
                                add(place, inner, type_, offer)
                            elif not isinstance(type_, TypeDef):
                                kind = (
                                    type_ if isinstance(type_, Opaque) else "instance"
                                )
                                problems.append(
                                    f"'{name}#{inner}' is a {kind}, which cannot be "
                                    "offered"
                                )
                case TypeDef():
                    pass  # a name for a type; nothing to offer
                case Opaque():
                    problems.append(f"{name!r} is a {extern}, which cannot be offered")
    if problems:
        names = tuple(o.name or "functions of the world" for o in offered)
        raise UnknownImport(component, tuple(problems), names)
    return Link(linker, functions)


def _counted(function: HostFunction) -> str:
    if function.most is None:
        return f"at least {function.fewest}"
    if function.fewest == function.most:
        return f"{function.most}"
    return f"{function.fewest} to {function.most}"
