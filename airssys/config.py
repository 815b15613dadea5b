"""Read the host's settings: a host file, and the environment over it.

Nothing else in the package reads the environment.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Final, get_args, get_origin

from attrs import evolve, fields, has, resolve_types

from .core.errors import ManifestError
from .core.grants.pattern import Pattern
from .core.grants.sections import Sections
from .core.grants.spelling import Kind
from .core.manifests.host import HostConfig, check_host
from .core.toml.lines import KeyPath
from .core.toml.schema import Problem, parse_toml, refuse, structured
from .reading import read_text

__all__ = ("load_config",)


def load_config(
    path: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> HostConfig:
    """Read the host file, then ``AIRSSYS_*`` variables, which win.

    Each key is a variable in capitals: ``AIRSSYS_MEMORY``, ``AIRSSYS_SLICES_INLINE``;
    a switch is ``true`` or ``false``; only the file has capabilities.
    ``AIRSSYS_CONFIG`` names the file where no path is given. A relative path in
    the file, as ``cache``, is relative to the file.

    Args:
        path: The host file; None: the one in the environment, or none.
        environ: The environment; None: the one of this process.

    Raises:
        OSError: The file cannot be read.
        ManifestError: Something in the file or the environment breaks the schema;
            lists every problem.
    """
    environ = os.environ if environ is None else environ
    path = path or environ.get("AIRSSYS_CONFIG")
    text, source = "", "environment"
    if path:
        source = os.fspath(path)
        text = read_text(path)
    table = parse_toml(text, source=source)
    if path:
        _resolve(table, "cache", Path(path).parent)
        _resolve(table.get("audit"), "file", Path(path).parent)
        _resolve(table.get("audit"), "key", Path(path).parent)
    given, unknown = _variables(environ)
    problems = [
        *_texts(source, (*structured(table, HostConfig)[1], *check_host(table)), text),
        *unknown,
        *_environment_texts((*structured(given, HostConfig)[1], *check_host(given))),
    ]
    config, _ = structured(_merged(table, given), HostConfig)
    if problems or config is None:
        raise ManifestError(source, tuple(problems))
    try:
        return evolve(config, forbidden=_resolved(config.forbidden))
    except ValueError as error:
        raise ManifestError(source, (f"{error} @ forbidden",)) from None


_PREFIX: Final = "AIRSSYS_"
_SWITCHES: Final = {"true": True, "false": False}
_NUMBER: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def _resolve(table: object, key: str, folder: Path) -> None:
    path = table.get(key) if isinstance(table, dict) else None
    if isinstance(table, dict) and isinstance(path, str) and path:
        table[key] = str(folder / path)


def _resolved(forbidden: Sections) -> Sections:
    """Forbid the real paths too, where forbidden ones lead through symlinks."""
    files, process = forbidden.filesystem, forbidden.process
    if files is not None:
        lists = {key.name: getattr(files, key.name) for key in fields(type(files))}
        files = evolve(files, **{name: _real(lists[name]) for name in lists})
    if process is not None:
        process = evolve(process, spawn=_real(process.spawn))
    return evolve(forbidden, filesystem=files, process=process)


def _real(patterns: Iterable[Pattern]) -> tuple[Pattern, ...]:
    found = []
    for pattern in patterns:
        found.append(pattern)
        for front, rest in pattern.fronts:
            # Where it loops this goes as far as it can; Path.resolve may raise.
            real = os.path.realpath(front) if front else front
            if real != front:
                # What is a wildcard in patterns is only a character in a path.
                text = re.sub(r"[][*?{}]", "?", real.rstrip("/")) + rest or "/"
                found.append(Pattern.parse(text, Kind.PATH))
    return tuple(dict.fromkeys(found))


def _variables(environ: Mapping[str, str]) -> tuple[dict[str, object], list[str]]:
    """Return the table the variables make, and what is wrong with their names."""
    places = {_variable(path): path for path in _keys()}
    table: dict[str, object] = {}
    problems = []
    for variable, text in sorted(environ.items()):
        if not variable.startswith(_PREFIX) or variable == "AIRSSYS_CONFIG":
            continue
        match places.get(variable):
            case (str() as key,):
                table[key] = _value((key,), text)
            case (str() as outer, str() as key):
                inner = table.setdefault(outer, {})
                assert isinstance(inner, dict)
                inner[key] = _value((outer, key), text)
            case _:
                problems.append(_unknown(variable, places))
    return table, problems


def _keys() -> Iterator[KeyPath]:
    """Yield the keys that have a variable: all but those of the tables of grants."""
    for key in fields(HostConfig):
        if key.name in _nested():
            yield from ((key.name, inner.name) for inner in fields(_nested()[key.name]))
        elif _type_of(HostConfig, key.name) is not Sections:
            yield (key.name,)


@cache
def _nested() -> Mapping[str, type[Any]]:
    """Return the tables that variables reach into."""
    types = {key.name: _type_of(HostConfig, key.name) for key in fields(HostConfig)}
    return {
        name: type_
        for name, type_ in types.items()
        if has(type_) and type_ is not Sections
    }


def _type_of(table: type[Any], key: str) -> Any:
    """Return the type of a key; of ``X | None``, it is X."""
    type_ = getattr(fields(resolve_types(table, include_extras=True)), key).type
    inner = [each for each in get_args(type_) if each is not NoneType]
    return inner[0] if NoneType in get_args(type_) else type_


def _value(path: KeyPath, text: str) -> object:
    """Read a variable as the file would have it: text, a number or a switch."""
    table = HostConfig if len(path) == 1 else _nested()[str(path[0])]
    type_ = _type_of(table, str(path[-1]))
    if type_ is bool:
        return _SWITCHES.get(text, text)
    plain = get_args(type_)[0] if get_origin(type_) is Annotated else type_
    if plain in {int, float} and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


def _unknown(variable: str, known: Iterable[str]) -> str:
    keys = [one.removeprefix(_PREFIX) for one in known]
    near = difflib.get_close_matches(variable.removeprefix(_PREFIX), keys, 1)
    hint = (
        f"did you mean {_PREFIX + near[0]!r}?" if near else f"known: {', '.join(known)}"
    )
    return f"unknown variable {variable!r} ({hint})"


def _variable(path: KeyPath) -> str:
    return _PREFIX + "_".join(str(part) for part in path).upper()


def _texts(source: str, problems: Iterable[Problem], text: str) -> tuple[str, ...]:
    return refuse(source, problems, text).problems


def _environment_texts(problems: Iterable[Problem]) -> Iterator[str]:
    for problem in problems:
        yield f"{problem.text} @ {_variable(problem.path)}"


def _merged(
    table: Mapping[str, object], given: Mapping[str, object]
) -> dict[str, object]:
    merged = {**table, **given}
    for key in _nested():
        mine, theirs = table.get(key), given.get(key)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            merged[key] = {**mine, **theirs}
    return merged
