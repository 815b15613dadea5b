"""Real guests with files of WASI, and what tests of them look at."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from attrs import define

from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import FilesystemGrants
from airssys.host.filesystem import Disk, FileLimits
from airssys.host.filesystem.pin import Pin
from airssys.host.offered import Facilities
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface
from airssys.testing import Recorder
from airssys.wasi import Context, open_interfaces
from airssys.witmodel.types import Variant

from ...relay import Relay, relay

__all__ = (
    "FOLLOW",
    "NOW",
    "NO_LINKS",
    "SAME",
    "Guest",
    "at",
    "everything",
    "failed",
    "failing",
    "grants",
    "read_only",
    "running",
)

FOLLOW: Final = frozenset({"symlink-follow"})
NO_LINKS: Final[frozenset[str]] = frozenset()
NOW: Final = Variant("now")
SAME: Final = Variant("no-change")
_NEEDED: Final = (
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:filesystem/types",
    "wasi:filesystem/preopens",
)


def at(seconds: int, nanoseconds: int = 0) -> Variant:
    """Return a ``new-timestamp``."""
    return Variant("timestamp", {"seconds": seconds, "nanoseconds": nanoseconds})


def grants(**actions: list[str]) -> Grants:
    return Grants(filesystem=FilesystemGrants(**actions))


def everything(folder: Path) -> Grants:
    """Grant all in a folder, and to list the folder itself."""
    below = [f"{folder}/**"]
    return grants(read=below, write=below, delete=below, list=[str(folder), *below])


def read_only(folder: Path) -> Grants:
    below = [f"{folder}/**"]
    return grants(read=below, list=[str(folder), *below])


@define(eq=False)
class Guest:
    """A guest, what it may do at this moment, and the folder it has."""

    relay: Relay
    standing: Standing
    root: Any = None
    """The descriptor of its first preopen."""

    @property
    def denied(self) -> list[Any]:
        return list(self.relay.denied)

    def revoke(self) -> None:
        self.standing.grants = Grants()

    async def __call__(self, function: str, *args: Any) -> Any:
        """Call one of ``types``: ``stat``, ``read-directory-entry`` and so on."""
        if function.startswith(("input-", "output-")):
            return await self.relay(f"streams#[method]{function}", *args)
        if function == "read-directory-entry":
            name = "[method]directory-entry-stream.read-directory-entry"
            return await self.relay(f"types#{name}", *args)
        if function == "filesystem-error-code":
            return await self.relay(f"types#{function}", *args)
        return await self.relay(f"types#[method]descriptor.{function}", *args)

    async def preopens(self) -> dict[str, Any]:
        listed = await self.relay("preopens#get-directories")
        return {name: descriptor for descriptor, name in listed}

    async def open(
        self,
        path: str,
        *flags: str,
        how: Iterable[str] = (),
        follow: bool = True,
        at: Any = None,
    ) -> Any:
        """Open something below the root, by default to be read."""
        return await self(
            "open-at",
            self.root if at is None else at,
            FOLLOW if follow else NO_LINKS,
            path,
            frozenset(how),
            frozenset(flags or ("read",)),
        )

    async def read(self, descriptor: Any, length: int = 1000, offset: int = 0) -> bytes:
        data, _ = await self("read", descriptor, length, offset)
        return bytes(data)

    async def names(self, descriptor: Any = None) -> dict[str, str]:
        """List a directory: the type of each name."""
        stream = await self(
            "read-directory", self.root if descriptor is None else descriptor
        )
        found: dict[str, str] = {}
        while (entry := await self("read-directory-entry", stream)) is not None:
            assert entry.name not in found
            found[entry.name] = entry.type
        await self.relay.drop(stream)
        return found


@asynccontextmanager
async def running(
    granted: Grants,
    *,
    preopens: dict[str, str] | None = None,
    limits: FileLimits | None = None,
    budget: Budget | None = None,
    pin: Pin | None = None,
    tell_grants: bool = False,
    context: Context | None = None,
) -> AsyncIterator[Guest]:
    """Run a guest that has all functions of ``wasi:filesystem`` and of streams."""
    gate = Gate(recorder := Recorder(), grants=tell_grants)
    standing = Standing(granted, budget)
    facilities = Facilities(files=limits or FileLimits())
    async with open_interfaces(gate, facilities) as offered:
        needed = [one for one in offered if one.name.startswith(_NEEDED)]
        async with relay(
            needed,
            grants=standing,
            recorder=recorder,
            guard=gate,
            context=context or Context(preopens=preopens),
        ) as made:
            guest = Guest(made, standing)
            folders = await guest.preopens()
            guest.root = next(iter(folders.values()), None)
            if pin is not None:
                _disk(offered).pin = pin
            yield guest


def _disk(offered: Sequence[HostInterface]) -> Disk:
    """Return what the interfaces open files by."""
    (types,) = (one for one in offered if one.name.startswith("wasi:filesystem/types"))
    body: Any = types.functions["[method]descriptor.open-at"].body
    disk: Disk = body.__self__.outside.disk
    return disk


async def failing(waiting: Awaitable[object]) -> str:
    """Return the error code that a call gives the guest."""
    with pytest.raises(WitError) as caught:
        await waiting
    assert isinstance(caught.value.value, str)
    return caught.value.value


async def failed(waiting: Awaitable[object]) -> Any:
    """Return the ``stream-error`` that a call gives the guest."""
    with pytest.raises(WitError) as caught:
        await waiting
    return caught.value.value
