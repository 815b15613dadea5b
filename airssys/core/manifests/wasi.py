"""The table ``[wasi]``: what a guest finds around it that was built for WASI."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from attrs import evolve, field, fields, frozen

from ..toml.lines import KeyPath
from ..toml.rules import (
    INPUTS,
    OUTPUTS,
    Argument,
    GuestPath,
    HostPath,
    Input,
    Output,
    Variable,
)
from ..toml.schema import Problem, structured

__all__ = ("INHERIT", "LOG", "NULL", "Wasi", "WasiOverride", "inherited", "rewired")

NULL: Final = "null"
"""Nothing is read, and what is written is lost."""
INHERIT: Final = "inherit"
"""The stream of the host's own process."""
LOG: Final = "log"
"""Each line is a line of the log, with the component's name."""
assert NULL in INPUTS
assert {NULL, INHERIT, LOG} == {*OUTPUTS}


@frozen(kw_only=True)
class Wasi:
    """What a guest finds around it that was built for WASI.

    None of it is a grant: a folder or a file that is named here is used as far as
    ``capabilities.filesystem`` allows.

    Raises:
        ValueError: A field is none that the table may have; names all of them.
    """

    args: tuple[Argument, ...] = ()
    """The program's arguments, without its own name, which is the package's."""
    env: Mapping[Variable, Argument] = field(factory=dict)
    """Its environment variables: these and no others."""
    preopens: Mapping[GuestPath, HostPath] | None = None
    """The folders it begins with, by what it calls them; None: those of its grants."""
    cwd: GuestPath | None = None
    """The folder that it is told it starts in."""
    stdin: Input = NULL
    stdout: Output = LOG
    stderr: Output = LOG

    def __attrs_post_init__(self) -> None:
        problems = [
            Problem((key.name,), "expected a value, got None")
            for key in fields(Wasi)
            if getattr(self, key.name) is None is not key.default
        ]
        problems += structured(_table(self), WasiOverride)[1]
        if problems:
            said = (f"{'.'.join(map(str, at.path))}: {at.text}" for at in problems)
            raise ValueError(f"Wasi of {'; '.join(said)}")


@frozen(kw_only=True)
class WasiOverride:
    """What a guest finds around it instead of what its manifest says.

    ``env`` is replaced variable by variable, the rest as a whole. Only a component
    whose manifest says ``inherit`` of a stream may have that of the host's process.
    """

    args: tuple[Argument, ...] | None = None
    env: Mapping[Variable, Argument] = field(factory=dict)
    preopens: Mapping[GuestPath, HostPath] | None = None
    cwd: GuestPath | None = None
    stdin: Input | None = None
    stdout: Output | None = None
    stderr: Output | None = None


def _table(wasi: Wasi) -> dict[str, object]:
    """Return the table that says the same, as TOML has it."""
    table: dict[str, object] = {}
    for key in fields(Wasi):
        match getattr(wasi, key.name):
            case None:
                pass
            case tuple() as items:
                table[key.name] = list(items)
            case Mapping() as items:
                table[key.name] = dict(items)
            case value:
                table[key.name] = value
    return table


def inherited(override: WasiOverride, wasi: Wasi, path: KeyPath) -> Iterator[Problem]:
    """Find the streams that the override would take from the host's process."""
    for name in ("stdin", "stdout", "stderr"):
        allowed = getattr(wasi, name)
        if getattr(override, name) == INHERIT != allowed:
            yield Problem(
                (*path, "wasi", name),
                f"{name} of {INHERIT!r} is more than the component's {allowed!r}",
            )


def rewired(override: WasiOverride, wasi: Wasi) -> Wasi:
    """Return what a guest finds around it with what the override says instead."""
    given: dict[str, Any] = {
        key.name: value
        for key in fields(WasiOverride)
        if (value := getattr(override, key.name)) is not None
    }
    return evolve(wasi, **{**given, "env": {**wasi.env, **override.env}})
