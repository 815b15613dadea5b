"""Programs in Python and in JavaScript, each built and compiled once, to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

import anyio
import pytest
from attrs import field, frozen

from airssys import Component, Engine, Grants, Limits, NetworkGrants
from airssys.errors import GuestExited, GuestTrapped, WitError
from airssys.grants import FilesystemGrants
from airssys.wasi import (
    BytesInput,
    BytesOutput,
    Context,
    deterministic,
    open_interfaces,
)

from .probe.build import BuildFailed, ToolMissing
from .program import build

__all__ = ("LIMITS", "ROOMY", "Ran", "built", "load", "network", "run", "whole")

LIMITS: Final = Limits(memory=64 * 2**20, timeout=60.0)
ROOMY: Final = 'memory = "64MiB"\ntimeout = "60s"'
"""The same, as a manifest has it."""


@frozen
class Ran:
    """What a program printed, and how it ended."""

    out: str
    err: str
    error: Exception | None = field(default=None, eq=False)

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@cache
def engine() -> Engine:
    return Engine()


_loaded: dict[str, Component] = {}
_failed: dict[str, Exception] = {}
"""Why a program cannot be built. To find out takes a minute, so once will do."""


def built(language: str) -> Path:
    """Return a program, or skip where it cannot be built."""
    try:
        if language in _failed:
            raise _failed[language]
        return build.built(language)
    except ToolMissing as missing:
        _failed[language] = missing
        pytest.skip(f"no program in {language}: {missing}")
    except BuildFailed as failed:
        _failed[language] = failed
        raise


async def load(language: str) -> Component:
    """Return a program to run, or skip where it cannot be built."""
    if language not in _loaded:
        path = built(language)
        _loaded[language] = await engine().load(path, name=f"test/{language}")
    return _loaded[language]


def whole(folder: Path) -> Grants:
    """Grant all in a folder."""
    both = [str(folder), f"{folder}/**"]
    granted = FilesystemGrants(read=both, write=both, delete=both, list=both)
    return Grants(filesystem=granted)


def network(*outbound: str, inbound: Sequence[str] = ()) -> Grants:
    return Grants(network=NetworkGrants(outbound=outbound, inbound=inbound))


async def run(
    language: str,
    *args: object,
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    grants: Grants | None = None,
    seed: int | None = None,
) -> Ran:
    """Run a program to its end.

    Args:
        language: Which one.
        args: What it is to do.
        stdin: What it can read.
        env: Its variables.
        folder: What it calls ``/data``.
        grants: By default that folder, if there is one.
        seed: Makes all that is by chance the same each time.
    """
    out, err = BytesOutput(), BytesOutput()
    preopens = {} if folder is None else {"/data": folder}
    if grants is None:
        grants = Grants() if folder is None else whole(folder)
    context = Context(
        args=["program", *map(str, args)],
        stdin=BytesInput(stdin),
        stdout=out,
        stderr=err,
        env=env or {},
        preopens=preopens,
    )
    if seed is not None:
        context = deterministic(seed, context)
    component = await load(language)
    error: Exception | None = None
    with anyio.fail_after(60):
        async with open_interfaces() as offered:
            with await component.instantiate(
                offered, grants=grants, limits=LIMITS, context=context
            ) as instance:
                try:
                    await instance.call("wasi:cli/run#run")
                except (GuestExited, GuestTrapped, WitError) as caught:
                    error = caught
    return Ran(out.content.decode(), err.content.decode(), error)
