"""Write what follows from ``wit/``: the types of all functions, and ``deps/``.

``python -m tests.regenerate`` rewrites both, for every package there is. It needs
wasm-tools, which the extra ``guests`` brings.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import anyio
from attrs import frozen

from airssys.engine.component import Component, Engine
from airssys.witmodel.types import Extern, InstanceType, ResourceType

__all__ = (
    "CORE_DEPS",
    "PROJECT",
    "Package",
    "core_deps",
    "dummy",
    "functions_of",
    "module_text",
    "packages",
    "wasm_tools",
    "write",
)

PROJECT: Final = Path(__file__).parent.parent
_WIT: Final = PROJECT / "wit"
_CORE: Final = "core"
CORE_DEPS: Final = Path("deps", "core.wit")
"""Where an extension's folder has the text of ``airssys:core``."""
_LINE: Final = 88
"""Characters of a line, where it can be broken."""
_HEADER: Final = "package airssys:core@1.0.0;"


@frozen
class Package:
    """One WIT package of the project: a folder with one world."""

    folder: Path

    @property
    def name(self) -> str:
        """The package's name without its namespace, such as ``ext-network``."""
        return self.folder.name

    @property
    def world(self) -> str:
        """The name of its world."""
        (name,) = (
            found
            for file in sorted(self.folder.glob("*.wit"))
            for found in re.findall(r"^world ([\w-]+)", file.read_text(), re.MULTILINE)
        )
        return str(name)

    @property
    def own(self) -> bool:
        """Whether it is one of airssys's: it takes the text of ``airssys:core``."""
        return self.name != "wasi"

    @property
    def namespace(self) -> str:
        """What the names of its interfaces begin with."""
        return f"airssys:{self.name}/" if self.own else "wasi:"

    @property
    def module(self) -> Path:
        """The module of ``airssys.witmodel.signatures`` that has its types."""
        name = self.name.removeprefix("ext-")
        return PROJECT / "airssys" / "witmodel" / "signatures" / f"{name}.py"


def packages() -> list[Package]:
    """Return the packages that have a world, ``airssys:core`` first."""
    worlds = {file.parent for file in _WIT.glob("*/world.wit")}
    return [
        Package(each) for each in sorted(worlds, key=lambda p: (p.name != _CORE, p))
    ]


def core_deps() -> str:
    """Return ``airssys:core`` in one file, as the extensions' folders have it."""
    parts = [
        file.read_text().removeprefix(f"{_HEADER}\n")
        for file in sorted((_WIT / _CORE).glob("*.wit"))
    ]
    note = "// Written by `python -m tests.regenerate` from wit/core."
    return "\n".join((f"{note}\n{_HEADER}", *(f"{part.strip()}\n" for part in parts)))


def wasm_tools() -> str | None:
    """Find wasm-tools: beside this Python, else on the path."""
    scripts = sysconfig.get_path("scripts")
    return shutil.which("wasm-tools", path=scripts) or shutil.which("wasm-tools")


def dummy(tools: str, package: Package, folder: Path) -> Path:
    """Make a guest of the package's world that does nothing.

    Args:
        tools: The command of wasm-tools.
        package: The package.
        folder: Where to put it.
    """
    embedded, made = folder / "embedded.wasm", folder / f"{package.name}.wasm"
    embed = [tools, "component", "embed", "--dummy", "--all-features"]
    embed += ["--world", package.world]
    subprocess.run([*embed, str(package.folder), "-o", str(embedded)], check=True)
    new = [tools, "component", "new", str(embedded), "-o", str(made)]
    subprocess.run(new, check=True)
    return made


def _interfaces(component: Component) -> Iterator[tuple[str, InstanceType]]:
    for name, extern in {**component.imports, **component.exports}.items():
        if isinstance(extern, InstanceType):
            yield name, extern


def functions_of(component: Component) -> dict[str, dict[str, str]]:
    """Return interface, function and type of all it imports and exports."""
    found = {
        name: {function: str(type_) for function, type_ in interface.functions()}
        for name, interface in _interfaces(component)
    }
    return {name: functions for name, functions in found.items() if functions}


def _resources_of(component: Component) -> dict[str, tuple[str, ...]]:
    """Return interface and names of the resources that are defined there."""

    def defined(interface: str, externs: Mapping[str, Extern]) -> tuple[str, ...]:
        return tuple(
            name
            for name, extern in externs.items()
            if isinstance(extern, ResourceType)
            and (extern.home, extern.name) == (interface, name)  # not another name
        )

    found = {
        name: defined(name, interface.exports)
        for name, interface in _interfaces(component)
    }
    return {name: resources for name, resources in found.items() if resources}


def module_text(package: Package, component: Component) -> str:
    """Return the module that has the types of a package's functions.

    Args:
        package: The package.
        component: A guest of its world.
    """
    inside = package.namespace
    lines = [
        f'"""The types of ``{inside.rstrip("/:")}``, written from its WIT text.',
        "",
        "Not to be edited: ``python -m tests.regenerate`` writes it.",
        '"""',
        "",
        "from __future__ import annotations",
        "",
        "from collections.abc import Mapping",
        "from typing import Final",
        "",
        '__all__ = ("RESOURCES", "SIGNATURES")',
        "",
        "SIGNATURES: Final[Mapping[str, Mapping[str, str]]] = {",
    ]
    for interface, functions in functions_of(component).items():
        if interface.startswith(inside):
            lines.append(f'    "{interface}": {{')
            lines += (f'        "{n}": "{t}",' for n, t in functions.items())
            lines.append("    },")
    resources = {
        interface: names
        for interface, names in _resources_of(component).items()
        if interface.startswith(inside)
    }
    lines += ["}", "RESOURCES: Final[Mapping[str, tuple[str, ...]]] = {"]
    for interface, names in resources.items():
        lines += _tuple(interface, names)
    lines.append("}")
    return "\n".join(lines).replace("= {\n}", "= {}") + "\n"


def _tuple(interface: str, names: tuple[str, ...]) -> list[str]:
    """Return a line of a table, or several where one would be too long."""
    listed = ", ".join(f'"{name}"' for name in names)
    line = f'    "{interface}": ({listed}{"," if len(names) == 1 else ""}),'
    if len(line) <= _LINE:
        return [line]
    return [
        f'    "{interface}": (',
        *(f'        "{name}",' for name in names),
        "    ),",
    ]


def write() -> None:
    """Write all that follows from ``wit/``.

    Raises:
        SystemExit: wasm-tools is not there.
    """
    tools = wasm_tools()
    if tools is None:
        raise SystemExit("needs the extra 'guests': wasm-tools is not installed")
    engine = Engine(cache=False)
    for package in packages():
        if package.own and package.name != _CORE:
            deps = package.folder / CORE_DEPS
            deps.parent.mkdir(exist_ok=True)
            deps.write_text(core_deps())
        with tempfile.TemporaryDirectory() as folder:
            made = dummy(tools, package, Path(folder))
            component = anyio.run(engine.load, made)
        package.module.write_text(module_text(package, component))
        print(package.module.relative_to(PROJECT))
