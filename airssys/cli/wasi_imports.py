"""Say what a component imports of WASI, and what grants it lacks for that."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from attrs import frozen

from ..core.grants.capabilities import Filesystem
from ..core.grants.grants import Grants
from ..core.manifests.wasi import INHERIT, LOG, NULL, Wasi
from ..witmodel.signatures import is_known

__all__ = ("Package", "lacking", "packages", "unopened")

_PREFIX: Final = "wasi:"


@frozen
class Package:
    """The interfaces of one package, in one version, that a component imports."""

    name: str
    version: str
    """Empty where it has none."""
    interfaces: tuple[str, ...]
    unknown: tuple[str, ...] = ()
    """Those that airssys does not offer."""

    def __str__(self) -> str:
        text = f"{' '.join(filter(None, (self.name, self.version)))}"
        text += f" ({', '.join(self.interfaces)})"
        if not self.unknown:
            return text
        which = "it" if self.unknown == self.interfaces else ", ".join(self.unknown)
        return f"{text}; not offered here: {which}"


def packages(imports: Iterable[str]) -> tuple[Package, ...]:
    """Return what is imported of WASI, each package and version by itself."""
    found: dict[tuple[str, str], list[str]] = {}
    unknown: dict[tuple[str, str], list[str]] = {}
    for each in imports:
        if each.startswith(_PREFIX):
            path, _, version = each.partition("@")
            name, _, interface = path.partition("/")
            found.setdefault((name, version), []).append(interface)
            if not is_known(each):
                unknown.setdefault((name, version), []).append(interface)
    return tuple(
        Package(*key, tuple(sorted(names)), tuple(sorted(unknown.get(key, ()))))
        for key, names in sorted(found.items())
    )


_NEEDING: Final = (
    ("wasi:filesystem/", "filesystem", "it finds no folder"),
    ("wasi:sockets/tcp@", "network", "its connects will be refused"),
    ("wasi:sockets/udp@", "network", "its datagrams will be refused"),
    ("wasi:sockets/ip-name-lookup", "network", "its look-ups will be refused"),
    ("wasi:http/outgoing-handler", "network", "its requests will be refused"),
    ("wasi:keyvalue/", "storage", "it can keep nothing"),
    ("wasi:blobstore/", "storage", "it can keep nothing"),
)
"""What begins an import, the section that it takes a grant of, and what is without."""


def lacking(imports: Iterable[str], grants: Grants, wasi: Wasi) -> Iterator[str]:
    """Say what a component was granted nothing for, although it has it.

    It may never use it: much of WASI is imported by what a compiler puts in.

    Args:
        imports: The interfaces that it imports.
        grants: What it was granted.
        wasi: The folders that it begins with.
    """
    imports = tuple(imports)
    held = {section for section, _, _ in grants}
    told: set[tuple[str, str]] = set()
    for start, section, without in _NEEDING:
        package = start.partition("/")[0]
        used = any(each.startswith(start) for each in imports)
        if used and section not in held and (package, without) not in told:
            told.add((package, without))
            yield f"it imports {package}, and has no grant of {section!r}: {without}"

    for guest, host in (wasi.preopens or {}).items():
        if not any(grants.reach("filesystem", each, host) for each in _ON_FILES):
            yield f"its folder {guest!r} is {host!r}, which no grant reaches into"


_ON_FILES: Final = ("read", "write", "delete", "list")


def unopened(wasi: Wasi, grants: Grants) -> Iterator[str]:
    """Say which files of the table ``[wasi]`` no grant covers: it would not start."""
    for name, action in (("stdin", "read"), ("stdout", "write"), ("stderr", "write")):
        where = getattr(wasi, name)
        if where in (NULL, LOG, INHERIT):
            continue
        need = Filesystem("read" if action == "read" else "write", where)
        denial = grants.check(need, _NEVER_ENDED)
        if denial is not None:
            yield f"its {name} may not {denial.needed}: {denial.reason}"


_NEVER_ENDED: Final = 0.0
"""A moment at which no grant has expired: of those that have, others tell."""
