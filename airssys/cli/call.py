"""Call one exported function of a component and print its result."""

from __future__ import annotations

import json as _json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import anyio
from attrs import evolve
from cyclopts import Parameter

from ..artifacts.folder import load
from ..config import load_config
from ..core.errors import GuestExited, WaveError, WitError
from ..core.manifests.host import HostConfig
from ..core.units import parse_duration, parse_size
from ..engine.component import Component
from ..witmodel.types import Err, FuncType, Ok, Option, Result, Scalar, WitType
from ..witmodel.wave import parse_wave, render_wave
from .behind import Behind
from .failure import BadInput, Status
from .json_values import from_json, to_json
from .offering import Terms, alive
from .output import can_show
from .screen import Screen
from .source import Kind, kind_of
from .waiting import engine_with_progress

__all__ = ("call", "call_under", "given_limits", "open_component", "read_option")

_T = TypeVar("_T")
_SHORT: Final = 60
"""Characters of a type that is worth repeating in an error."""


def call(
    component: Path,
    export: str,
    /,
    *args: str,
    json: Annotated[bool, Parameter(negative="")] = False,
    fuel: int | None = None,
    timeout: str | None = None,
    memory: str | None = None,
    config: Path | None = None,
) -> int:
    """Call an exported function and print its result.

    Arguments and result are WAVE: 1, "text", 'c', [1, 2], {field: 1}, (1, 2), a-case,
    a-case(1), {flag, flag}, some(1), none, ok(1), err(1). Where a string is expected,
    the quotes may be left out. After -- everything is an argument.

    Args:
        component: A .wasm or .wat file, or a component's folder or Component.toml,
            whose limits, quotas and capabilities then hold.
        export: The function. Where only one function has that name, its interface can
            be left out.
        args: One for each parameter; options at the end may be left out.
        json: Read the arguments and print the result as JSON.
        fuel: What the call may use, about one unit for each instruction.
        timeout: How long the call may take, such as 5s or 500ms.
        memory: What the instance may use, such as 4MiB: the largest of its memories,
            and all of them twice as much.
        config: The host file. The audit log that it asks for is written.
    """
    given = given_limits(fuel, timeout, memory)
    return call_under(load_config(config), component, export, args, given, json=json)


def given_limits(
    fuel: int | None, timeout: str | None, memory: str | None
) -> dict[str, Any]:
    """Read the options that limit a call, by the names in `Limits`.

    Raises:
        BadInput: One of them cannot be read.
    """
    limits = {
        "fuel": fuel,
        "timeout": read_option(parse_duration, timeout, "--timeout"),
        "memory": (size := read_option(parse_size, memory, "--memory")),
        "total_memory": None if size is None else 2 * size,
    }
    if fuel is not None and fuel <= 0:
        raise BadInput(f"--fuel: {fuel} must be more than 0")
    return {name: value for name, value in limits.items() if value is not None}


def call_under(
    settings: HostConfig,
    component: Path,
    export: str,
    args: Sequence[str],
    limits: Mapping[str, Any],
    *,
    json: bool = False,
) -> int:
    """Call an exported function under a host's settings, and print its result.

    Args:
        settings: The host's.
        component: As for `call`; likewise ``export``, ``args`` and ``json``.
        export: The function.
        args: One for each parameter.
        limits: What holds instead of the component's own, by the name in `Limits`.
        json: Whether arguments and result are JSON.
    """
    with Behind(sys.stderr) as behind:
        screen = Screen(behind.console())
        text, status = anyio.run(
            _call,
            component,
            export,
            args,
            json,
            limits,
            settings,
            screen,
            backend="trio",
        )
    if text:
        print(text)
    return status


async def open_component(path: Path, settings: HostConfig) -> tuple[Component, Terms]:
    """Load a component with what it may use and do.

    Raises:
        BadInput: The path holds no component.
        AirssysError: The component cannot be used.
    """
    engine = engine_with_progress(settings)
    match kind_of(path):
        case Kind.CODE:
            return await engine.load(path), Terms()
        case Kind.COMPONENT:
            artifact = await load(path, engine=engine, ceiling=settings.ceiling)
            manifest = artifact.manifest
            return artifact.component, Terms(
                limits=manifest.limits,
                grants=settings.admit(manifest.grants, source=str(artifact.path)),
                config=manifest.config,
                quota=manifest.quota,
                wasi=manifest.wasi,
            )
        case Kind.TREE | Kind.HOST:
            raise BadInput(f"{path}: it is no component")


