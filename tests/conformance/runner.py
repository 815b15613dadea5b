"""Run a script's directives through airssys, one after the other."""

from __future__ import annotations

from typing import Any, Final, TypeAlias, assert_never

from attrs import Factory, define, frozen

from airssys import (
    Component,
    Engine,
    Err,
    HostInterface,
    Instance,
    Limits,
    Ok,
    WitError,
)
from airssys.core.errors import (
    GuestTrapped,
    InstanceClosed,
    InvalidComponent,
    UnknownImport,
)
from airssys.engine.origin import Origin
from airssys.witmodel.types import FuncType, Result, WitType

from .offers import exports_of, test_host
from .reach import CORE_MODULE, out_of_reach, says
from .script import (
    Action,
    Await,
    Binary,
    Call,
    Define,
    Directive,
    Instantiate,
    Refusal,
    Register,
    Returns,
    Script,
    Thread,
    Traps,
    Unknown,
    Unreadable,
)
from .values import BadValue, difference, python_value
from .verdict import Outcome, Report, Verdict

__all__ = ("run_script",)

_LIMITS: Final = Limits(
    memory=1 << 33,
    timeout=30,
    table_elements=10_000_000,
    memories=10_000,
    tables=10_000,
    instances=10_000,
)
"""Room for what the suites make; a call that hangs fails by the timeout."""


class _Failure(Exception):
    """A directive does not hold."""


class _Skip(Exception):
    """A directive cannot be tried here."""


@frozen
class _Missing:
    """Stands for a component or an instance that was not made."""

    problem: _Failure | _Skip


_Made: TypeAlias = Instance | _Missing


async def run_script(script: Script, engine: Engine) -> Report:
    """Run a script.

    Args:
        script: The script.
        engine: What compiles its components.
    """
    runner = _Runner(engine)
    try:
        verdicts = [await runner.verdict(each) for each in script.directives]
    finally:
        runner.close()
    return Report(script.path, tuple(verdicts))


