"""Compare the names of interfaces, whose versions may differ."""

from __future__ import annotations

__all__ = ("agreement",)


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
