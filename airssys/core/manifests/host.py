"""The settings of a host, as its file and the environment give them."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from enum import Enum
from typing import Final

from attrs import field, frozen

from ..defaults import AUDIT_KEEP, AUDIT_ROTATE
from ..grants.admission import admit, admitting
from ..grants.grants import Grants
from ..grants.sections import Sections
from ..levels import LogLevel
from ..limits import CACHE_SIZE, LEAST_TO_COMPILE, MIB, CompileLimits
from ..toml.rules import Folder, Id
from ..toml.schema import Problem, json_schema
from ..units import Bytes, Count, Seconds, parse_size, show_size
from .resources import CEILING, LEAST_MEMORY

__all__ = (
    "Audit",
    "CompilerPlace",
    "HostConfig",
    "Profile",
    "Slices",
    "check_host",
    "host_schema",
)

_STRICT_CEILING: Final = 4 * MIB


class Profile(Enum):
    """How much a host gives if it says nothing else."""

    DEFAULT = "default"
    """Up to 64 MiB of memory: a CPython guest needs 16."""
    STRICT = "strict"
    """Up to 4 MiB of memory."""


class CompilerPlace(Enum):
    """Where components are compiled."""

    PROCESS = "process"
    """In a process of its own, within limits."""
    THREAD = "thread"
    """In the host's process, without limits: where no process can be started."""


@frozen(kw_only=True)
class Slices:
    """How long guests run at a stretch; what is None is left to the engine."""

    inline: Count | None = None
    """Fuel of a slice on the event loop."""
    inline_slices: Count | None = None
    """Slices on the event loop before a call moves to a worker thread."""
    threaded: Count | None = None
    """Fuel of a slice in a worker thread."""
    quantum: Seconds | None = None
    """In a worker thread, before the next guest in line may have it."""


@frozen(kw_only=True)
class Audit:
    """The log of what components were refused, and where it is kept."""

    file: Folder | None = None
    """None: no log is kept."""
    grants: bool = False
    """Whether what is granted is written down too, not only what is refused."""
    rotate: Bytes = AUDIT_ROTATE
    """Bytes of the file at which the next one is begun."""
    keep: Count = AUDIT_KEEP
    """Full files that are kept beside the one being written."""
    key: Folder | None = None
    """The file with the key that the log is sealed with; None: there is no key."""
    sync: bool = False
    """Whether to wait until the disk has what was written."""
    strict: bool = False
    """Whether a log that cannot be written ends the system."""


@frozen(kw_only=True)
class HostConfig:
    """The settings of a host, as its file and the environment give them."""

    name: Id = "host"
    profile: Profile = Profile.DEFAULT
    memory: Bytes | None = None
    """What a component may have at the most; None: as the profile says."""
    cache: Folder | None = None
    """The folder of compiled components; None: the user's cache folder."""
    cache_size: Bytes = CACHE_SIZE
    """Bytes of compiled components that are kept there."""
    compiler: CompilerPlace = CompilerPlace.PROCESS
    """Where components are compiled."""
    threads: Count | None = None
    """Guests that may compute in worker threads; None: one for each processor."""
    log: LogLevel = LogLevel.INFO
    """The least important log lines that are shown."""
    slices: Slices = field(factory=Slices)
    compile: CompileLimits = field(factory=CompileLimits)
    """What it may take to compile a component."""
    audit: Audit = field(factory=Audit)
    capabilities: Sections = field(factory=Sections)
    """The most that any component may be granted."""
    forbidden: Sections = field(factory=Sections)
    """What no component may do, whatever it is granted."""

    @property
    def ceiling(self) -> int:
        """Bytes of memory a component may have at the most."""
        if self.memory is not None:
            return self.memory
        return _STRICT_CEILING if self.profile is Profile.STRICT else CEILING

    def admit(self, grants: Grants, *, source: str = "capabilities") -> Grants:
        """Return a component's grants as this host lets them hold.

        Args:
            grants: As its manifest gives them, narrowed by a tree file.
            source: Where they come from, for the error.

        Raises:
            ManifestError: They are more than any component may be granted.
        """
        return admit(grants, self.capabilities, self.forbidden, source=source)

    def admitting(
        self, grants: Grants, *, source: str = "capabilities"
    ) -> Generator[int, None, Grants]:
        """Do what `admit` does, in pieces; yield how many steps each took."""
        return admitting(grants, self.capabilities, self.forbidden, source=source)


def host_schema() -> dict[str, object]:
    """Return the JSON Schema of a host file."""
    return json_schema(HostConfig, title="host file")


def check_host(table: Mapping[str, object]) -> Iterator[Problem]:
    """Check the parsed table, in which anything may still be of a wrong type."""
    places: tuple[tuple[tuple[str, ...], object, int], ...] = (
        (("memory",), table.get("memory"), LEAST_MEMORY),
    )
    compiling = table.get("compile")
    if isinstance(compiling, Mapping):
        given = compiling.get("memory")
        places += ((("compile", "memory"), given, LEAST_TO_COMPILE),)
    for path, value, least in places:
        try:
            memory = parse_size(value)
        except ValueError:
            continue
        if 0 < memory < least:
            yield Problem(
                path,
                f"memory of {show_size(memory)} is less than {show_size(least)}",
            )
