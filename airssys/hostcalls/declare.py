"""Declare airssys's own host functions: none without saying what it needs.

What an interface offers to guests is a class, and each of its operations is a method
marked by `operation`. That has no default for ``needs``: it takes the capability, what
the body checks itself, or the reason why nothing is needed. The function's WIT name is
the method's, and its type is that of the WIT text (`SIGNATURES`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

from attrs import evolve, field, frozen

from ..core.grants.capabilities import KINDS, Capability
from ..witmodel.signatures import SIGNATURES
from .bodies import dashed
from .interface import HostInterface, HostResource

__all__ = (
    "Denier",
    "Free",
    "Inside",
    "Needed",
    "Operations",
    "Requires",
    "interface_of",
    "needs_of",
    "operation",
)

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
    """A host function needs one capability, which follows from its arguments."""

    capability: str = field(validator=_known)
    """Section and action, such as ``messaging.send``."""
    target: Callable[..., str]
    """Takes the WIT parameters and returns what the capability is about."""

    def __call__(self, *args: Any) -> Capability:
        section, _, action = self.capability.partition(".")
        return KINDS[section](action, self.target(*args))

    def __str__(self) -> str:
        return self.capability

    @property
    def capabilities(self) -> tuple[str, ...]:
        """Section and action of what it needs."""
        return (self.capability,)


@frozen
class Inside:
    """A host function works out what it needs as it runs, and checks that itself."""

    capabilities: tuple[str, ...] = field(validator=_all_known)
    """Section and action of each, such as ``filesystem.read``."""
    how: str
    """When the function needs which of the capabilities, and for what target."""

    def __str__(self) -> str:
        return f"{', '.join(self.capabilities)}: {self.how}"


@frozen
class Free:
    """A host function needs no capability, for a reason that it gives."""

    reason: str = field(validator=_filled)
    capabilities: tuple[str, ...] = field(default=(), init=False)

    def __str__(self) -> str:
        return f"nothing: {self.reason}"


Needed: TypeAlias = Requires | Inside | Free
"""What an operation says of its needs."""


class Operations(Protocol):
    """**Protocol:** what airssys offers under one interface: methods, each marked.

    A method takes the `Call` and then the WIT parameters; that of a resource takes the
    object first of these.
    """

    interface: ClassVar[str]
    """The WIT name, with its version."""


def operation(*names: str, needs: Needed) -> Callable[[_F], _F]:
    """Offer a method of an `Operations` class to guests, as a decorator.

    Args:
        names: The WIT names, where the method's own in kebab case is not the one: that
            of a resource's method is ``[method]file.read``. Resources that have the
            same operation share one method.
        needs: What the caller must have been granted, or why nothing.
    """

    def decorate(body: _F) -> _F:
        # On the function itself: it has no class yet, so there is nowhere else.
        marked: Any = body
        marked.__airssys_operation__ = (names or (dashed(body.__name__),), needs)
        return body

    return decorate


def needs_of(operations: type[Operations]) -> Mapping[str, Needed]:
    """Return what each operation of a class needs, by the WIT names in their order."""
    return {name: needs for name, (_, needs) in _marked(operations).items()}


def _marked(operations: type[Operations]) -> dict[str, tuple[str, Needed]]:
    """Return the method of each operation and what it needs."""
    found: dict[str, tuple[str, Needed]] = {}
    for method, body in vars(operations).items():
        names, needs = getattr(body, "__airssys_operation__", ((), None))
        found |= dict.fromkeys(names, (method, needs))
    return found


def interface_of(
    operations: Operations,
    *,
    name: str = "",
    denied: Denier | None = None,
    resources: Sequence[HostResource] = (),
    types: Mapping[str, str] | None = None,
) -> HostInterface:
    """Return the interface that offers all operations of an object.

    Args:
        operations: What is offered.
        name: Under which name, where it is another version than the operations' own.
        denied: How a denial reaches the guest: builds the ``err`` value. Operations
            that can be denied by `Requires` take it.
        resources: Of the interface; their functions are among the operations. What
            drops an object must not wait.
        types: The operations' WIT types; a component that imports one with another is
            refused. By default those of the WIT text.
    """
    interface = HostInterface(name or operations.interface)
    interface.resources |= {each.name: each for each in resources}
    types = SIGNATURES[interface.name] if types is None else types
    for function, (method, needs) in _marked(type(operations)).items():
        asked = needs if isinstance(needs, Requires) else None
        if asked and denied is None:
            raise TypeError(f"say how a guest is told that {asked} is denied")
        interface.function(
            name=function,
            needs=asked,
            wit=types[function],
            denied=denied if asked else None,
        )(getattr(operations, method))
        made = interface.functions[function]
        interface.functions[function] = evolve(made, needed=str(needs))
    return interface
