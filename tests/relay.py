"""Run a real guest that passes every call on to the host's function of that name.

For each function of the interfaces it is given, the guest exports a function that
takes the arguments as they come, calls the import, and returns what that returned. So
a test calls the host as a guest does: through the canonical ABI, the engine and the
guard, with resources as handles in the guest's table. It is made of the types that the
functions carry, so it needs no toolchain.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Any, Final, cast

from attrs import define, field, frozen

from airssys.core.errors import GuestExited
from airssys.core.event import Denied
from airssys.core.grants.grants import Grants
from airssys.engine.component import Component, Engine
from airssys.engine.instance import Instance
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import Guard, HostInterface
from airssys.testing import Recorder
from airssys.witmodel.parse import parse_world
from airssys.witmodel.types import (
    Borrow,
    FuncType,
    InstanceType,
    List,
    Option,
    Own,
    ResourceType,
    Tuple,
    WitType,
)

from .canonical import (
    MAX_FLAT_PARAMS,
    MAX_FLAT_RESULTS,
    elem_size,
    flatten,
    flatten_params,
    inside,
    placed,
    types_of,
)
from .engine.guests import MEMORY
from .engine.made import Texts

__all__ = ("Relay", "relay", "relay_text", "watching")

_AREA: Final = 1024
"""Where the guest has results that are more than one core value."""


_seen: ContextVar[list[tuple[str, bool]] | None] = ContextVar("seen", default=None)


@contextmanager
def watching() -> Iterator[list[tuple[str, bool]]]:
    """Note the calls of this task's guests: the function, and whether it was allowed.

    A call that failed for another reason than a denial is not among them.
    """
    seen: list[tuple[str, bool]] = []
    token = _seen.set(seen)
    try:
        yield seen
    finally:
        _seen.reset(token)
        if (outer := _seen.get()) is not None:
            outer += seen


@define(eq=False)
class Relay:
    """A guest whose functions are the host's."""

    instance: Instance
    recorder: Recorder
    """Every event of the guard that `relay` made."""
    _offered: Sequence[HostInterface] = field(repr=False)

    @property
    def denied(self) -> list[Denied]:
        """What was refused, oldest first."""
        return self.recorder.of(Denied)

    async def __call__(self, function: str, *args: Any) -> Any:
        """Have the guest call a function of the host.

        Args:
            function: Such as ``filesystem#open`` or ``files#[method]file.read``; the
                interface with or without its package and version.
            args: What the guest passes. Objects of the host's stand for its resources,
                in the result too; a result that owns one gives it up to the caller.

        Raises:
            WitError: The host's function returned an ``err``.
        """
        before = len(self.denied)
        done = False
        try:
            value = await self.instance.call(_export(function), *args)
            done = True
        except GuestExited:
            done = True  # that is what the function is for
            raise
        finally:
            refused = {event.operation for event in self.denied[before:]}
            full = self._full(function)
            seen = _seen.get()
            if seen is not None and (done or full in refused):
                seen.append((full, full not in refused))
        return value

    async def drop(self, held: object) -> None:
        """Give an object of the host's to the guest, which drops its only handle."""
        await self.instance.call(f"drop-{self._resource(held)}", held)

    async def keep(self, held: object) -> None:
        """Give an object of the host's to the guest, which keeps it until it ends."""
        await self.instance.call(f"keep-{self._resource(held)}", held)

    def _full(self, function: str) -> str:
        """Return a function's name with its interface, package and version."""
        found = (
            f"{offer.name}#{name}"
            for offer in self._offered
            for name in offer.functions
        )
        export = _export(function)
        return next(full for full in found if _export(full) == export)

    def _resource(self, held: object) -> str:
        (name,) = (
            name
            for offer in self._offered
            for name, resource in offer.resources.items()
            if isinstance(held, resource.made)
        )
        return name


