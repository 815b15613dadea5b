"""Extension points: what others implement, and what engine and host share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar, overload

from attrs import Factory, define, field, frozen

from .core.capability import Capability, Grants
from .core.errors import CapabilityDenied
from .core.event import Event
from .core.functype import nameless

__all__ = (
    "Call",
    "Guard",
    "HostFunction",
    "HostInterface",
    "Instrument",
    "Needs",
    "check_needs",
)

_F = TypeVar("_F", bound=Callable[..., object])

Needs: TypeAlias = Callable[..., Capability | None]
"""What a host function needs, worked out from its arguments; None: nothing."""


class Instrument(Protocol):
    """**Protocol:** someone who is told every event.

    Called on the event loop's thread, at once; it must not block or raise.
    """

    def event(self, event: Event) -> None: ...


@frozen
class Call:
    """Who calls a host function, and with what grants.

    Identity is passed explicitly, never in thread or context variables.
    """

    component: str
    """The component's name."""
    actor: str = ""
    """The id of the actor the instance belongs to; empty outside a system."""
    function: str = ""
    """The host function, such as ``acme:kv/store@1.0.0#get``."""
    grants: Grants = Factory(Grants)


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
    free: str = ""
    """Why it needs no capability: airssys's own functions without ``needs`` say so."""
    wit: str | None = None
    """Its type, such as ``func(key: string) -> bool``; None: any the body takes."""

    def takes(self, parameters: int) -> bool:
        """Tell whether the body can be called with that many WIT parameters."""
        return self.fewest <= parameters and (
            self.most is None or parameters <= self.most
        )


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

    @overload
    def function(
        self,
        body: _F,
        /,
        *,
        name: str | None = None,
        needs: Needs | None = None,
        wit: str | None = None,
    ) -> _F: ...
    @overload
    def function(
        self,
        /,
        *,
        name: str | None = None,
        needs: Needs | None = None,
        wit: str | None = None,
    ) -> Callable[[_F], _F]: ...
    def function(
        self,
        body: _F | None = None,
        /,
        *,
        name: str | None = None,
        needs: Needs | None = None,
        wit: str | None = None,
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

        Raises:
            ValueError: The interface already has a function of that name, or ``wit``
                is no function's type.
            TypeError: The body takes no `Call`, or needs more than WIT parameters.
        """
        if body is None:

            def decorate(decorated: _F) -> _F:
                self._add(decorated, name, needs, wit)
                return decorated

            return decorate
        self._add(body, name, needs, wit)
        return body

    def _add(
        self,
        body: Callable[..., object],
        name: str | None,
        needs: Needs | None,
        wit: str | None,
    ) -> None:
        name = name or body.__name__.strip("_").replace("_", "-")
        if name in self.functions:
            raise ValueError(f"{self.name!r} already has a function {name!r}")
        fewest, most = _parameters(body)
        if most == -1:
            raise TypeError(f"{self.name}#{name} takes no Call as its first parameter")
        if wit is not None:
            nameless(wit)
        self.functions[name] = HostFunction(
            name, body, needs, max(fewest, 0), most, wit=wit
        )


def _parameters(body: Callable[..., object]) -> tuple[int, int | None]:
    """Count the positional parameters after the `Call`: fewest, most."""
    fewest = most = -1
    for parameter in inspect.signature(body).parameters.values():
        if (
            most >= 0
            and parameter.kind is parameter.KEYWORD_ONLY
            and parameter.default is parameter.empty
        ):
            raise TypeError(f"{body!r} cannot be called without {parameter.name!r}")
        if parameter.kind is parameter.VAR_POSITIONAL:
            return max(fewest, 0), None
        if parameter.kind in {
            parameter.POSITIONAL_ONLY,
            parameter.POSITIONAL_OR_KEYWORD,
        }:
            most += 1
            fewest += parameter.default is parameter.empty
    return fewest, most


class Guard(Protocol):
    """**Protocol:** the way from a guest's host call to the host function's body.

    Called on the caller's task. It returns what the body returns (awaited when it can
    be), or raises: whatever it raises leaves from the guest's call.
    """

    def __call__(
        self, function: HostFunction, call: Call, args: Sequence[Any], /
    ) -> object: ...


def check_needs(function: HostFunction, call: Call, args: Sequence[Any], /) -> object:
    """Run a host function if the call's grants cover what it needs.

    The guard of instances outside a system; a system's guard also emits events.

    Raises:
        CapabilityDenied: They do not.
    """
    if function.needs is not None:
        need = function.needs(*args)
        denial = None if need is None else call.grants.check(need)
        if denial is not None:
            raise CapabilityDenied(
                call.actor or call.component, denial.needed, denial.granted
            )
    return function.body(call, *args)