@define
class _Runner:
    """What the directives so far have made."""

    engine: Engine
    _components: dict[str | None, Component | _Missing] = Factory(dict)
    _instances: dict[str, _Made] = Factory(dict)
    _latest: _Made = _Missing(_Failure("no instance was made before"))
    _offers: dict[str, HostInterface] = Factory(
        lambda: {offer.name: offer for offer in test_host()}
    )
    _alive: list[Instance] = Factory(list)

    def close(self) -> None:
        """Close all instances."""
        for instance in self._alive:
            instance.close()

    async def verdict(self, directive: Directive) -> Verdict:
        """Run a directive and say how it went."""
        word = _word(directive)
        try:
            said = await self._run(directive)
        except _Skip as skip:
            return Verdict(directive.line, word, Outcome.SKIPPED, str(skip))
        except _Failure as failure:
            return Verdict(directive.line, word, Outcome.FAILED, str(failure))
        except Exception as error:  # noqa: BLE001 - the script's others go on
            reason = f"{type(error).__name__}: {error}"
            return Verdict(directive.line, word, Outcome.FAILED, reason)
        return Verdict(directive.line, word, Outcome.PASSED, said)

    async def _run(self, directive: Directive) -> str:
        """Run a directive; return what there is to say of it."""
        match directive:
            case Define(line, binary, name):
                self._components[name] = _Missing(_Failure(_needs("component", line)))
                try:
                    self._components[name] = await self._compiled(binary)
                except _Skip as skip:
                    self._components[name] = _Missing(skip)
                    raise
            case Instantiate():
                await self._make(directive)
            case Register(_, name, instance):
                self._offer(name, self._instance(instance))
            case Call(_, action):
                await self._call(action)
            case Returns(_, action, expected):
                value, type_ = await self._call(action)
                _compare(expected, value, type_)
            case Traps(_, _, what, text):
                return await self._trap(what, text)
            case Refusal():
                return await self._refusal(directive)
            case Thread() | Await():
                raise _Skip(f"{CORE_MODULE}: threads share a core module's memory")
            case Unreadable():
                raise self._unreadable(directive)
            case Unknown(_, kind):
                raise _Failure(f"the runner does not know the directive {kind!r}")
            case _:
                assert_never(directive)
        return ""

    # --- components and instances -------------------------------------------------

    async def _compiled(self, binary: Binary) -> Component:
        if binary.core:
            raise _Skip(CORE_MODULE)
        try:
            return await self.engine.compile(binary.source)
        except InvalidComponent as error:
            if reason := out_of_reach(error):
                raise _Skip(reason) from None
            raise

    async def _instantiated(self, component: Component) -> Instance:
        try:
            instance = await component.instantiate(
                tuple(self._offers.values()), limits=_LIMITS
            )
        except UnknownImport as error:
            if reason := out_of_reach(error):
                raise _Skip(reason) from None
            raise
        self._alive.append(instance)
        return instance

    async def _make(self, directive: Instantiate) -> None:
        name = directive.name
        made: _Made = _Missing(_Failure(_needs("instance", directive.line)))
        try:
            if directive.binary is not None:
                component = await self._compiled(directive.binary)
            else:
                component = self._component(directive.definition)
            made = await self._instantiated(component)
        except _Skip as skip:
            made = _Missing(skip)
            raise
        finally:
            self._latest = made
            if name is not None:
                self._instances[name] = made
        if name is not None:
            self._offer(name, made)

    def _component(self, name: str | None) -> Component:
        component = self._components.get(name)
        if component is None:
            raise _Failure(f"there is no component {name!r}")
        if isinstance(component, _Missing):
            raise component.problem
        return component

    def _instance(self, name: str | None) -> Instance:
        made = self._latest if name is None else self._instances.get(name)
        if made is None:
            raise _Failure(f"there is no instance {name!r}")
        if isinstance(made, _Missing):
            raise made.problem
        return made

    def _offer(self, name: str, instance: Instance) -> None:
        self._offers |= {offer.name: offer for offer in exports_of(instance, name)}

    def _unreadable(self, directive: Unreadable) -> _Skip:
        """Remember that what a directive makes is not there."""
        skip = _Skip(directive.reason)
        if directive.kind.endswith("definition"):
            self._components[directive.name] = _Missing(skip)
        elif directive.kind in ("component", "module"):
            self._latest = _Missing(skip)
            if directive.name is not None:
                self._instances[directive.name] = self._latest
        return skip

    # --- actions and assertions ---------------------------------------------------

    async def _call(self, action: Action) -> tuple[Any, WitType | None]:
        """Call a function; return its result, a WIT result's two sides alike."""
        instance = self._instance(action.instance)
        if action.get:
            raise _Failure("a component exports no globals")
        type_ = _function(instance.component, action.field)
        if len(action.args) != len(type_.params):
            raise _Failure(f"{action.field!r} takes {len(type_.params)} arguments")
        try:
            args = [
                python_value(const, of)
                for const, (_, of) in zip(action.args, type_.params)
            ]
        except BadValue as bad:
            raise _Failure(str(bad)) from None
        fallible = isinstance(type_.result, Result)
        try:
            value = await instance.call(action.field, *args)
        except WitError as error:
            return Err(error.value), type_.result
        return Ok(value) if fallible else value, type_.result

    async def _trap(self, what: Action | Binary, text: str) -> str:
        component = await self._compiled(what) if isinstance(what, Binary) else None
        try:
            if component is not None:
                value: object = await self._instantiated(component)
            else:
                assert isinstance(what, Action)
                value, _ = await self._call(what)
        except (GuestTrapped, InstanceClosed) as error:
            if not says(error, text):
                raise _Failure(f"expected the trap {text!r}, got: {error}") from None
            return str(error)
        raise _Failure(f"expected the trap {text!r}, got {value!r}")

    async def _refusal(self, directive: Refusal) -> str:
        """Try what must not work: to compile a component, or to link one."""
        if directive.binary.core:
            raise _Skip(CORE_MODULE)
        linking = directive.kind == "assert_unlinkable"
        component = await self._compiled(directive.binary) if linking else None
        try:
            if component is not None:
                await self._linked(component)
            else:
                await self.engine.compile(directive.binary.source)
        except (InvalidComponent, UnknownImport) as error:
            reason = out_of_reach(error)
            if reason is not None and directive.text not in str(error):
                raise _Skip(reason) from None
            return f"{error} (the script says {directive.text!r})"
        words = "can be linked" if linking else "is valid"
        raise _Failure(f"expected {directive.text!r}, but the component {words}")

    async def _linked(self, component: Component) -> None:
        instance = await component.instantiate(
            tuple(self._offers.values()), limits=_LIMITS
        )
        instance.close()


def _function(component: Origin, field: str) -> FuncType:
    """Return the type of a function that can be called."""
    functions = component.functions()
    if field not in functions:
        raise _Failure(f"no function {field!r} (there are: {', '.join(functions)})")
    try:
        component.function(field)
    except InvalidComponent as error:
        if reason := out_of_reach(error):
            raise _Skip(reason) from None
        raise
    return functions[field]


def _compare(expected: tuple[Any, ...], value: object, type_: WitType | None) -> None:
    if len(expected) != (type_ is not None):
        raise _Failure(f"the script expects {len(expected)} results, of {type_}")
    if type_ is not None and (found := difference(expected[0], value, type_)):
        raise _Failure(found)


def _word(directive: Directive) -> str:
    match directive:
        case (
            Traps(kind=kind)
            | Refusal(kind=kind)
            | Unreadable(kind=kind)
            | Unknown(kind=kind)
        ):
            return kind
        case Returns():
            return "assert_return"
        case Define():
            return "component definition"
        case Instantiate():
            return "component"
        case Call():
            return "invoke"
        case Await():
            return "wait"
        case _:
            return type(directive).__name__.lower()


def _needs(what: str, line: int) -> str:
    return f"needs the {what} of line {line}, which failed"
