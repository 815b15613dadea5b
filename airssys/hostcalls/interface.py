"""Offer functions and resources to guests, interface by interface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import methodcaller
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar, get_args, overload

from attrs import define, field, frozen

from ..witmodel.functype import nameless
from .bodies import (
    FunctionOptions,
    Needs,
    Part,
    dashed,
    drop_of,
    kebab,
    keep_options,
    parameters_of,
    parts_of,
)
from .call import Call

__all__ = (
    "Guard",
    "HostFunction",
    "HostInterface",
    "HostResource",
    "Missing",
    "Needs",
    "check_missing",
)

_F = TypeVar("_F", bound=Callable[..., object])
_C = TypeVar("_C", bound=type)
Missing: TypeAlias = Literal["refuse", "trap"]
"""What to do about an import that nobody offers."""
_MISSING: Final = get_args(Missing)


@frozen
class HostFunction:
    """One function a host offers to guests."""

    name: str
    """The WIT name, in kebab case."""
    body: Callable[..., object]
    """Called as ``body(call, *parameters)``; a coroutine it returns is awaited."""
    needs: Needs | None = None
    fewest: int = 0
    """WIT parameters the body takes at the least, and at the most; None: any number."""
    most: int | None = None
    denied: Callable[[str], object] | None = None
    """Builds the ``err`` value that tells the guest of a denial; None: it ends it."""
    needed: str = ""
    """What it needs, in words, or why nothing: airssys's own functions say so."""
    wit: str | None = None
    """Its type, such as ``func(key: string) -> bool``; None: any the body takes."""

    def takes(self, parameters: int) -> bool:
        """Tell whether the body can be called with that many WIT parameters."""
        return self.fewest <= parameters and (
            self.most is None or parameters <= self.most
        )


@frozen
class HostResource:
    """A resource that a host offers to guests: what it is in Python."""

    name: str
    """The WIT name, in kebab case."""
    made: type
    """The class of its objects."""
    drop: Callable[[Any], object] | None = None
    """Called with an object when the guest has no handle of it any more."""


