"""Read Component.toml: one schema, every problem reported at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from attrs import field, frozen

from ..child import Restart
from ..defaults import (
    GRACE,
    HEALTH_EVERY,
    HEALTH_FAILURES,
    HEALTH_TIMEOUT,
)
from ..grants.grants import Grants
from ..grants.sections import Section, Sections
from ..limits import Limits, Quota
from ..message import Overflow
from ..names import ComponentName, Digest, Version
from ..toml.rules import Sha256, Shutdown, Wasm, World
from ..toml.schema import Problem, json_schema, read
from ..units import Count, Moment, Seconds, parse_size, show_size
from .resources import CEILING, LEAST_MEMORY, Resources
from .wasi import Wasi

__all__ = (
    "Capabilities",
    "CodeSection",
    "HealthRule",
    "Manifest",
    "Package",
    "SupervisionRule",
    "manifest_schema",
    "parse_manifest",
)


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
class CodeSection:
    """Where the component's code is, and how it is configured."""

    wasm: Wasm
    """The .wasm or .wat file, relative to the manifest."""
    sha256: Sha256 | None = None
    """What the file must be, checked at every load."""
    world: World | None = None
    """Checked against the real imports and exports."""
    config: Mapping[str, str] = field(factory=dict)
    """Given to ``init`` and ``get-config``."""


@frozen(kw_only=True)
class Capabilities(Sections):
    """What the component may do. What is not listed is not allowed."""

    rationale: Mapping[str, str] = field(factory=dict)
    """By section: why the component needs it, shown at approval."""
    expires: Mapping[Section, Moment] = field(factory=dict)
    """By section: when its grants end; one without a moment does not expire."""


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
    start: Seconds | None = None
    """For its start; None: twice the time that one call may take."""
    health: HealthRule | None = None


@frozen(kw_only=True)
class Manifest:
    """A Component.toml."""

    package: Package
    component: CodeSection
    resources: Resources
    capabilities: Capabilities = Capabilities()
    wasi: Wasi = field(factory=Wasi)
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
        return self.resources.limits

    @property
    def quota(self) -> Quota:
        """What the actor may use over all its calls."""
        return self.resources.quota

    @property
    def mailbox(self) -> int:
        """How many messages may wait for the actor."""
        return self.resources.mailbox

    @property
    def mailbox_bytes(self) -> int:
        """Bytes of messages that may wait."""
        return self.resources.mailbox_bytes

    @property
    def overflow(self) -> Overflow:
        """What a full mailbox does."""
        return self.resources.overflow

    @property
    def grants(self) -> Grants:
        """What the component may do."""
        return Grants.of(self.capabilities, self.capabilities.expires)


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
    memory, total = _size(resources, "memory"), _size(resources, "total_memory")
    if total > 2 * ceiling:
        yield Problem(
            ("resources", "total_memory"),
            f"total_memory of {show_size(total)} is more than {show_size(2 * ceiling)},"
            " twice the host's ceiling",
        )
    if memory and not LEAST_MEMORY <= memory <= ceiling:
        yield Problem(
            ("resources", "memory"),
            f"memory of {show_size(memory)} is out of range: use "
            f"{show_size(LEAST_MEMORY)} to the host's ceiling of {show_size(ceiling)}",
        )


def _size(resources: Mapping[str, object], key: str) -> int:
    """Return a size; 0 where there is none, or it is refused for another reason."""
    try:
        return parse_size(resources.get(key))
    except ValueError:
        return 0
