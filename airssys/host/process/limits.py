"""Bound what programs use: the host sets the most, and a guest can only lower it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from attrs import asdict, field, frozen, validators

from ...core.limits import MIB

__all__ = ("LimitsRecord", "ProcessLimits")

_NUMBER = validators.and_(
    validators.instance_of(int), validators.gt(0), validators.lt(2**63)
)
_POSITIVE: Any = validators.optional(_NUMBER)


class LimitsRecord(Protocol):
    """**Protocol:** WIT's ``resource-limits``; 0 is no wish."""

    @property
    def max_memory(self) -> int: ...
    @property
    def max_cpu_time(self) -> int: ...
    @property
    def max_file_size(self) -> int: ...
    @property
    def max_open_files(self) -> int: ...
    @property
    def max_processes(self) -> int: ...


@frozen(kw_only=True)
class ProcessLimits:
    """What one child may use, with all that it starts; None: no limit of the host's.

    The limits that the system sets for the host process hold as well.
    """

    memory: int | None = field(default=1024 * MIB, validator=_POSITIVE)
    """Bytes each process may write to (``RLIMIT_DATA``), and bytes of main memory of
    all of them together, at which the host looks twice a second."""
    cpu_time: int | None = field(default=600, validator=_POSITIVE)
    """Seconds of processor time of each process (``RLIMIT_CPU``)."""
    file_size: int | None = field(default=1024 * MIB, validator=_POSITIVE)
    """Bytes of each file it writes (``RLIMIT_FSIZE``)."""
    open_files: int | None = field(default=256, validator=_POSITIVE)
    """Open files of each process (``RLIMIT_NOFILE``)."""
    processes: int | None = field(default=64, validator=_POSITIVE)
    """Processes of all of them together, which the host counts: the system's own limit
    counts all of a user's, and does not hold for root."""

    def lowered(self, wanted: LimitsRecord) -> ProcessLimits:
        """Return these limits, lowered to what a guest wants."""
        given = asdict(ProcessLimits.read(wanted))
        return ProcessLimits(
            **{
                name: min(
                    (each for each in (most, given[name]) if each is not None),
                    default=None,
                )
                for name, most in asdict(self).items()
            }
        )

    @classmethod
    def read(cls, wanted: LimitsRecord) -> ProcessLimits:
        """Return what a guest wants; what is more than any system has is no wish."""
        names = {
            "memory": wanted.max_memory,
            "cpu_time": wanted.max_cpu_time,
            "file_size": wanted.max_file_size,
            "open_files": wanted.max_open_files,
            "processes": wanted.max_processes,
        }
        return cls(**{n: v if 0 < v < 2**63 else None for n, v in names.items()})

    def __iter__(self) -> Iterator[int]:
        """Go through the limits as a keeper takes them: 0 is none."""
        limits: dict[str, int | None] = asdict(self)
        return (limit or 0 for limit in limits.values())
