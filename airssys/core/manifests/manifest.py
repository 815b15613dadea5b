"""Read Component.toml: one schema, every problem reported at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from attrs import field, fields, frozen

from ..child import Restart
from ..defaults import (
    GRACE,
    HEALTH_EVERY,
    HEALTH_FAILURES,
    HEALTH_TIMEOUT,
    MAILBOX,
)
from ..grants.grants import Grants
from ..grants.sections import (
    CustomGrant,
    FilesystemGrants,
    MessagingGrants,
    NetworkGrants,
    ProcessGrants,
    StorageGrants,
)
from ..limits import KIB, MIB, Limits, Quota
from ..message import Overflow
from ..names import ComponentName, Digest, Version
from ..toml.rules import (
    Bytes,
    BytesRate,
    Count,
    CountRate,
    Moment,
    Seconds,
    Sha256,
    Share,
    Shutdown,
    Wasm,
    World,
)
from ..toml.schema import Problem, json_schema, read
from ..units import parse_size, show_size

__all__ = (
    "CEILING",
    "LEAST_MEMORY",
    "Artifact",
    "Capabilities",
    "Expires",
    "HealthRule",
    "Manifest",
    "Package",
    "Resources",
    "SupervisionRule",
    "manifest_schema",
    "parse_manifest",
)

LEAST_MEMORY: Final = 512 * KIB
"""Bytes; a component needs that much for its stack and data."""
CEILING: Final = 64 * MIB
"""Bytes a component may have at the most, if the host says nothing else."""
_QUOTA: Final = Quota()


@frozen(kw_only=True)
class Package:
    """What the component is, and whose."""

    name: ComponentName
    version: Version
    description: str = ""
    authors: tuple[str, ...] = ()
    license: str = ""
    repository: str = ""
    homepage: str = ""


@frozen(kw_only=True)
class Artifact:
    """Where the component's code is, and what it is told."""

    wasm: Wasm
    """The .wasm or .wat file, relative to the manifest."""
    sha256: Sha256 | None = None
    """What the file must be, checked at every load."""
    world: World | None = None
    """Checked against the real imports and exports."""
    config: Mapping[str, str] = field(factory=dict)
    """Given to ``init`` and ``get-config``."""


@frozen(kw_only=True)
class Resources:
    """What an instance may use. The first three are required: nothing runs without."""

    memory: Bytes
    fuel: Count
    """Per call."""
    timeout: Seconds
    """Of wall clock, per call."""
    memories: Count = 1
    """Linear memories, each of which may have ``memory``. Compilers make one; guests
    with an interpreter inside have more."""
    mailbox: Count = MAILBOX
    """Messages that may wait."""
    overflow: Overflow = Overflow.WAIT
    storage: Bytes = _QUOTA.storage
    network: BytesRate = _QUOTA.network
    messages: CountRate = _QUOTA.messages
    payload: Bytes = _QUOTA.payload
    cpu: Share = _QUOTA.cpu
    handles: Count = _QUOTA.handles
    """Files, sockets, pools and child processes open at one time."""
    host_calls: CountRate = _QUOTA.host_calls


@frozen(kw_only=True)
class Expires:
    """When the grants of a section end; a section without a moment does not expire."""

    filesystem: Moment | None = None
    network: Moment | None = None
    storage: Moment | None = None
    messaging: Moment | None = None
    process: Moment | None = None
    custom: Moment | None = None

    @property
    def moments(self) -> dict[str, float]:
        """Those that are given, by section."""
        ends = {key.name: getattr(self, key.name) for key in fields(Expires)}
        return {section: end for section, end in ends.items() if end is not None}


@frozen(kw_only=True)
class Capabilities:
    """What the component may do. What is not listed is not allowed."""

    filesystem: FilesystemGrants = field(factory=FilesystemGrants)
    network: NetworkGrants = field(factory=NetworkGrants)
    storage: StorageGrants = field(factory=StorageGrants)
    messaging: MessagingGrants = field(factory=MessagingGrants)
    process: ProcessGrants = field(factory=ProcessGrants)
    custom: tuple[CustomGrant, ...] = ()
    rationale: Mapping[str, str] = field(factory=dict)
    """By section: why the component needs it, shown at approval."""
    expires: Expires = field(factory=Expires)