@define
class HostInterface:
    """An interface that a host offers for import, function by function.

    >>> kv = HostInterface("acme:kv/store@1.0.0")
    >>> @kv.function
    ... async def get(call: Call, key: str) -> bytes | None: ...

    ``list_keys`` in Python is ``list-keys`` in WIT. Functions imported by the world
    itself, outside any interface, belong to ``HostInterface("")``.
    """

    name: str
    functions: dict[str, HostFunction] = field(factory=dict, init=False)
    resources: dict[str, HostResource] = field(factory=dict, init=False)
    shapes: Callable[[Any], Any] | None = field(default=None, kw_only=True)
    """Returns the Python classes of a component's types, its `Shapes`, given what it
    imports. Typed bindings set it; without it, values are the general ones."""

    @overload
    def function(
        self,
        body: _F,
        /,
        *,
        name: str | None = None,
        needs: Needs | None = None,
        wit: str | None = None,
        denied: Callable[[str], object] | None = None,
    ) -> _F: ...
    @overload
    def function(
        self,
        /,
        *,
        name: str | None = None,
        needs: Needs | None = None,
        wit: str | None = None,
        denied: Callable[[str], object] | None = None,
    ) -> Callable[[_F], _F]: ...
    def function(
        self,
        body: _F | None = None,
        /,
        *,
        name: str | None = None,
        needs: Needs | None = None,
        wit: str | None = None,
        denied: Callable[[str], object] | None = None,
    ) -> _F | Callable[[_F], _F]:
        """Offer a function to guests, as a decorator with or without arguments.

        Args:
            body: A ``def`` or ``async def`` that takes a `Call` and then one parameter
                for each WIT parameter. It may raise `WitError` where WIT has a result.
            name: The WIT name, where it is not the Python name in kebab case.
            needs: Takes the same WIT parameters and returns the capability the guest
                must have been granted, or None. Without ``needs``, being handed the
                interface is the grant.
            wit: Its type, such as ``func(key: string) -> option<list<u8>>``, with named
                types spelled out: ``record { a: u32 }``. A component that imports the
                function with another type is refused; names of parameters may differ.
            denied: How a denial reaches the guest: takes its words, returns the ``err``
                value. Without it a denial ends the instance.

        Raises:
            ValueError: The interface already has a function of that name, or ``wit``
                is no function's type.
            TypeError: The body takes no `Call`, or needs more than WIT parameters;
                ``needs`` is an ``async def``.
        """
        if body is None:

            def decorate(decorated: _F) -> _F:
                self._add(decorated, FunctionOptions(name, needs, wit, denied))
                return decorated

            return decorate
        self._add(body, FunctionOptions(name, needs, wit, denied))
        return body

    @overload
    def resource(
        self,
        made: _C,
        /,
        *,
        name: str | None = None,
        constructor: str | None = None,
        drop: str | None = None,
    ) -> _C: ...
    @overload
    def resource(
        self,
        /,
        *,
        name: str | None = None,
        constructor: str | None = None,
        drop: str | None = None,
    ) -> Callable[[_C], _C]: ...
    def resource(
        self,
        made: _C | None = None,
        /,
        *,
        name: str | None = None,
        constructor: str | None = None,
        drop: str | None = None,
    ) -> _C | Callable[[_C], _C]:
        """Offer a class to guests as a resource, as a decorator of the class.

        >>> @kv.resource
        ... class Bucket:
        ...     def __init__(self, call: Call, name: str) -> None: ...
        ...     async def get(self, key: str) -> bytes | None: ...
        ...     def drop(self) -> None: ...

        ``Bucket`` is ``bucket`` in WIT. Making an object is the constructor; public
        methods are methods, static and class methods are static functions, each with
        or without a `Call` as its first parameter. Objects of the class go to guests
        where WIT says ``bucket`` and come back where it says ``bucket`` or
        ``borrow<bucket>``.

        Args:
            made: The class.
            name: The WIT name, where it is not the class's name in kebab case.
            constructor: The static or class method that is the constructor, where
                making an object is not: it can be ``async``, or return None or an error
                where WIT says ``result``.
            drop: The method that is called when the guest has dropped its last handle
                of an object, or has ended, by itself or by force: once for each
                instance. By default the method ``drop``, else ``close``, where there is
                one that is no ``async def``, takes nothing more and is not marked with
                `method`. Guests cannot call it themselves. It runs where the instance's
                calls run, between two steps of the guest; for an instance that is
                forgotten, where its last reference goes.

        Raises:
            ValueError: The interface already has a resource of that name, or the class
                has no method of a name that is given.
            TypeError: ``drop`` is an ``async def``, which nothing could wait for, or
                takes more than the object.
        """
        if made is None:

            def decorate(decorated: _C) -> _C:
                self._add_resource(decorated, name, constructor, drop)
                return decorated

            return decorate
        self._add_resource(made, name, constructor, drop)
        return made

    def method(
        self,
        *,
        name: str | None = None,
        needs: Needs | None = None,
        wit: str | None = None,
        denied: Callable[[str], object] | None = None,
    ) -> Callable[[_F], _F]:
        """Say more of a method of a class that `resource` offers.

        Args:
            name: The WIT name, where it is not the Python name in kebab case.
            needs: As for `function`; it takes the object first, where there is one.
            wit: As for `function`; the first parameter is the borrowed object.
            denied: As for `function`.
        """

        def decorate(decorated: _F) -> _F:
            keep_options(decorated, FunctionOptions(name, needs, wit, denied))
            return decorated

        return decorate

    def _add_resource(
        self, made: type, name: str | None, constructor: str | None, drop: str | None
    ) -> None:
        name = name or kebab(made.__name__)
        if name in self.resources:
            raise ValueError(f"{self.name!r} already has a resource {name!r}")
        dropping = drop_of(made, constructor, drop)
        self.resources[name] = HostResource(
            name, made, None if dropping is None else methodcaller(dropping)
        )
        for part in parts_of(made, name, constructor, dropping):
            self._put(part)

    def _add(self, body: Callable[..., object], options: FunctionOptions) -> None:
        name = options.name or dashed(body.__name__)
        if name in self.functions:
            raise ValueError(f"{self.name!r} already has a function {name!r}")
        fewest, most = parameters_of(body)
        if most == -1:
            raise TypeError(f"{self.name}#{name} takes no Call as its first parameter")
        self._put(Part(name, body, options, max(fewest, 0), most))

    def _put(self, part: Part) -> None:
        options = part.options
        if options.wit is not None:
            nameless(options.wit)
        self.functions[part.name] = HostFunction(
            part.name,
            part.body,
            options.needs,
            part.fewest,
            part.most,
            options.denied,
            wit=options.wit,
        )


class Guard(Protocol):
    """**Protocol:** what stands between a guest's host call and the function's body.

    airssys's own is the `Gate`, which checks grants and quotas. An instance can be
    given another one.

    Called on the caller's task. It returns what the body returns (awaited when it can
    be), or raises: whatever it raises leaves from the guest's call.
    """

    def __call__(
        self, function: HostFunction, call: Call, args: Sequence[Any], /
    ) -> object: ...


def check_missing(given: object) -> None:
    """Refuse what says nothing of what to do about missing imports.

    Raises:
        ValueError: It is no word of `Missing`.
    """
    if given not in _MISSING:
        raise ValueError(f"missing: {given!r} is neither 'refuse' nor 'trap'")
