"""Let guests list, find and measure files: ``airssys:ext-filesystem/metadata``."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

from ...core.errors import WitError
from ...core.grants.capabilities import Filesystem
from ...core.grants.pattern import Pattern
from ...core.grants.spelling import Kind
from ...hostcalls.call import Call
from ...hostcalls.declare import Inside, offer
from ...hostcalls.interface import HostInterface
from ...witmodel.signatures import SIGNATURES
from .about import about, identity, is_there, nanoseconds, seen, touchable
from .access import Access, Disk
from .errors import denied, failure
from .resolve import Place
from .tree import Counted, Entry, told, walk

__all__ = ("METADATA", "metadata_interface")

METADATA: Final = "airssys:ext-filesystem/metadata@1.0.0"
_TYPES: Final = SIGNATURES[METADATA]
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
    interface = HostInterface(METADATA)
    _offer_trees(interface, disk)
    _offer_paths(interface, disk)
    _offer_directories(interface, disk)
    return interface


# --- trees ------------------------------------------------------------------------


def _offer_trees(interface: HostInterface, disk: Disk) -> None:
    @offer(interface, needs=_LIST, wit=_TYPES["list-directory"])
    async def list_directory(call: Call, path: str) -> dict[str, object]:
        return await disk.run(call, partial(_list_directory, path=path))

    @offer(interface, needs=_LIST_EACH, wit=_TYPES["list-recursive"])
    async def list_recursive(
        call: Call, path: str, max_depth: int
    ) -> list[dict[str, str]]:
        return await disk.run(
            call, partial(_list_recursive, path=path, depth=max_depth)
        )

    @offer(interface, needs=_LIST_EACH, wit=_TYPES["find-files"])
    async def find_files(call: Call, directory: str, pattern: str) -> list[str]:
        work = partial(_find_files, path=directory, pattern=pattern)
        return await disk.run(call, work)

    @offer(interface, needs=_LIST_EACH, wit=_TYPES["find-by-type"])
    async def find_by_type(call: Call, directory: str, file_type: str) -> list[str]:
        work = partial(_find_by_type, path=directory, kind=file_type)
        return await disk.run(call, work)

    @offer(interface, needs=_LIST_EACH, wit=_TYPES["directory-size"])
    async def directory_size(call: Call, path: str) -> int:
        return await disk.run(call, partial(_directory_size, path=path))


def _list_directory(access: Access, path: str) -> dict[str, object]:
    place = access.ask(path, "list")
    with access.inside(place) as opened:
        found = Counted(access.limits).entries(opened)
    listed = [{"name": name, "entry_type": kind} for name, kind in found if told(name)]
    return {
        "directory_path": path,
        "entries": listed,
        "entry_count": len(listed),
    }


def _list_recursive(access: Access, path: str, depth: int) -> list[dict[str, str]]:
    place = access.ask(path, "list")
    with access.inside(place) as opened:
        found = [
            (entry.name, entry.kind)
            for entry in walk(access, opened, place.path, depth)
            if told(entry.name)
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
            if told(entry.name) and wanted(entry)
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


# --- paths ------------------------------------------------------------------------


def _offer_paths(interface: HostInterface, disk: Disk) -> None:
    @offer(interface, needs=_LOOK_EACH, wit=_TYPES["same-file"])
    async def same_file(call: Call, path1: str, path2: str) -> bool:
        def work(access: Access) -> bool:
            return identity(access, path1) == identity(access, path2)

        return await disk.run(call, work)

    @offer(interface, needs=_LOOK, wit=_TYPES["canonical-path"])
    async def canonical_path(call: Call, path: str) -> str:
        return await disk.run(call, partial(_canonical_path, path=path))

    @offer(interface, needs=_LOOK_EACH, wit=_TYPES["batch-metadata"])
    async def batch_metadata(
        call: Call, paths: Sequence[str]
    ) -> list[dict[str, object]]:
        def work(access: Access) -> list[dict[str, object]]:
            return [about(access, path) for path in access.each(paths)]

        return await disk.run(call, work)

    @offer(interface, needs=_LOOK_EACH, wit=_TYPES["all-exist"])
    async def all_exist(call: Call, paths: Sequence[str]) -> bool:
        return all(await disk.run(call, partial(_are_there, paths=paths)))

    @offer(interface, needs=_LOOK_EACH, wit=_TYPES["any-exist"])
    async def any_exist(call: Call, paths: Sequence[str]) -> bool:
        return any(await disk.run(call, partial(_are_there, paths=paths)))

    @offer(interface, needs=_WRITE, wit=_TYPES["set-times"])
    async def set_times(call: Call, path: str, accessed: Any, modified: Any) -> None:
        def work(access: Access) -> None:
            place = access.ask(path, "write")
            times = nanoseconds(accessed), nanoseconds(modified)
            with touchable(access, place, path) as (target, _):
                os.utime(target, ns=times)

        await disk.run(call, work)


def _canonical_path(access: Access, path: str) -> str:
    place = access.ask(path, "read", "list", either=True)
    with access.held(place) as (directory, name):
        seen(directory, name, place)
    if not told(place.path):
        raise failure("io-error", f"where {path!r} leads is no Unicode")
    return place.path


def _are_there(access: Access, paths: Sequence[str]) -> list[bool]:
    # All of them, so that what is not granted is denied wherever it stands.
    return [is_there(access, path) for path in access.each(paths)]


# --- the working directory --------------------------------------------------------


def _offer_directories(interface: HostInterface, disk: Disk) -> None:
    @offer(interface, needs=_LIST, wit=_TYPES["get-working-directory"])
    def get_working_directory(call: Call) -> str:
        start = disk.start(call)
        if words := disk.gate.allowed(call, Filesystem("list", start)):
            raise WitError(denied(words))
        return start

    @offer(interface, needs=_LIST, wit=_TYPES["set-working-directory"])
    async def set_working_directory(call: Call, path: str) -> None:
        disk.move(call, await disk.run(call, partial(_directory, path=path)))


def _directory(access: Access, path: str) -> str:
    place = access.ask(path, "list")
    with access.held(place) as (directory, name):
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    if not stat.S_ISDIR(found.st_mode):
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not told(place.path):
        raise failure("io-error", f"where {path!r} leads is no Unicode")
    return place.path
