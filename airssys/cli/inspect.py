"""Show what a component is, imports and exports, and what it needs and may use."""

from __future__ import annotations

import json as _json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import anyio
from attrs import asdict, frozen
from cyclopts import Parameter
from rich.console import Console

from ..config import load_config
from ..core.grants.grants import Grants
from ..core.limits import Limits
from ..core.units import show_duration, show_size
from ..engine.component import Component
from ..host.offered import needed_for
from ..wasi.offered import needed_for as needed_of_wasi
from ..witmodel.text import render_wit
from ..witmodel.types import Extern, InstanceType
from .call import open_component
from .source import Kind, kind_of
from .wasi_imports import packages

__all__ = ("inspect",)


def inspect(
    component: Path,
    /,
    *,
    json: Annotated[bool, Parameter(negative="")] = False,
    config: Path | None = None,
) -> None:
    """Show what a component imports and exports, as WIT, and what it needs and may use.

    Args:
        component: A component's folder or Component.toml, or a .wasm or .wat file.
        json: Print JSON.
        config: The host file.
    """
    settings = load_config(config)
    opened = anyio.run(open_component, component, settings, backend="trio")
    loaded, terms = opened
    limits, grants = terms.limits, terms.grants
    under_manifest = kind_of(component) is Kind.COMPONENT
    granted = Grants().widened_by(grants)
    if json:
        report = _report(loaded)
        if under_manifest:
            report |= {"granted": granted, "limits": asdict(limits)}
        print(_json.dumps(report, indent=2))
        return
    console = Console(highlight=False, markup=False)

    def show(title: str, text: str) -> None:
        console.print(f"{title:13}", style="bold", end="")
        console.print(text, soft_wrap=True)

    def show_all(title: str, lines: list[str]) -> None:
        for number, words in enumerate(lines):
            show("" if number else title, words)

    show("name", loaded.name)
    show("size", f"{loaded.size:,} bytes")
    if under_manifest:
        show("limits", _limits(limits))
    show_all("wasi", [str(each) for each in packages(loaded.imports)])
    show_all("needs", _in_words(_needs(loaded)) or ["no capabilities"])
    if under_manifest:
        show_all("granted", list(granted) or ["nothing"])
    console.print()
    wit = render_wit(
        loaded.imports, loaded.exports, world=loaded.name.rpartition("/")[2]
    )
    console.print(_SPELLED_OUT.sub(r"\1;", wit), soft_wrap=True)


_SPELLED_OUT: Final = re.compile(
    r"^(  import wasi:[^ ]+): interface \{.*?^  \}", re.MULTILINE | re.DOTALL
)
"""An interface of WASI, of which everybody can read elsewhere what is in it."""


@frozen
class _Needing:
    """An imported function that takes a grant."""

    interface: str
    """Without its version, as grants name it."""
    function: str
    capabilities: tuple[str, ...]
    """Section and action of each, as far as the function declares them."""


_CUSTOM: Final = ("custom",)
"""What a function of a host extension needs: that its interface is granted."""


def _needs(component: Component) -> list[_Needing]:
    """Return what each imported function needs, where it needs anything."""
    found: list[_Needing] = []
    for name, extern in component.imports.items():
        if not isinstance(extern, InstanceType):
            continue
        interface = name.partition("@")[0]
        declared = needed_for(name)
        if declared is None:
            declared = needed_of_wasi(name)
        for function, _ in extern.functions():
            if declared is None and interface.startswith("wasi:"):
                continue  # no grant would help
            if declared is None:
                found.append(_Needing(interface, function, _CUSTOM))
            elif function in declared:
                capabilities = declared[function].capabilities
                found.append(_Needing(interface, function, capabilities))
    return [each for each in found if each.capabilities]


def _in_words(needs: list[_Needing]) -> list[str]:
    """Return a line for each interface."""
    found: dict[str, dict[str, None]] = {}
    for each in needs:
        found.setdefault(each.interface, {}).update(dict.fromkeys(each.capabilities))
    return [
        f"custom {interface!r}"
        if tuple(capabilities) == _CUSTOM
        else f"{', '.join(capabilities)} for {interface}"
        for interface, capabilities in found.items()
    ]


def _limits(limits: Limits) -> str:
    fuel = "unmetered" if limits.fuel is None else f"{limits.fuel:_} fuel a call"
    time = "no end" if limits.timeout is None else show_duration(limits.timeout)
    return f"{show_size(limits.memory)} memory, {fuel}, {time} a call"


def _report(component: Component) -> dict[str, Any]:
    return {
        "name": component.name,
        "size": component.size,
        "wasi": [asdict(each) for each in packages(component.imports)],
        "needs": [asdict(each) for each in _needs(component)],
        "imports": _externs(component.imports),
        "exports": _externs(component.exports),
    }


def _externs(externs: Mapping[str, Extern]) -> dict[str, Any]:
    return {
        name: {inner: str(each) for inner, each in extern.exports.items()}
        if isinstance(extern, InstanceType)
        else str(extern)
        for name, extern in externs.items()
    }
