"""Show and clear the cache of compiled components."""

from __future__ import annotations

from pathlib import Path

from ..config import load_config
from ..core.units import show_size
from ..engine.cache import Cache, Contents, default_folder
from ..observe.line import printable
from .failure import BadInput

__all__ = ("clear", "show")


def show(*, config: Path | None = None) -> None:
    """Say where compiled components are kept, how many, and whether they are used.

    Args:
        config: The host file.
    """
    cache = _cache(config)
    found = cache.contents()
    print(printable(f"folder   {cache.folder}"))
    print(f"entries  {found.entries}")
    print(f"size     {_rounded(found.size)} (limit: {show_size(cache.limit)})")
    if found.unused:
        print(printable(f"not used: {found.unused}"))


def clear(*, config: Path | None = None) -> None:
    """Remove all compiled components; what is needed again is compiled again.

    Args:
        config: The host file.
    """
    cache = _cache(config)
    try:
        gone = cache.clear()
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(f"{cache.folder}: it is not cleared: {reason}") from error
    print(f"removed {_told(gone)}")


def _cache(config: Path | None) -> Cache:
    settings = load_config(config)
    folder = default_folder() if settings.cache is None else Path(settings.cache)
    return Cache(folder, settings.cache_size)


def _told(contents: Contents) -> str:
    entries = "1 entry" if contents.entries == 1 else f"{contents.entries} entries"
    return f"{entries} of {_rounded(contents.size)}"


def _rounded(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"
