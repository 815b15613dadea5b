"""Real guests with files, and what tests of them look at."""

from __future__ import annotations

import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import anyio
import pytest
from attrs import define

from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import FilesystemGrants
from airssys.host.filesystem import FileLimits, filesystem_interfaces
from airssys.host.filesystem.pin import Pin
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.testing import Recorder
from airssys.witmodel.types import Variant

from ...relay import Relay, relay

__all__ = (
    "FILES",
    "META",
    "Guest",
    "descriptors",
    "everything",
    "failing",
    "grants",
    "names",
    "options",
    "running",
    "snapshot",
    "until",
)

FILES: Final = "airssys:ext-filesystem/filesystem@1.0.0"
META: Final = "airssys:ext-filesystem/metadata@1.0.0"


@define(eq=False)
class Guest:
    """A guest, and what it may do at this moment."""

    relay: Relay
    standing: Standing
    gate: Gate

    @property
    def denied(self) -> list[Any]:
        return list(self.relay.denied)

    def revoke(self) -> None:
        self.standing.grants = Grants()

    async def __call__(self, function: str, *args: Any) -> Any:
        return await self.relay(function, *args)

    async def open(self, path: str | Path, mode: str = "read", **more: bool) -> Any:
        return await self("filesystem#open", str(path), options(mode, **more))

    async def read(self, file: Any, size: int = 1000) -> bytes:
        found = await self("filesystem#[method]file.read", file, size)
        assert found.bytes_read == len(found.data)
        return bytes(found.data)

    async def write(self, file: Any, data: bytes) -> int:
        found = await self("filesystem#[method]file.write", file, data)
        return int(found.bytes_written)


def options(mode: str = "read", **more: bool) -> dict[str, object]:
    chosen = {"create": False, "create_new": False, "truncate": False, **more}
    return {"mode": mode, **chosen}


def grants(**actions: list[str]) -> Grants:
    return Grants(filesystem=FilesystemGrants(**actions))


def everything(folder: Path) -> Grants:
    """Grant all in a folder, and to list the folder itself."""
    below = [f"{folder}/**"]
    return grants(read=below, write=below, delete=below, list=[str(folder), *below])


@cache
def _offered(_backend: str) -> tuple[Recorder, Gate, tuple[HostInterface, ...]]:
    """Return what most guests of one event loop share: to link them takes long."""
    gate = Gate(recorder := Recorder())
    return recorder, gate, filesystem_interfaces(gate)


@asynccontextmanager
async def running(
    granted: Grants,
    *,
    limits: FileLimits | None = None,
    pin: Pin | None = None,
    budget: Budget | None = None,
    tell_grants: bool = False,
) -> AsyncIterator[Guest]:
    if limits or pin or tell_grants:
        gate = Gate(recorder := Recorder(), grants=tell_grants)
        offered: tuple[HostInterface, ...] = filesystem_interfaces(
            gate, limits=limits, pin=pin
        )
    else:
        recorder, gate, offered = _offered(anyio.get_cancelled_exc_class().__module__)
        recorder.events.clear()
    standing = Standing(granted, budget)
    async with relay(offered, grants=standing, recorder=recorder, guard=gate) as made:
        yield Guest(made, standing, gate)


async def failing(waiting: Awaitable[object]) -> str:
    """Return the case of the error that a call gives the guest."""
    with pytest.raises(WitError) as caught:
        await waiting
    value = caught.value.value
    assert isinstance(value, Variant)
    assert value.value
    return value.case


def descriptors() -> int:
    """Return how many descriptors this process has open; 0 where nobody tells."""
    there = Path("/proc/self/fd")
    return len(names(there)) if there.exists() else 0


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def snapshot(folder: Path) -> dict[str, object]:
    """Return all that is below a folder: content, targets and permissions."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        here = path.lstat()
        content: object = None
        if path.is_symlink():
            content = os.readlink(path)  # noqa: PTH115 - its text as it is
        elif path.is_file():
            content = path.read_bytes()
        mode = stat.filemode(here.st_mode)
        found[str(path.relative_to(folder))] = (mode, content, here.st_mtime_ns)
    return found


async def until(ready: Callable[[], object]) -> None:
    """Wait for something that a thread brings about."""
    with anyio.fail_after(10):
        while not ready():  # noqa: ASYNC110 - threads know no events of the loop
            await anyio.sleep(0.001)
