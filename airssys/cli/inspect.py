"""Say what a component is, imports, exports, may do and may use."""

from __future__ import annotations

import json as _json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import anyio
from attrs import asdict
from cyclopts import Parameter
from rich.console import Console

from ..config import load_config
from ..core.grants.grants import Grants
from ..core.limits import Limits
from ..core.units import show_duration, show_size
from ..engine.component import Component
from ..witmodel.text import render_wit
from ..witmodel.types import Extern, InstanceType
from .call import open_component
from .source import Kind, kind_of

__all__ = ("inspect",)


def inspect(
    component: Path,
    /,
    *,
    json: Annotated[bool, Parameter(negative="")] = False,
    config: Path | None = None,
) -> None:
    """Say what a component imports and exports, as WIT, and what it may do and use.

    Args:
        component: A component's folder or Component.toml, or a .wasm or .wat file.
        json: Print JSON.
        config: The host file.
    """
    settings = load_config(config)
    opened = anyio.run(open_component, component, settings, backend="trio")
    loaded, limits, grants, *_ = opened
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

    show("name", loaded.name)
    show("size", f"{loaded.size:,} bytes")
    if under_manifest:
        show("limits", _limits(limits))
    show("needs", ", ".join(_needs(loaded)) or "no capabilities")
    if under_manifest:
        for number, words in enumerate(granted or ["nothing"]):
            show("" if number else "granted", words)
    console.print()
    wit = render_wit(
        loaded.imports, loaded.exports, world=loaded.name.rpartition("/")[2]
    )
    console.print(wit, soft_wrap=True)


def _needs(component: Component) -> list[str]:
    """Return the sections of [capabilities] that the imports ask for."""
    needs = []
    for name, extern in component.imports.items():
        plain = name.partition("@")[0]
        if not isinstance(extern, InstanceType) or not any(extern.functions()):
            continue
        if plain == "airssys:core/messaging":
            needs.append("messaging")
        elif not plain.startswith("airssys:core/"):
            needs.append(f"custom {plain!r}")
    return needs


def _limits(limits: Limits) -> str:
    fuel = "unmetered" if limits.fuel is None else f"{limits.fuel:_} fuel a call"
    time = "no end" if limits.timeout is None else show_duration(limits.timeout)
    return f"{show_size(limits.memory)} memory, {fuel}, {time} a call"


def _report(component: Component) -> dict[str, Any]:
    return {
        "name": component.name,
        "size": component.size,
        "needs": _needs(component),
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
