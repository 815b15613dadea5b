"""Say whose keys are whose: which components of a system share a storage namespace.

A component has the namespace of its own name. Names are what manifests give themselves,
so a second content under a name that is taken gets nothing of it, unless the host says
by the tree or to ``spawn`` that both are one component.
"""

from __future__ import annotations

from attrs import define, field, frozen

from ..core.errors import NamespaceTaken
from ..core.manifests.manifest import Manifest
from ..core.names import ComponentName
from ..engine.component import Component

__all__ = ("Claim", "Namespaces")

_STORED = (
    "airssys:core/storage@",
    "wasi:keyvalue/",
    "wasi:blobstore/",
)
"""What the names of interfaces begin with by which a component keeps keys."""


@frozen
class Claim:
    """A component that is to have a namespace."""

    component: Component
    manifest: Manifest | None = None
    """As its author wrote it; None for a component that the host made in Python."""
    source: str = ""
    """The path of the manifest."""
    given: str | None = None
    """The namespace that the host names; None: that of the component's own name."""

    @property
    def namespace(self) -> str:
        """The namespace that the component is to have."""
        return self.component.name if self.given is None else self.given

    def is_like(self, other: Claim) -> bool:
        """Tell whether both are of one content: the same code, meant alike.

        The manifest is part of it, for it can make an interpreter of what it likes.
        """
        return (
            self.component.digest == other.component.digest
            and self.manifest == other.manifest
        )

    @property
    def reaches(self) -> bool:
        """Whether the name of the component says something.

        A component that the host made in Python, and that uses no storage, has a name
        for errors alone.
        """
        return self.manifest is not None or any(
            name.startswith(_STORED) for name in self.component.imports
        )


@define(eq=False)
class Namespaces:
    """The namespaces of a system, each with the contents that have it.

    They last as long as the system: what an actor stored is there when it has ended.
    """

    _held: dict[str, list[Claim]] = field(factory=dict, init=False)

    def check(self, claim: Claim) -> None:
        """Check that a component may have its namespace.

        Raises:
            NamespaceTaken: Another content has it, and the host did not name it.
            ValueError: What the host named is no namespace.
        """
        if claim.given is not None:
            if claim.given != claim.component.name:
                ComponentName.parse(claim.given)
            return
        held = self._held.get(claim.namespace, [])
        if claim.reaches and held and not any(map(claim.is_like, held)):
            raise NamespaceTaken(
                claim.component.name, claim.source, claim.namespace, held[0].source
            )

    def hold(self, claim: Claim) -> None:
        """Note that a component has its namespace."""
        held = self._held.setdefault(claim.namespace, [])
        if claim.reaches and not any(map(claim.is_like, held)):
            held.append(claim)
