"""Hold a component's grants to what the host allows any component."""

from __future__ import annotations

from collections.abc import Generator

from ..errors import ManifestError
from ..steps import to_the_end
from .grants import Grants
from .sections import SECTIONS, Sections

__all__ = ("admit", "admitting")


def admit(
    grants: Grants,
    ceiling: Sections,
    forbidden: Sections,
    *,
    source: str = "capabilities",
) -> Grants:
    """Return grants with what the host forbids, if they stay below its ceiling.

    Args:
        grants: The component's, already narrowed by a tree file.
        ceiling: The most that any component may be granted, section by section. A
            section that is missing has no ceiling.
        forbidden: What is refused whatever is granted.
        source: Where the grants come from, for the error.

    Raises:
        ManifestError: Grants are above the ceiling; lists every one that is.
    """
    return to_the_end(admitting(grants, ceiling, forbidden, source=source))


def admitting(
    grants: Grants,
    ceiling: Sections,
    forbidden: Sections,
    *,
    source: str = "capabilities",
) -> Generator[int, None, Grants]:
    """Do what `admit` does, in pieces; yield how many steps each took."""
    nothing = Sections()
    if ceiling != nothing:
        most = Grants.of(ceiling)
        problems: list[str] = []
        for name, _ in ceiling:
            beyond = yield from most.exceeding(_only(grants, name))
            problems += (
                f"may not {words}: the host's ceiling does not cover it "
                f"@ capabilities.{name}"
                for words in beyond
            )
        if problems:
            raise ManifestError(source, tuple(problems))
    # Most hosts say neither, and each start of an actor comes by.
    return grants if forbidden == nothing else grants.forbidding(Grants.of(forbidden))


def _only(grants: Grants, section: str) -> Grants:
    left = grants
    for other in SECTIONS:
        if other != section:
            left = left.without(other)
    return left