@frozen(kw_only=True)
class HealthRule:
    """How often a component is asked for its health, and when it has failed."""

    every: Seconds = HEALTH_EVERY
    timeout: Seconds = HEALTH_TIMEOUT
    failures: Count = HEALTH_FAILURES
    """In a row."""


@frozen(kw_only=True)
class SupervisionRule:
    """What a supervisor does with the component."""

    restart: Restart = Restart.PERMANENT
    shutdown: Shutdown = GRACE
    """From asking it to stop to cutting it off."""
    health: HealthRule | None = None


@frozen(kw_only=True)
class Manifest:
    """A Component.toml."""

    package: Package
    component: Artifact
    resources: Resources
    capabilities: Capabilities = Capabilities()
    supervision: SupervisionRule = SupervisionRule()

    @property
    def name(self) -> ComponentName:
        return self.package.name

    @property
    def version(self) -> Version:
        return self.package.version

    @property
    def wasm(self) -> str:
        """The .wasm or .wat file, relative to the manifest."""
        return self.component.wasm

    @property
    def digest(self) -> Digest | None:
        """What the file must be, where the manifest pins it."""
        return self.component.sha256

    @property
    def config(self) -> Mapping[str, str]:
        """What is given to ``init`` and ``get-config``."""
        return self.component.config

    @property
    def limits(self) -> Limits:
        """What an instance may use."""
        resources = self.resources
        return Limits(
            memory=resources.memory,
            fuel=resources.fuel,
            timeout=resources.timeout,
            memories=resources.memories,
        )

    @property
    def quota(self) -> Quota:
        """What the actor may use over all its calls."""
        resources = self.resources
        return Quota(
            storage=resources.storage,
            network=resources.network,
            messages=resources.messages,
            payload=resources.payload,
            cpu=resources.cpu,
            handles=resources.handles,
            host_calls=resources.host_calls,
        )

    @property
    def mailbox(self) -> int:
        """How many messages may wait for the actor."""
        return self.resources.mailbox

    @property
    def overflow(self) -> Overflow:
        """What a full mailbox does."""
        return self.resources.overflow

    @property
    def grants(self) -> Grants:
        """What the component may do."""
        capabilities = self.capabilities
        return Grants(
            filesystem=capabilities.filesystem,
            network=capabilities.network,
            storage=capabilities.storage,
            messaging=capabilities.messaging,
            process=capabilities.process,
            custom=capabilities.custom,
            expires=capabilities.expires.moments,
        )


def parse_manifest(
    text: str, *, source: str = "Component.toml", ceiling: int = CEILING
) -> Manifest:
    """Read the text of a Component.toml.

    Args:
        text: The whole file.
        source: The file's path, for the error.
        ceiling: Bytes of memory the host gives at the most.

    Raises:
        ManifestError: The text breaks TOML or the schema; lists every problem, with
            its place and line.
    """
    return read(
        text, Manifest, source=source, check=partial(_check_memory, ceiling=ceiling)
    )


def manifest_schema() -> dict[str, object]:
    """Return the JSON Schema of a Component.toml."""
    return json_schema(Manifest, title="Component.toml")


def _check_memory(table: Mapping[str, object], *, ceiling: int) -> Iterator[Problem]:
    resources = table.get("resources")
    if not isinstance(resources, dict):
        return
    try:
        memory = parse_size(resources.get("memory"))
    except ValueError:
        return
    if memory and not LEAST_MEMORY <= memory <= ceiling:
        yield Problem(
            ("resources", "memory"),
            f"memory of {show_size(memory)} is out of range: use "
            f"{show_size(LEAST_MEMORY)} to the host's ceiling of {show_size(ceiling)}",
        )
