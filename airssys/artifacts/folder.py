"""Read a component's folder: its manifest, its code, and whether the two agree."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread
from attrs import frozen

from ..core.errors import InvalidComponent, ManifestError, TrustError
from ..core.manifests.manifest import Manifest, parse_manifest
from ..core.manifests.resources import CEILING
from ..core.names import Digest
from ..engine.component import Component, Engine
from ..reading import read_bytes, read_text
from ..witmodel.agreement import agreement
from ..witmodel.signatures import is_known
from .runnable import check_actor, check_command, check_service

__all__ = ("WORLDS", "Artifact", "load", "load_manifest")

WORLDS: Final[Mapping[str, tuple[str, ...]]] = {
    "airssys:core/component@1.0.0": ("core",),
    "airssys:ext-filesystem/filesystem-component@1.0.0": ("core", "ext-filesystem"),
    "airssys:ext-network/network-component@1.0.0": ("core", "ext-network"),
    "airssys:ext-process/process-component@1.0.0": ("core", "ext-process"),
}
"""The worlds in wit/, each with the packages that it imports from."""
_COMMAND: Final = "wasi:cli/command@0.2.0"
_SERVICE: Final = "wasi:http/proxy@0.2.0"
"""The worlds of WASI's own, as of any last number of their version."""
_FILE: Final = "Component.toml"


@frozen
class Artifact:
    """A component, compiled, with its manifest."""

    manifest: Manifest
    component: Component
    path: Path
    """The path of its Component.toml."""


async def load_manifest(
    path: str | os.PathLike[str], *, ceiling: int = CEILING
) -> tuple[Path, Manifest]:
    """Read a Component.toml, given it or its folder; return its path too.

    Raises:
        ManifestError: It breaks the schema, is not there or is no UTF-8 text.
    """
    file = anyio.Path(path)
    if await file.is_dir():
        file /= _FILE
    try:
        text = await anyio.to_thread.run_sync(read_text, file)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ManifestError(str(file), (f"it cannot be read: {reason}",)) from error
    # Not on the event loop: there may be thousands of patterns to read.
    parse = partial(parse_manifest, text, source=str(file), ceiling=ceiling)
    return Path(file), await anyio.to_thread.run_sync(parse, abandon_on_cancel=True)


async def load(
    path: str | os.PathLike[str], *, engine: Engine, ceiling: int = CEILING
) -> Artifact:
    """Read a component's folder and compile the component.

    Args:
        path: The folder with a Component.toml, or that file.
        engine: Compiles it.
        ceiling: Bytes of memory the host gives at the most.

    Raises:
        ManifestError: The manifest breaks its schema, or names no readable file.
        TrustError: The code is not what the manifest's ``sha256`` says.
        InvalidComponent: The code is no component, or not of the manifest's world.
    """
    file, manifest = await load_manifest(path, ceiling=ceiling)
    code = file.parent / manifest.wasm
    try:
        source = await anyio.to_thread.run_sync(read_bytes, code)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise ManifestError(
            str(file), (f"{manifest.wasm!r} cannot be read: {reason} @ component.wasm",)
        ) from error
    if manifest.digest is not None:
        hashed = await anyio.to_thread.run_sync(hashlib.sha256, source)
        found = Digest.parse(f"sha256:{hashed.hexdigest()}")
        if found != manifest.digest:
            raise TrustError(str(code), str(manifest.digest), str(found))
    # Not read again: what is compiled is what was checked.
    component = await engine.load(code, name=str(manifest.name), source=source)
    world = manifest.component.world
    if world is not None:
        _check_world(component, str(world), manifest)
    return Artifact(manifest, component, file)


def _check_world(component: Component, world: str, manifest: Manifest) -> None:
    packages = WORLDS.get(world)
    of_wasi = {agreement(each): each for each in (_COMMAND, _SERVICE)}
    ours = of_wasi.get(agreement(world))
    if packages is None and ours is None:
        known = ", ".join(map(repr, (*WORLDS, _COMMAND, _SERVICE)))
        raise InvalidComponent(
            component.name, f"its world {world!r} is not known here (known: {known})"
        )
    if packages is not None:
        check_actor(component)
    elif ours == _COMMAND:
        check_command(component)
    else:
        check_service(component)
    # WASI is offered beside each world.
    known_names = ("wasi:", *(f"airssys:{package}/" for package in packages or ()))
    granted = manifest.grants.interfaces
    beyond = [
        name
        for name in component.imports
        if not (name.startswith(known_names) and (is_known(name) or "/types@" in name))
        and name.partition("@")[0] not in granted
    ]
    if beyond:
        raise InvalidComponent(
            component.name,
            f"it imports {', '.join(map(repr, beyond))}, which is neither of its world "
            "nor granted under capabilities.custom",
        )
