"""Read the host's settings: a host file, and the environment over it.

Nothing else in the package reads the environment.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from pathlib import Path
from typing import Final

from attrs import evolve, field, fields, frozen

from .core.defaults import AUDIT_KEEP, AUDIT_ROTATE
from .core.errors import ManifestError
from .core.grants.admission import admit
from .core.grants.grants import Grants
from .core.grants.pattern import Pattern
from .core.grants.sections import Sections
from .core.grants.spelling import Kind
from .core.limits import MIB
from .core.manifests.resources import CEILING, LEAST_MEMORY
from .core.toml.lines import KeyPath
from .core.toml.rules import Folder, Id
from .core.toml.schema import (
    LONGEST_FILE,
    Problem,
    json_schema,
    parse_toml,
    refuse,
    structured,
)
from .core.units import Bytes, Count, Seconds, parse_size, show_size

__all__ = (
    "Audit",
    "HostConfig",
    "LogLevel",
    "Profile",
    "Slices",
    "host_schema",
    "load_config",
    "read_text",
)

_STRICT_CEILING: Final = 4 * MIB


class Profile(Enum):
    """How much a host gives if it says nothing else."""

    DEFAULT = "default"
    """Up to 64 MiB of memory: a CPython guest needs 16."""
    STRICT = "strict"
    """Up to 4 MiB of memory."""


class LogLevel(Enum):
    """The least important log lines that are shown."""

    TRACE = "trace"
    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"


@frozen(kw_only=True)
class Slices:
    """How long guests run at a stretch; what is None is left to the engine."""

    inline: Count | None = None
    """Fuel of a slice on the event loop."""
    inline_slices: Count | None = None
    """Slices on the event loop before a call moves to a worker thread."""
    threaded: Count | None = None
    """Fuel of a slice in a worker thread."""
    quantum: Seconds | None = None
    """In a worker thread, before the next guest in line may have it."""


@frozen(kw_only=True)
class Audit:
    """The log of what components were refused, and where it is kept."""

    file: Folder | None = None
    """None: no log is kept."""
    grants: bool = False
    """Whether what is granted is written down too, not only what is refused."""
    rotate: Bytes = AUDIT_ROTATE
    """Bytes of the file at which the next one is begun."""
    keep: Count = AUDIT_KEEP
    """Full files that are kept beside the one being written."""
    key: Folder | None = None
    """The file with the key that the log is sealed with; None: there is no key."""
    sync: bool = False
    """Whether to wait until the disk has what was written."""
    strict: bool = False
    """Whether a log that cannot be written ends the system."""


@frozen(kw_only=True)
class HostConfig:
    """The settings of a host, as its file and the environment give them."""

    name: Id = "host"
    profile: Profile = Profile.DEFAULT
    memory: Bytes | None = None
    """What a component may have at the most; None: as the profile says."""
    cache: Folder | None = None
    """The folder of compiled components; None: the user's cache folder."""
    threads: Count | None = None
    """Guests that may compute in worker threads; None: one for each processor."""
    log: LogLevel = LogLevel.INFO
    slices: Slices = field(factory=Slices)
    audit: Audit = field(factory=Audit)
    capabilities: Sections = field(factory=Sections)
    """The most that any component may be granted."""
    forbidden: Sections = field(factory=Sections)
    """What no component may do, whatever it is granted."""

    @property
    def ceiling(self) -> int:
        """Bytes of memory a component may have at the most."""
        if self.memory is not None:
            return self.memory
        return _STRICT_CEILING if self.profile is Profile.STRICT else CEILING

    def admit(self, grants: Grants, *, source: str = "capabilities") -> Grants:
        """Return a component's grants as this host lets them hold.

        Args:
            grants: As its manifest gives them, narrowed by a tree file.
            source: Where they come from, for the error.

        Raises:
            ManifestError: They are more than any component may be granted.
        """
        return admit(grants, self.capabilities, self.forbidden, source=source)