@asynccontextmanager
async def relay(
    interfaces: Sequence[HostInterface],
    *,
    grants: Grants | Standing | None = None,
    recorder: Recorder | None = None,
    guard: Guard | None = None,
    engine: Engine | None = None,
    name: str = "acme/guest",
    **options: Any,
) -> AsyncIterator[Relay]:
    """Run a guest that imports the interfaces, and every function that they offer.

    Args:
        interfaces: The host's; of each the guest imports the functions it has now, all
            of which carry their type (``wit=``).
        grants: What the guest may do; nothing by default. A `Standing` brings a budget.
        recorder: Gets events of denials, where the interfaces have their own `Gate`.
        guard: What stands before the functions; by default a `Gate` with the
            recorder.
        engine: Compiles the guest, once for all tests that pass the same engine; by
            default one engine for all tests.
        name: The component's.
        options: More for `Component.instantiate`, such as ``limits`` and ``actor``.
    """
    recorder = recorder or Recorder()
    offered = tuple(map(_Offered.of, interfaces))
    component = await _component(engine or _engine(), name, offered)
    instance = await component.instantiate(
        interfaces,
        grants=cast("Any", grants),
        guard=guard or Gate(recorder),
        **options,
    )
    with instance:
        yield Relay(instance, recorder, interfaces)


@frozen
class _Offered:
    """What a guest can import of an interface."""

    interface: str
    resources: tuple[str, ...]
    functions: tuple[tuple[str, str], ...]
    """Names and types."""

    @classmethod
    def of(cls, offer: HostInterface) -> _Offered:
        untyped = [each.name for each in offer.functions.values() if each.wit is None]
        assert not untyped, f"{offer.name} has functions without a type: {untyped}"
        functions = ((n, each.wit or "") for n, each in offer.functions.items())
        return cls(offer.name, tuple(offer.resources), tuple(functions))

    def mentions(self, other: _Offered) -> bool:
        """Tell whether a type here has the name of a resource of the other."""
        words = set(re.findall(r"[\w-]+", " ".join(t for _, t in self.functions)))
        return not words.isdisjoint(other.resources)


@cache
def _engine() -> Engine:
    return Engine(cache=False, optimize=False)


_compiled: dict[tuple[Engine, str, tuple[_Offered, ...]], Component] = {}


async def _component(
    engine: Engine, name: str, offered: tuple[_Offered, ...]
) -> Component:
    key = engine, name, offered
    if key not in _compiled:
        _compiled[key] = await engine.compile(_text(offered), name=name)
    return _compiled[key]


@cache
def _export(function: str) -> str:
    """Return the export that stands for a function of the host."""
    interface, _, name = function.rpartition("#")
    interface = interface.rpartition("/")[2].partition("@")[0]
    return f"{interface}-{re.sub(r'[^a-z0-9]+', '-', name).strip('-')}"


# --- the guest's text -------------------------------------------------------------


def relay_text(*interfaces: HostInterface) -> str:
    """Return the guest as component text."""
    return _text(tuple(map(_Offered.of, interfaces)))


def _text(offered: Iterable[_Offered]) -> str:
    guest = _Guest()
    ordered = list(_ordered(offered))
    for offer, extern in zip(ordered, _types(ordered), strict=True):
        guest.take(offer, extern)
    return guest.text()


def _ordered(offered: Iterable[_Offered]) -> Iterator[_Offered]:
    """Go through interfaces, those first whose resources others use."""
    left = list(offered)
    while left:
        ready = [
            one
            for one in left
            if not any(one.mentions(each) for each in left if each is not one)
        ]
        # A field's name can look like a resource.
        left.remove(first := (ready or left)[0])
        yield first


def _types(offered: Iterable[_Offered]) -> list[InstanceType]:
    lines: list[str] = []
    uses: list[str] = []
    for offer in offered:
        lines += (f"import {offer.interface}: interface {{", *uses)
        for resource in offer.resources:
            lines.append(f"resource {resource};")
            uses.append(f"use {offer.interface}.{{{resource}}};")
        types = ((n, re.sub(r"\bown<([^>]+)>", r"\1", t)) for n, t in offer.functions)
        lines += (f"{name}: {type_};" for name, type_ in types)
        lines.append("}")
    world = parse_world("\n".join(("world relay {", *lines, "}")))
    return [each for each in world.imports.values() if isinstance(each, InstanceType)]


