"""Read Python functions and classes that are to be offered to guests."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from types import FunctionType, MethodType
from typing import Any, TypeAlias

from attrs import field, frozen

from ..core.grants.capabilities import Capability
from .call import Call

__all__ = (
    "FunctionOptions",
    "Needs",
    "Part",
    "dashed",
    "drop_of",
    "kebab",
    "keep_options",
    "parameters_of",
    "parts_of",
)

Needs: TypeAlias = Callable[..., Capability | None]
"""What a host function needs, worked out from its arguments; None: nothing."""


# --- functions --------------------------------------------------------------------


def dashed(name: str) -> str:
    """Return the WIT name for a function's: ``from_`` is ``from``."""
    return name.strip("_").replace("_", "-")


def kebab(name: str) -> str:
    """Return the WIT name for a class's: ``HTTPServer2`` is ``http-server2``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", name).lower()


def _signature_of(body: Callable[..., object]) -> inspect.Signature:
    """Return what a function or class takes; anything, where Python does not tell."""
    try:
        return inspect.signature(body)
    except ValueError:  # some of Python's own classes have none
        return inspect.signature(lambda *_: None)


def _takes(parameters: Sequence[inspect.Parameter], kind: type) -> bool:
    """Tell whether the first parameter, if there is one, is of a class.

    Without an annotation it is where it has the class's name in lower case.
    """
    for parameter in parameters:
        if parameter.annotation is parameter.empty:
            return parameter.name == kind.__name__.lower()
        # It may be text, as it was written, and say more: ``Call[Shop]``.
        name = str(parameter.annotation).partition("[")[0].rpartition(".")[2]
        return parameter.annotation is kind or name == kind.__name__
    return False


def parameters_of(body: Callable[..., object]) -> tuple[int, int | None]:
    """Count the positional parameters after the first: fewest, most."""
    if type(body) is MethodType and type(body.__func__) is FunctionType:
        return _parameters_of_method(body.__func__)
    return _parameters_of(body)


@lru_cache(maxsize=1024)
def _parameters_of_method(function: FunctionType) -> tuple[int, int | None]:
    """Count those of a bound method.

    Each system has objects of its own with the same few hundred methods, and Python
    takes some 50 µs to say what one of them takes.
    """
    return _parameters_of(MethodType(function, object()))


def _parameters_of(body: Callable[..., object]) -> tuple[int, int | None]:
    parameters = list(inspect.signature(body).parameters.values())
    if not parameters or parameters[0].kind is inspect.Parameter.KEYWORD_ONLY:
        return -1, -1
    fewest, most = _counted(body, parameters)
    return fewest - 1, None if most is None else most - 1


def _counted(
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


def _answers_at_once(_: object, __: object, needs: Needs | None) -> None:
    if inspect.iscoroutinefunction(needs):
        raise TypeError("needs= is an async def: what is needed must be known at once")


@frozen
class FunctionOptions:
    """What a program says of a function beyond its Python signature."""

    name: str | None = None
    needs: Needs | None = field(default=None, validator=_answers_at_once)
    wit: str | None = None
    denied: Callable[[str], object] | None = None


_NO_OPTIONS = FunctionOptions()


@frozen
class Part:
    """A function as guests are to import it: one by itself, or a part of a resource."""

    name: str
    """The WIT name."""
    body: Callable[..., object]
    """Takes the `Call`, then the WIT parameters."""
    options: FunctionOptions
    fewest: int
    """WIT parameters it takes at the least, and at the most; None: any number."""
    most: int | None


# --- classes ----------------------------------------------------------------------


def keep_options(method: object, options: FunctionOptions) -> None:
    """Keep the options of a method until its class is offered."""
    # On the function itself: it has no class yet, so there is nowhere else.
    function: Any = getattr(method, "__func__", method)
    function.__airssys__ = options


def _options_of(member: object) -> FunctionOptions:
    """Return the options of a method."""
    options = getattr(getattr(member, "__func__", member), "__airssys__", None)
    return options if isinstance(options, FunctionOptions) else _NO_OPTIONS


def drop_of(made: type, constructor: str | None, drop: str | None) -> str | None:
    """Return the method that is called when a guest drops an object; None: none is.

    Args:
        made: The class.
        constructor: The method that is said to be the constructor.
        drop: The one that is said to be called.

    Raises:
        ValueError: The class has no such methods.
        TypeError: Nothing could call the method then.
    """
    for given in (constructor, drop):
        if given is not None and not callable(getattr(made, given, None)):
            raise ValueError(f"{made.__name__} has no method {given!r}")
    if drop is not None:
        if problem := _undroppable(getattr(made, drop)):
            raise TypeError(f"{made.__name__}.{drop} {problem}")
        return drop
    return next((each for each in ("drop", "close") if _drops(made, each)), None)


def _undroppable(method: Callable[..., object]) -> str:
    """Say why a method cannot run when a resource is dropped."""
    if inspect.iscoroutinefunction(method):
        return (
            "is an async def: nothing can wait for what runs when a resource is dropped"
        )
    try:
        _signature_of(method).bind(None)
    except TypeError:
        return "takes more than the object itself, and nothing else is there to give"
    return ""


def _drops(made: type, name: str) -> bool:
    """Tell whether a class has a method that is to run when a resource is dropped."""
    method = inspect.getattr_static(made, name, None)
    # A method with options is one for guests.
    return (
        inspect.isfunction(method)
        and not _undroppable(method)
        and _options_of(method) == _NO_OPTIONS
    )


def parts_of(
    made: type, name: str, constructor: str | None, drop: str | None
) -> Iterator[Part]:
    """Go through the functions of a class that is a resource.

    Args:
        made: The class.
        name: The resource's WIT name.
        constructor: The method that is the constructor; None: making an object is.
        drop: The method that guests do not call themselves.
    """
    make = made if constructor is None else getattr(made, constructor)
    yield _part(f"[constructor]{name}", make, _NO_OPTIONS)
    for each in dir(made):
        member = inspect.getattr_static(made, each)
        if each.startswith("_") or each in {constructor, drop}:
            continue
        if isinstance(member, staticmethod | classmethod):
            body, word, method = getattr(made, each), "static", ""
        elif inspect.isfunction(member):
            body, word, method = member, "method", each
        else:
            continue
        options = _options_of(member)
        wit_name = options.name or dashed(each)
        yield _part(f"[{word}]{name}.{wit_name}", body, options, method)


def _part(
    name: str, body: Callable[..., object], options: FunctionOptions, method: str = ""
) -> Part:
    """Return a part of a resource; a method takes the `Call` after the object."""
    skip = 1 if method else 0
    parameters = list(_signature_of(body).parameters.values())
    fewest, most = _counted(body, parameters)
    takes_call = _takes(parameters[skip : skip + 1], Call)
    if takes_call:
        fewest, most = fewest - 1, None if most is None else most - 1

    def run(call: Call, *args: Any) -> object:
        # A method is looked up in the object: it may be of a class of its own.
        called = getattr(args[0], method) if method else body
        given = args[skip:]
        return called(call, *given) if takes_call else called(*given)

    return Part(name, run, options, fewest, most)