async def _call(
    path: Path,
    name: str,
    texts: Sequence[str],
    json: bool,  # noqa: FBT001
    given: Mapping[str, Any],
    settings: HostConfig,
    screen: Screen,
) -> tuple[str, int]:
    component, terms = await open_component(path, settings)
    export = component.named(_full_name(component, name))
    type_ = component.functions()[export]
    arguments = _arguments(export, type_, texts, json=json)
    fallible = isinstance(type_.result, Result)
    terms = evolve(terms, limits=evolve(terms.limits, **given))
    async with alive(component, terms, settings, screen) as instance:
        try:
            value = await instance.call(export, *arguments)
        except WitError as error:
            return _shown(Err(error.value), type_.result, json=json), Status.FAILED
        except GuestExited as exited:
            return "", exited.status
    return _shown(
        Ok(value) if fallible else value, type_.result, json=json
    ), Status.DONE


def _full_name(component: Component, name: str) -> str:
    """Complete a short name; one that is not there is returned as it is."""
    functions = component.functions()
    if name in functions:
        return name
    interface, _, function = name.rpartition("#")
    found = [
        full
        for full in functions
        if full.rpartition("#")[2] == function and interface in _short_names(full)
    ]
    if len(found) > 1:
        raise BadInput(f"several functions are called {name!r}: {', '.join(found)}")
    return found[0] if found else name


def _short_names(full: str) -> tuple[str, ...]:
    """Return what may stand for the interface of a function."""
    plain = full.rpartition("#")[0].partition("@")[0]
    return "", plain, plain.rpartition("/")[2]


def _arguments(
    export: str, type_: FuncType, texts: Sequence[str], *, json: bool
) -> list[Any]:
    params = type_.params
    least = len(params)
    while least and isinstance(params[least - 1][1], Option):
        least -= 1
    if not least <= len(texts) <= len(params):
        wanted = ", ".join(f"{name}: {each}" for name, each in params) or "none"
        raise BadInput(
            f"{export!r} takes {len(params)} argument{'' if len(params) == 1 else 's'} "
            f"({wanted}), got {len(texts)}"
        )
    values = [
        _argument(name, each, text, json=json)
        for (name, each), text in zip(params, texts, strict=False)
    ]
    return values + [None] * (len(params) - len(texts))


def _argument(name: str, type_: WitType, text: str, *, json: bool) -> Any:
    if type_ == Scalar("string") and not text.lstrip().startswith('"'):
        return text
    try:
        if json:
            return from_json(_json.loads(text), type_)
        return parse_wave(text, type_)
    except _json.JSONDecodeError as error:
        problem = f"column {error.pos + 1}: {error.msg}"
    except (BadInput, WaveError) as error:
        problem = str(error)
    wanted = str(type_)
    of_type = f" of type {wanted}" if len(wanted) <= _SHORT else ""
    raise BadInput(f"argument {name!r}{of_type}: {problem}, in {text!r}")


def _shown(value: Any, type_: WitType | None, *, json: bool) -> str:
    if type_ is None:
        return "null" if json else ""
    if json:
        return _json_text(to_json(value, type_))
    text = render_wave(value, type_)
    if can_show(text):
        return text
    return _BEYOND.sub(lambda found: f"\\u{{{ord(found[0]):x}}}", text)


_BEYOND: Final = re.compile(r"[^\x00-\x7f]")


def _json_text(value: Any) -> str:
    """Return JSON in which nothing can steer a terminal, or cannot be shown by it."""
    text = _json.dumps(value, ensure_ascii=False)
    if text.isprintable() and can_show(text):
        return text
    return "".join(
        one if one.isprintable() and can_show(one) else _json.dumps(one)[1:-1]
        for one in text
    )


def read_option(
    parse: Callable[[object], _T], text: str | None, option: str
) -> _T | None:
    """Read what an option was given; None: it was not.

    Raises:
        BadInput: It cannot be read.
    """
    if text is None:
        return None
    try:
        value: object = float(text)  # without a unit: seconds, or bytes
        if text.isdecimal():
            value = int(text)
    except ValueError:
        value = text
    try:
        return parse(value)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from None
