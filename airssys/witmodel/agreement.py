"""Compare the names of interfaces, whose versions may differ."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ("agreement", "meant")


def agreement(name: str) -> tuple[str, tuple[int, ...]]:
    """Split ``acme:kv/store@1.2.3`` into the name and what must agree of the version.

    wasmtime's rule: versions agree when they are compatible in the sense of semver,
    so from 1.0 on the first number counts, and below it the first that is not 0.
    """
    package, mark, within = name.partition("#")
    base, _, version = package.partition("@")
    numbers = version.partition("-")[0].partition("+")[0].split(".")
    if not version or "-" in version or not all(n.isdecimal() for n in numbers):
        return name, ()
    parts = tuple(map(int, numbers))
    leading = next((i for i, part in enumerate(parts) if part), len(parts) - 1)
    return base + mark + within, parts[: leading + 1]


def meant(wanted: str, names: Iterable[str]) -> list[str]:
    """Return the interfaces that a name may mean, where none is called so.

    Those of a compatible version; for a name without one, those of any.
    """
    package, mark, within = wanted.partition("#")
    if "@" in package:
        agreed = agreement(wanted)
        return [name for name in names if agreement(name) == agreed]
    return [name for name in names if _unversioned(name) == package + mark + within]


def _unversioned(name: str) -> str:
    package, mark, within = name.partition("#")
    return package.partition("@")[0] + mark + within
