"""Read and print sizes, durations and rates as manifests write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Annotated, Final, TypeAlias

__all__ = (
    "Bytes",
    "BytesRate",
    "Count",
    "CountRate",
    "Moment",
    "Seconds",
    "Share",
    "Wait",
    "parse_count_rate",
    "parse_duration",
    "parse_moment",
    "parse_share",
    "parse_size",
    "parse_size_rate",
    "show_count_rate",
    "show_duration",
    "show_moment",
    "show_share",
    "show_size",
    "show_size_rate",
)

# The words say how files write a value of the type, see core/toml/rules.
Bytes: TypeAlias = Annotated[int, "size"]
BytesRate: TypeAlias = Annotated[int, "size rate"]
Count: TypeAlias = Annotated[int, "count"]
"""A whole number above 0."""
CountRate: TypeAlias = Annotated[int, "count rate"]
Moment: TypeAlias = Annotated[float, "moment"]
"""Seconds since 1970, written as a date and time with its offset."""
Seconds: TypeAlias = Annotated[float, "duration"]
"""More than 0."""
Share: TypeAlias = Annotated[float, "share"]
"""Seconds of computing in each second."""
Wait: TypeAlias = Annotated[float, "wait"]
"""Seconds that may be 0."""

_NUMBER: Final = re.compile(r"([0-9]{1,19}(?:\.[0-9]{1,30})?)([A-Za-z]*)")
_LARGEST: Final = 2**63 - 1
_SIZES: Final[Mapping[str, int]] = {
    "TiB": 2**40,
    "GiB": 2**30,
    "MiB": 2**20,
    "KiB": 2**10,
    "TB": 10**12,
    "GB": 10**9,
    "MB": 10**6,
    "kB": 10**3,
    "B": 1,
}
_DURATIONS: Final[Mapping[str, Decimal]] = {
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
    "us": Decimal("0.000001"),
}


def parse_size(value: object) -> int:
    """Read a number of bytes, such as ``"1MiB"``, ``"64kB"`` or ``65536``.

    Raises:
        ValueError: The value is no size, or no whole number of bytes.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if 0 <= value <= _LARGEST:
            return value
    elif isinstance(value, str) and (found := _NUMBER.fullmatch(value)):
        number, unit = found.groups()
        if unit in _SIZES:
            exact = Decimal(number) if "." in number else int(number)
            size = exact * _SIZES[unit]
            if size <= _LARGEST and size == int(size):
                return int(size)
    raise ValueError(
        f"{value!r} is no size: use whole bytes, or a number and one of "
        f"{', '.join(_SIZES)}, such as '1MiB'"
    )


def show_size(size: int) -> str:
    """Print a number of bytes so that `parse_size` reads the same."""
    for unit, factor in _SIZES.items():
        if size and size % factor == 0:
            return f"{size // factor}{unit}"
    return f"{size}B"


def parse_duration(value: object) -> float:
    """Read seconds, such as ``"5s"``, ``"500ms"``, ``"2m"`` or ``0.5``.

    Raises:
        ValueError: The value is no duration.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        if 0 <= value <= _LARGEST:
            return float(value)
    elif isinstance(value, str) and (found := _NUMBER.fullmatch(value)):
        number, unit = found.groups()
        if unit in _DURATIONS:
            return float(Decimal(number) * _DURATIONS[unit])
    raise ValueError(
        f"{value!r} is no duration: use seconds, or a number and one of "
        f"{', '.join(_DURATIONS)}, such as '5s'"
    )


def show_duration(seconds: float) -> str:
    """Print seconds so that `parse_duration` reads the same.

    That holds for what it reads, down to some 1e-15 s.
    """
    exact = Decimal(repr(float(seconds)))
    for unit, factor in _DURATIONS.items():
        if exact and exact % factor == 0:
            return f"{exact / factor:.0f}{unit}"
    return f"{exact:f}s"


def _per_second(value: object, example: str) -> str:
    if isinstance(value, str) and value.endswith("/s"):
        return value.removesuffix("/s")
    raise ValueError(f"{value!r} is no rate: use an amount each second, as {example!r}")


def parse_size_rate(value: object) -> int:
    """Read bytes a second, such as ``"10MiB/s"``.

    Raises:
        ValueError: The value is no such rate.
    """
    return parse_size(_per_second(value, "10MiB/s"))


def show_size_rate(rate: int) -> str:
    """Print bytes a second so that `parse_size_rate` reads the same."""
    return f"{show_size(rate)}/s"


def parse_count_rate(value: object) -> int:
    """Read how many a second, such as ``"1000/s"``.

    Raises:
        ValueError: The value is no such rate.
    """
    amount = _per_second(value, "1000/s")
    found = _NUMBER.fullmatch(amount)
    if found is None or not amount.isdigit() or int(amount) > _LARGEST:
        raise ValueError(
            f"{value!r} is no rate: use a whole number up to 2^63 - 1, as '1000/s'"
        )
    return int(amount)


def show_count_rate(rate: int) -> str:
    """Print how many a second so that `parse_count_rate` reads the same."""
    return f"{rate}/s"


def parse_share(value: object) -> float:
    """Read seconds of computing in each second, such as ``"500ms/s"``.

    Raises:
        ValueError: The value is no such rate.
    """
    return parse_duration(_per_second(value, "500ms/s"))


def show_share(share: float) -> str:
    """Print seconds in each second so that `parse_share` reads the same."""
    return f"{show_duration(share)}/s"


_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def parse_moment(value: object) -> float:
    """Read a moment, which TOML writes as ``2027-01-01T00:00:00Z``.

    Returns:
        Seconds since 1970.

    Raises:
        ValueError: The value is no date and time, or does not say its offset.
    """
    if not isinstance(value, datetime):
        shown = f"{value} is" if isinstance(value, date | time) else f"{value!r} is"
        raise ValueError(  # noqa: TRY004 - it is the file that is wrong
            f"{shown} no moment: use a date and time without quotes, such as "
            "2027-01-01T00:00:00Z"
        )
    if value.tzinfo is None:
        raise ValueError(
            f"{value.isoformat()} means another moment elsewhere: add 'Z', or an "
            "offset such as '+01:00'"
        )
    return (value - _EPOCH).total_seconds()


def show_moment(moment: float) -> str:
    """Print seconds since 1970 as `parse_moment` reads them, in UTC."""
    try:
        shown = _EPOCH + timedelta(seconds=moment)
    except OverflowError:
        return "the end of time" if moment > 0 else "the beginning of time"
    return shown.isoformat().replace("+00:00", "Z")
