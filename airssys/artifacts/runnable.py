"""Tell what a component is to be run as: an actor, or a command that runs once."""

from __future__ import annotations

from typing import Final

from ..core.defaults import LIFECYCLE
from ..core.errors import InvalidComponent
from ..engine.component import Component
from ..witmodel.agreement import agreement, meant
from ..witmodel.functype import compared
from ..witmodel.signatures import SIGNATURES
from ..witmodel.types import InstanceType

__all__ = (
    "check_actor",
    "check_command",
    "check_runnable",
    "check_service",
    "command_of",
    "other_use",
    "serves",
)

_RUN: Final = "wasi:cli/run@0.2.0"
"""As of WASI 0.2, whatever the last number is."""
_COMMAND: Final = "wasi:cli/run"
_SERVICE: Final = "wasi:http/incoming-handler@0.2.0"
_FUNCTION: Final = "run"
_TYPE: Final = "func() -> result"


def command_of(component: Component) -> str | None:
    """Return the function that runs a component as a command; None: it is no command.

    A command exports ``wasi:cli/run`` and nothing that makes it an actor.
    """
    if LIFECYCLE in component.exports:
        return None
    wanted = agreement(_RUN)
    for name, extern in component.exports.items():
        if agreement(name) == wanted and isinstance(extern, InstanceType):
            type_ = dict(extern.functions()).get(_FUNCTION)
            if type_ is not None and not compared(str(type_), _TYPE):
                return f"{name}#{_FUNCTION}"
    return None


def other_use(component: Component) -> str | None:
    """Say what a component that is neither command nor actor is for; None: who knows.

    That is a command of another WASI than 0.2, or a service.
    """
    for name in component.exports:
        interface, _, version = name.partition("@")
        if interface == _COMMAND and agreement(name) != agreement(_RUN):
            of = f"WASI {version}" if version else "WASI without a version"
            return f"it is a command of {of}, and those of WASI 0.2 are run here"
    if serves(component):
        return "it serves HTTP: airssys serve, or airssys.wasi.asgi()"
    return None


def serves(component: Component) -> bool:
    """Tell whether a component answers requests of HTTP."""
    return bool(meant(_SERVICE, component.exports))


def check_runnable(component: Component) -> None:
    """Check that a component can be a child of a supervisor: an actor, or a command.

    Raises:
        InvalidComponent: It is neither.
    """
    if command_of(component) is not None:
        return
    if LIFECYCLE not in component.exports:
        raise _of_other_use(
            component,
            f"it does not export {LIFECYCLE!r}, as an actor must, nor 'wasi:cli/run' "
            "of WASI 0.2, as a command does",
        )
    check_actor(component)


def check_command(component: Component) -> None:
    """Check that a component runs as a command.

    Raises:
        InvalidComponent: It does not export ``wasi:cli/run`` of WASI 0.2.
    """
    if command_of(component) is None:
        raise _of_other_use(
            component,
            "it does not export 'wasi:cli/run' of WASI 0.2, as a command must",
        )


def check_service(component: Component) -> None:
    """Check that a component answers requests of HTTP.

    Raises:
        InvalidComponent: It does not export ``wasi:http/incoming-handler`` of WASI 0.2.
    """
    if not serves(component):
        raise InvalidComponent(
            component.name,
            "it does not export 'wasi:http/incoming-handler', as a service must",
        )


def _of_other_use(component: Component, reason: str) -> InvalidComponent:
    use = other_use(component)
    return InvalidComponent(component.name, f"{reason} ({use})" if use else reason)


def check_actor(component: Component) -> None:
    """Check that a component can be an actor.

    Raises:
        InvalidComponent: It does not export the whole of ``component-lifecycle``, or
            a function of it with another type.
    """
    lifecycle = component.exports.get(LIFECYCLE)
    if not isinstance(lifecycle, InstanceType):
        raise InvalidComponent(
            component.name, f"it does not export {LIFECYCLE!r}, as an actor must"
        )
    there = dict(lifecycle.functions())
    expected = SIGNATURES[LIFECYCLE]
    if missing := [name for name in expected if name not in there]:
        raise InvalidComponent(
            component.name, f"{LIFECYCLE!r} lacks {', '.join(map(repr, missing))}"
        )
    problems = {
        name: differing
        for name, type_ in expected.items()
        if (differing := compared(str(there[name]), type_))
    }
    if problems:
        # All names first: two long types fill a line that people still read.
        types = "; ".join(
            f"{name!r} has type {found}, an actor's is {right}"
            for name, (found, right) in problems.items()
        )
        raise InvalidComponent(
            component.name,
            f"{LIFECYCLE!r} has other types than an actor's of "
            f"{', '.join(map(repr, problems))}: {types}",
        )
