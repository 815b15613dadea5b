"""Look at Python functions and classes that are to be offered to guests."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence

__all__ = (
    "counted",
    "dashed",
    "kebab",
    "parameters_of",
    "signature_of",
    "takes",
    "undroppable",
)


def dashed(name: str) -> str:
    """Return the WIT name for a function's: ``from_`` is ``from``."""
    return name.strip("_").replace("_", "-")


def kebab(name: str) -> str:
    """Return the WIT name for a class's: ``HTTPServer2`` is ``http-server2``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def signature_of(body: Callable[..., object]) -> inspect.Signature:
    """Return what a function or class takes; anything, where Python does not tell."""
    try:
        return inspect.signature(body)
    except ValueError:  # some of Python's own classes have none
        return inspect.signature(lambda *_: None)


def undroppable(method: Callable[..., object]) -> str:
    """Say why a method cannot run when a resource is dropped."""
    if inspect.iscoroutinefunction(method):
        return (
            "is an async def: nothing can wait for what runs when a resource is dropped"
        )
    try:
        signature_of(method).bind(None)
    except TypeError:
        return "takes more than the object itself, and nothing else is there to give"
    return ""


def takes(parameters: Sequence[inspect.Parameter], kind: type) -> bool:
    """Tell whether the first parameter, if there is one, is of a class.

    Without an annotation it is where it has the class's name in lower case.
    """
    for parameter in parameters:
        if parameter.annotation is parameter.empty:
            return parameter.name == kind.__name__.lower()
        return (
            parameter.annotation is kind
            or str(parameter.annotation).rpartition(".")[2] == kind.__name__
        )
    return False


def parameters_of(body: Callable[..., object]) -> tuple[int, int | None]:
    """Count the positional parameters after the first: fewest, most."""
    parameters = list(inspect.signature(body).parameters.values())
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        return -1, -1
    fewest, most = counted(body, parameters)
    return fewest - 1, None if most is None else most - 1


def counted(
    body: object, parameters: Sequence[inspect.Parameter]
) -> tuple[int, int | None]:
    """Count positional parameters: the fewest, and the most."""
    fewest = most = 0
    for parameter in parameters:
        if (
            parameter.kind is parameter.KEYWORD_ONLY
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