@frozen
class _Drop:
    """Where a borrowed handle is among a function's parameters."""

    resource: str
    handle: str
    """Core code that gets the handle."""
    there: str = ""
    """Core code that tells whether there is one; empty: always."""
    many: str = ""
    """Core code that gets the length of a list, of which ``handle`` is the address."""
    stride: int = 4
    """Bytes of each element of the list, and where in it the handle is."""
    offset: int = 0

    @property
    def code(self) -> str:
        if self.many:
            at = f"(i32.mul (local.get $i) (i32.const {self.stride}))"
            handle = f"(i32.load offset={self.offset} (i32.add {self.handle} {at}))"
            return (
                f"(local.set $i {self.many}) (block $end (loop $next"
                " (br_if $end (i32.eqz (local.get $i)))"
                " (local.set $i (i32.sub (local.get $i) (i32.const 1)))"
                f" (call $drop-{self.resource} {handle}) (br $next)))"
            )
        drop = f"(call $drop-{self.resource} {self.handle})"
        return f"(if {self.there} (then {drop}))" if self.there else drop


def _drops(params: Sequence[WitType]) -> list[_Drop]:
    """Find the handles that the guest was lent: it must drop them when it is done."""
    flats = [flatten(param) for param in params]
    in_memory = sum(map(len, flats)) > MAX_FLAT_PARAMS
    found: list[_Drop] = []
    at = 0
    for (offset, param), cores in zip(placed(params), flats):
        handles = [part for part in inside(param) if isinstance(part, Borrow)]
        match param:
            case Borrow(resource) if in_memory:
                place = f"(i32.load offset={offset} (local.get 0))"
                found.append(_Drop(resource.name, place))
            case Borrow(resource):
                found.append(_Drop(resource.name, f"(local.get {at})"))
            case Option(Borrow(resource)) if not in_memory:
                place = f"(local.get {at + 1})"
                found.append(_Drop(resource.name, place, f"(local.get {at})"))
            case List(Borrow(resource)) if not in_memory:
                place, length = f"(local.get {at})", f"(local.get {at + 1})"
                found.append(_Drop(resource.name, place, many=length))
            case List(Tuple((*_, Borrow(resource))) as each) if not in_memory:
                place, length = f"(local.get {at})", f"(local.get {at + 1})"
                (*_, (within, _last)) = placed(each.elements)
                found.append(
                    _Drop(resource.name, place, "", length, elem_size(each), within)
                )
            case _:
                assert not handles, f"{param} holds borrowed handles"
        at += len(cores)
    return found