def load_config(
    path: str | os.PathLike[str] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
) -> HostConfig:
    """Read the host file, then ``AIRSSYS_*`` variables, which win.

    A key is a variable in capitals: ``AIRSSYS_MEMORY``, ``AIRSSYS_SLICES_INLINE``;
    only the file has capabilities. ``AIRSSYS_CONFIG`` names the file where no path is
    given. A relative path in the file, as ``cache``, is relative to the file.

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
        *_texts(source, (*structured(table, HostConfig)[1], *_check(table)), text),
        *unknown,
        *_environment_texts((*structured(given, HostConfig)[1], *_check(given))),
    ]
    config, _ = structured(_merged(table, given), HostConfig)
    if problems or config is None:
        raise ManifestError(source, tuple(problems))
    try:
        return evolve(config, forbidden=_resolved(config.forbidden))
    except ValueError as error:
        raise ManifestError(source, (f"{error} @ forbidden",)) from None


def read_text(path: str | os.PathLike[str]) -> str:
    """Read a file that people write, no further than such a file can be long.

    Raises:
        ManifestError: It is no UTF-8 text.
        OSError: It cannot be read.
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            # One more, so that whoever parses it sees that it is too long: what was
            # handed over may be a link to something without an end.
            return file.read(LONGEST_FILE + 1)
    except UnicodeDecodeError:
        raise ManifestError(os.fspath(path), ("it is not UTF-8 text",)) from None


def host_schema() -> dict[str, object]:
    """Return the JSON Schema of a host file."""
    return json_schema(HostConfig, title="host file")


_PREFIX: Final = "AIRSSYS_"
_WORDS: Final = (
    *("AIRSSYS_NAME", "AIRSSYS_CACHE"),
    *("AIRSSYS_AUDIT_FILE", "AIRSSYS_AUDIT_KEY"),
)
"""Variables whose digits are text."""
_SWITCHES: Final = {"true": True, "false": False}
_NESTED: Final = {"slices": Slices, "audit": Audit}
"""The tables that variables reach into."""
_FILE_ONLY: Final = ("capabilities", "forbidden")


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
    places: dict[str, KeyPath] = {
        _variable((key.name,)): (key.name,)
        for key in fields(HostConfig)
        if key.name not in _NESTED and key.name not in _FILE_ONLY
    }
    places |= {
        _variable((outer, key.name)): (outer, key.name)
        for outer, table in _NESTED.items()
        for key in fields(table)
    }
    table: dict[str, object] = {}
    problems = []
    for variable, text in sorted(environ.items()):
        if not variable.startswith(_PREFIX) or variable == "AIRSSYS_CONFIG":
            continue
        number = text.isascii() and text.isdigit() and variable not in _WORDS
        value: object = int(text) if number else text
        if variable == "AIRSSYS_AUDIT_GRANTS":
            value = _SWITCHES.get(text, text)
        match places.get(variable):
            case (str() as key,):
                table[key] = value
            case (str() as outer, str() as key):
                inner = table.setdefault(outer, {})
                assert isinstance(inner, dict)
                inner[key] = value
            case _:
                problems.append(_unknown(variable, places))
    return table, problems


def _unknown(variable: str, known: Iterable[str]) -> str:
    keys = [one.removeprefix(_PREFIX) for one in known]
    near = difflib.get_close_matches(variable.removeprefix(_PREFIX), keys, 1)
    hint = (
        f"did you mean {_PREFIX + near[0]!r}?" if near else f"known: {', '.join(known)}"
    )
    return f"unknown variable {variable!r} ({hint})"


def _variable(path: KeyPath) -> str:
    return _PREFIX + "_".join(str(part) for part in path).upper()


def _check(table: Mapping[str, object]) -> Iterator[Problem]:
    try:
        memory = parse_size(table.get("memory"))
    except ValueError:
        return
    if 0 < memory < LEAST_MEMORY:
        yield Problem(
            ("memory",),
            f"memory of {show_size(memory)} is less than {show_size(LEAST_MEMORY)}",
        )


def _texts(source: str, problems: Iterable[Problem], text: str) -> tuple[str, ...]:
    return refuse(source, problems, text).problems


def _environment_texts(problems: Iterable[Problem]) -> Iterator[str]:
    for problem in problems:
        yield f"{problem.text} @ {_variable(problem.path)}"


def _merged(
    table: Mapping[str, object], given: Mapping[str, object]
) -> dict[str, object]:
    merged = {**table, **given}
    for key in _NESTED:
        mine, theirs = table.get(key), given.get(key)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            merged[key] = {**mine, **theirs}
    return merged
