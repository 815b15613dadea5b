"""Stand between every host call and the host function: the only way in.

One check on the arguments in normal form, at the moment of use; then the event; then
the body. A function of airssys itself is offered through `offer`, which has no default
for ``needs``: it takes the capability, or the reason why none is needed. Nor has it
one for ``wit``, the function's type.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import anyio
from attrs import evolve, field, frozen

from ..abc import Call, Guard, HostFunction, HostInterface, Instrument, Needs
from ..core.capability import Capability, Denial
from ..core.errors import CapabilityDenied, WitError
from ..core.event import Denied

__all__ = ("Denier", "Free", "allowed", "guard_for", "offer")

_F = TypeVar("_F", bound=Callable[..., object])

Denier = Callable[[str], object]
"""Turns the words of a denial into the ``err`` value of a WIT function."""


def _filled(_: object, __: object, reason: str) -> None:
    if not reason.strip():
        raise ValueError("say why the host function needs no capability")


@frozen
class Free:
    """A host function needs no capability, and why."""

    reason: str = field(validator=_filled)


def offer(
    interface: HostInterface,
    *,
    needs: Needs | Free,
    wit: str,
    denied: Denier | None = None,
    name: str | None = None,
) -> Callable[[_F], _F]:
    """Offer one of airssys's own host functions to guests, as a decorator.

    Args:
        interface: Where to add it.
        needs: Takes the WIT parameters and returns the capability; or why nothing.
        wit: Its type; a component that imports it with another is refused.
        denied: How a denial reaches the guest: builds the ``err`` value. Without it a
            denial ends the instance, so a function whose result has an ``err`` for it
            says so.
        name: The WIT name, where it is not the Python name in kebab case.
    """

    def decorate(body: _F) -> _F:
        before = set(interface.functions)
        if isinstance(needs, Free):
            interface.function(name=name, wit=wit)(body)
        else:
            interface.function(name=name, needs=needs, wit=wit)(body)
        (added,) = set(interface.functions) - before
        free = needs.reason if isinstance(needs, Free) else ""
        interface.functions[added] = evolve(
            interface.functions[added], denied=denied, free=free
        )
        return body

    return decorate


def guard_for(instrument: Instrument | None = None) -> Guard:
    """Return the guard of a system's instances: denials become events.

    What it refuses reaches the guest as the function's ``err`` where the function says
    how. Elsewhere, as in every user's extension, `CapabilityDenied` is raised: that
    ends the instance, and its supervisor decides. An extension that would rather tell
    its guest looks at ``call.grants`` itself and raises `WitError`.
    """

    def guarded(function: HostFunction, call: Call, args: Sequence[Any], /) -> object:
        needs = function.needs
        if needs is not None:
            need = needs(*args)
            if need is not None:
                denial = call.grants.check(need)
                if denial is not None:
                    _report(instrument, call, denial)
                    if function.denied is not None:
                        raise WitError(function.denied(_words(denial)))
                    raise CapabilityDenied(
                        call.actor or call.component, denial.needed, denial.granted
                    )
        return function.body(call, *args)

    return guarded


def allowed(call: Call, need: Capability, instrument: Instrument | None) -> str:
    """Check a capability inside a body, for one of several things a call does.

    Returns:
        Why it is denied, which is an event as well; empty where it is allowed.
    """
    denial = call.grants.check(need)
    if denial is None:
        return ""
    _report(instrument, call, denial)
    return _words(denial)


def _words(denial: Denial) -> str:
    return f"may not {denial.needed}: {denial.reason}"


def _report(instrument: Instrument | None, call: Call, denial: Denial) -> None:
    if instrument is not None:
        instrument.event(
            Denied(
                anyio.current_time(),
                call.actor or call.component,
                call.function,
                denial.needed,
                denial.reason,
            )
        )
