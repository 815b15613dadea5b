"""Let guests list, find and measure files: ``airssys:ext-filesystem/metadata``."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, ClassVar, Final

from attrs import define

from ...core.errors import WitError
from ...core.grants.capabilities import Filesystem
from ...core.grants.pattern import Pattern
from ...core.grants.spelling import Kind
from ...hostcalls.call import Call
from ...hostcalls.declare import Inside, interface_of, operation
from ...hostcalls.interface import HostInterface
from ..errors import permission_denied
from .about import about, identity, is_there, nanoseconds, seen, touchable
from .access import Access, Disk
from .errors import failure
from .resolve import Place
from .tree import Counted, Entry, in_unicode, walk

__all__ = ("METADATA", "MetadataOperations", "metadata_interface")

METADATA: Final = "airssys:ext-filesystem/metadata@1.0.0"
_LIST: Final = Inside(("filesystem.list",), "on the directory as it is resolved")
_LIST_EACH: Final = Inside(
    ("filesystem.list",),
    "on the directory as it is resolved; what is not granted below is not entered",
)
_LOOK: Final = Inside(
    ("filesystem.read", "filesystem.list"), "one of them, on the path as it is resolved"
)
_LOOK_EACH: Final = Inside(
    ("filesystem.read", "filesystem.list"),
    "one of them, on each path as it is resolved",
)
_WRITE: Final = Inside(("filesystem.write",), "on the path as it is resolved")


def metadata_interface(disk: Disk) -> HostInterface:
    """Return the interface for all components of a system."""
    return interface_of(MetadataOperations(disk))


@define(eq=False)
class MetadataOperations:
    """The operations of ``airssys:ext-filesystem/metadata``."""

    interface: ClassVar[str] = METADATA
    disk: Disk

    # Trees.

    @operation(needs=_LIST)
    async def list_directory(self, call: Call, path: str) -> dict[str, object]:
        return await self.disk.run(call, partial(_list_directory, path=path))

    @operation(needs=_LIST_EACH)
    async def list_recursive(
        self, call: Call, path: str, max_depth: int
    ) -> list[dict[str, str]]:
        return await self.disk.run(
            call, partial(_list_recursive, path=path, depth=max_depth)
        )

    @operation(needs=_LIST_EACH)
    async def find_files(self, call: Call, directory: str, pattern: str) -> list[str]:
        work = partial(_find_files, path=directory, pattern=pattern)
        return await self.disk.run(call, work)

    @operation(needs=_LIST_EACH)
    async def find_by_type(
        self, call: Call, directory: str, file_type: str
    ) -> list[str]:
        work = partial(_find_by_type, path=directory, kind=file_type)
        return await self.disk.run(call, work)

    @operation(needs=_LIST_EACH)
    async def directory_size(self, call: Call, path: str) -> int:
        return await self.disk.run(call, partial(_directory_size, path=path))

    # Paths.

    @operation(needs=_LOOK_EACH)
    async def same_file(self, call: Call, path1: str, path2: str) -> bool:
        def work(access: Access) -> bool:
            return identity(access, path1) == identity(access, path2)

        return await self.disk.run(call, work)

    @operation(needs=_LOOK)
    async def canonical_path(self, call: Call, path: str) -> str:
        return await self.disk.run(call, partial(_canonical_path, path=path))

    @operation(needs=_LOOK_EACH)
    async def batch_metadata(
        self, call: Call, paths: Sequence[str]
    ) -> list[dict[str, object]]:
        def work(access: Access) -> list[dict[str, object]]:
            return [about(access, path) for path in access.each(paths)]

        return await self.disk.run(call, work)

    @operation(needs=_LOOK_EACH)
    async def all_exist(self, call: Call, paths: Sequence[str]) -> bool:
        return all(await self.disk.run(call, partial(_are_there, paths=paths)))

    @operation(needs=_LOOK_EACH)
    async def any_exist(self, call: Call, paths: Sequence[str]) -> bool:
        return any(await self.disk.run(call, partial(_are_there, paths=paths)))

    @operation(needs=_WRITE)
    async def set_times(
        self, call: Call, path: str, accessed: Any, modified: Any
    ) -> None:
        def work(access: Access) -> None:
            place = access.ask(path, "write")
            times = nanoseconds(accessed), nanoseconds(modified)
            with touchable(access, place, path) as (target, _):
                os.utime(target, ns=times)

        await self.disk.run(call, work)

    # The working directory.

    @operation(needs=_LIST)
    def get_working_directory(self, call: Call) -> str:
        start = self.disk.start(call)
        if words := self.disk.gate.allowed(call, Filesystem("list", start)):
            raise WitError(permission_denied(words))
        return start

    @operation(needs=_LIST)
    async def set_working_directory(self, call: Call, path: str) -> None:
        self.disk.move(call, await self.disk.run(call, partial(_directory, path=path)))


# --- how it is done, in a thread ----------------------------------------------------


def _list_directory(access: Access, path: str) -> dict[str, object]:
    place = access.ask(path, "list")
    with access.inside(place) as opened:
        found = Counted(access.limits).entries(opened)
    listed = [
        {"name": name, "entry_type": kind} for name, kind in found if in_unicode(name)
    ]
    return {
        "directory_path": path,
        "entries": listed,
        "entry_count": len(found),
    }


def _list_recursive(access: Access, path: str, depth: int) -> list[dict[str, str]]:
    place = access.ask(path, "list")
    with access.inside(place) as opened:
        found = [
            (entry.name, entry.kind)
            for entry in walk(access, opened, place.path, depth)
            if in_unicode(entry.name)
        ]
    return [{"name": name, "entry_type": kind} for name, kind in sorted(found)]


def _find_files(access: Access, path: str, pattern: str) -> list[str]:
    place = access.ask(path, "list")
    try:
        matches = Pattern.parse(pattern, Kind.KEY).matches
    except ValueError as error:
        raise failure("invalid-argument", str(error)) from error
    whole = "/" in pattern

    def wanted(entry: Entry) -> bool:
        return matches(entry.name if whole else entry.last)

    return _found(access, place, path, wanted)


def _find_by_type(access: Access, path: str, kind: str) -> list[str]:
    place = access.ask(path, "list")
    return _found(access, place, path, lambda entry: entry.kind == kind)


def _found(
    access: Access, place: Place, path: str, wanted: Callable[[Entry], bool]
) -> list[str]:
    before = path if path.endswith("/") else f"{path}/"
    with access.inside(place) as opened:
        return sorted(
            before + entry.name
            for entry in walk(access, opened, place.path, before=len(before))
            if in_unicode(entry.name) and wanted(entry)
        )


def _directory_size(access: Access, path: str) -> int:
    place = access.ask(path, "list")
    sizes: dict[tuple[int, int], int] = {}
    with access.inside(place) as opened:
        for entry in walk(access, opened, place.path):
            try:
                found = os.stat(
                    entry.last, dir_fd=entry.directory, follow_symlinks=False
                )
            except FileNotFoundError:
                continue  # it went while the tree was walked
            if stat.S_ISREG(found.st_mode):
                sizes[found.st_dev, found.st_ino] = found.st_size
    return sum(sizes.values())


def _canonical_path(access: Access, path: str) -> str:
    place = access.ask(path, "read", "list", either=True)
    with access.held(place) as (directory, name):
        seen(directory, name, place)
    if not in_unicode(place.path):
        raise failure("io-error", f"where {path!r} leads is no Unicode")
    return place.path


def _are_there(access: Access, paths: Sequence[str]) -> list[bool]:
    # All of them, so that what is not granted is denied wherever it stands.
    return [is_there(access, path) for path in access.each(paths)]


def _directory(access: Access, path: str) -> str:
    place = access.ask(path, "list")
    with access.held(place) as (directory, name):
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not in_unicode(place.path):
        raise failure("io-error", f"where {path!r} leads is no Unicode")
    return place.path