@define
class _Guest:
    """The parts of the guest's text."""

    outer: list[str] = field(factory=list)
    """Imported instances, and names of their types."""
    lowered: list[str] = field(factory=list)
    given: list[str] = field(factory=list)
    """What the core module is instantiated with."""
    taken: list[str] = field(factory=list)
    """What it imports."""
    code: list[str] = field(factory=list)
    lifted: list[str] = field(factory=list)
    exports: list[str] = field(factory=list)

    def take(self, offer: _Offered, extern: InstanceType) -> None:
        """Import an interface, and export what passes calls on to its functions."""
        interface, own = offer.interface, offer.resources
        host = f"host{len(self.outer)}"
        texts = Texts(mark=f"{host}-")
        functions = list(extern.functions())
        used = {
            part.resource
            for _, type_ in functions
            for part in types_of(type_)
            if isinstance(part, Own | Borrow)
        }
        resources = sorted(used | _defined(extern, own), key=lambda r: r.name)
        inside = [_resource(each.name, defined=each.name in own) for each in resources]
        signatures = [
            f'(export "{name}" (func {_signature(type_, texts)}))'
            for name, type_ in functions
        ]
        for index, text in enumerate(texts.named.values()):
            name = f"${texts.mark}{index}"
            export = f'(export "t{index}" (type {name} (eq {name}-0)))'
            inside.append(f"(type {name}-0 {text}) {export}")
        self.outer.append(
            f'(import "{interface}" (instance ${host} {" ".join(inside)}\n'
            + "\n".join(signatures)
            + "))"
        )
        named = [(f"t{i}", f"{texts.mark}{i}") for i in range(len(texts.named))]
        named += [(name, name) for name in own]
        aliases = (
            f'(alias export ${host} "{name}" (type ${outside}))'
            for name, outside in named
        )
        self.outer.append("\n".join(aliases))
        for resource in own:
            self.resource(resource)
        for name, type_ in functions:
            self.function(f"{interface}#{name}", host, name, type_, texts)

    def resource(self, name: str) -> None:
        """Export what drops a handle and what keeps one."""
        self.lowered.append(f"(core func $drop-{name} (canon resource.drop ${name}))")
        self.given.append(f'(export "drop-{name}" (func $drop-{name}))')
        self.taken.append(
            f'(import "host" "drop-{name}" (func $drop-{name} (param i32)))'
        )
        drop = f"(call $drop-{name} (local.get 0))"
        for export, body in ((f"drop-{name}", drop), (f"keep-{name}", "")):
            self.code.append(f'(func (export "{export}") (param i32) {body})')
            self.lifted.append(
                f'(func (export "{export}") (param "held" (own ${name}))'
                f' (canon lift (core func $c "{export}")))'
            )

    def function(
        self, full: str, host: str, name: str, type_: FuncType, texts: Texts
    ) -> None:
        """Export a function that calls the host's, and drops what it was lent."""
        export = _export(full)
        assert export not in self.exports, export
        self.exports.append(export)
        params = [param for _, param in type_.params]
        cores = flatten_params(params)
        results = [] if type_.result is None else flatten(type_.result)
        through = len(results) > MAX_FLAT_RESULTS
        memory = "(memory $mem) (realloc $realloc)"
        self.lowered.append(
            f'(core func ${export} (canon lower (func ${host} "{name}") {memory}))'
        )
        self.given.append(f'(export "{export}" (func ${export}))')
        in_area = " i32" if through else ""
        back = f"(result {results[0]})" if len(results) == 1 else ""
        self.taken.append(
            f'(import "host" "{export}" (func ${export}'
            f" (param {' '.join(cores)}{in_area}) {back}))"
        )
        passed = " ".join(f"(local.get {i})" for i in range(len(cores)))
        drops = " ".join(drop.code for drop in _drops(params))
        if through:
            area = f"(i32.const {_AREA})"
            body = (
                f"(result i32) (local $i i32) (call ${export} {passed} {area})"
                f" {drops} {area}"
            )
            after = " (post-return $reset)"
        else:
            body = (
                f"{back} (local $i i32) (call ${export} {passed}) {drops}"
                " (call $reset (i32.const 0))"
            )
            after = ""
        self.code.append(f'(func (export "{export}") (param {" ".join(cores)}) {body})')
        self.lifted.append(
            f'(func (export "{export}") {_signature(type_, texts)}'
            f' (canon lift (core func $c "{export}") {memory}{after}))'
        )

    def text(self) -> str:
        """Return the whole component."""
        return "\n".join(
            (
                "(component",
                *self.outer,
                MEMORY,
                *self.lowered,
                "(core module $code",
                '(import "host" "memory" (memory 1))',
                '(import "host" "reset" (func $reset (param i32)))',
                *self.taken,
                *self.code,
                ")",
                '(core instance $c (instantiate $code (with "host" (instance',
                '(export "memory" (memory $mem)) (export "reset" (func $reset))',
                *self.given,
                "))))",
                *self.lifted,
                ")",
            )
        )


def _resource(name: str, *, defined: bool) -> str:
    if defined:
        return f'(export "{name}" (type ${name} (sub resource)))'
    return (
        f"(alias outer 1 ${name} (type ${name}-0))"
        f' (export "{name}" (type ${name} (eq ${name}-0)))'
    )


def _defined(extern: InstanceType, names: Iterable[str]) -> set[ResourceType]:
    found = {extern.exports[name] for name in names}
    return {each for each in found if isinstance(each, ResourceType)}


def _signature(type_: FuncType, texts: Texts) -> str:
    params = " ".join(f'(param "{n}" {texts.text(t)})' for n, t in type_.params)
    result = "" if type_.result is None else f"(result {texts.text(type_.result)})"
    return f"{params} {result}"
