"""Offer airssys's own host functions: none without saying what it needs.

A function is offered through `offer`, which has no default for ``needs``: it takes the
capability, what the body checks itself, or the reason why nothing is needed. Nor has it
one for ``wit``, the function's type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from attrs import evolve, field, frozen

from ..core.grants.capabilities import KINDS, Capability
from .interface import HostFunction, HostInterface, HostResource

__all__ = ("Denier", "Free", "Inside", "Requires", "hold", "offer")

_F = TypeVar("_F", bound=Callable[..., object])

Denier: TypeAlias = Callable[[str], object]
"""Turns the words of a denial into the ``err`` value of a WIT function."""


def _known(_: object, __: object, capability: str) -> None:
    section, _dot, action = capability.partition(".")
    if section not in KINDS or section == "custom" or not action:
        raise ValueError(f"{capability!r} is no capability such as 'storage.read'")


def _all_known(_: object, __: object, capabilities: tuple[str, ...]) -> None:
    if not capabilities:
        raise ValueError("name the capabilities that the body checks")
    for capability in capabilities:
        _known(None, None, capability)


def _filled(_: object, __: object, reason: str) -> None:
    if not reason.strip():
        raise ValueError("say why the host function needs no capability")


@frozen
class Requires:
    """A host function needs one capability, which its arguments tell."""

    capability: str = field(validator=_known)
    """Section and action, such as ``messaging.send``."""
    target: Callable[..., str]
    """Takes the WIT parameters and returns what the capability is about."""

    def __call__(self, *args: Any) -> Capability:
        section, _, action = self.capability.partition(".")
        return KINDS[section](action, self.target(*args))

    def __str__(self) -> str:
        return self.capability


@frozen
class Inside:
    """A host function needs what shows only as it works, and checks it there itself."""

    capabilities: tuple[str, ...] = field(validator=_all_known)
    """Section and action of each, such as ``filesystem.read``."""
    how: str
    """When it needs which of them, and for what."""

    def __str__(self) -> str:
        return f"{', '.join(self.capabilities)}: {self.how}"


@frozen
class Free:
    """A host function needs no capability, and why."""

    reason: str = field(validator=_filled)

    def __str__(self) -> str:
        return f"nothing: {self.reason}"


def offer(
    interface: HostInterface,
    *,
    needs: Requires | Inside | Free,
    wit: str,
    denied: Denier | None = None,
    name: str | None = None,
) -> Callable[[_F], _F]:
    """Offer one of airssys's own host functions to guests, as a decorator.

    Args:
        interface: Where to add it.
        needs: What the caller must have been granted, or why nothing.
        wit: Its type; a component that imports it with another is refused.
        denied: How a denial reaches the guest: builds the ``err`` value. What can be
            denied by `Requires` has one.
        name: The WIT name, where it is not the Python name in kebab case: that of a
            resource's method is ``[method]file.read``, and its body takes the object
            after the `airssys.Call`.
    """
    if isinstance(needs, Requires) and denied is None:
        raise TypeError(f"say how a guest is told that {needs} is denied")

    def decorate(body: _F) -> _F:
        before = set(interface.functions)
        asked = needs if isinstance(needs, Requires) else None
        interface.function(name=name, needs=asked, wit=wit, denied=denied)(body)
        (added,) = set(interface.functions) - before
        function: HostFunction = evolve(interface.functions[added], needed=str(needs))
        interface.functions[added] = function
        return body

    return decorate


def hold(
    interface: HostInterface, name: str, made: type, *, drop: Callable[[Any], object]
) -> None:
    """Declare a resource of airssys's own; its functions are offered one by one.

    Args:
        interface: Where to add it.
        name: The WIT name.
        made: The class of its objects.
        drop: Called with an object when the guest has no handle of it any more, or has
            ended in whatever way. It must not wait.
    """
    interface.resources[name] = HostResource(name, made, drop)
