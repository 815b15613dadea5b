"""Name components, actors, versions and contents: parse, compare, print."""

from __future__ import annotations

import hashlib
import re
from typing import Final

from attrs import Attribute, field, frozen

__all__ = (
    "LONGEST_ID",
    "LONGEST_WORD",
    "ActorId",
    "ComponentName",
    "Digest",
    "Version",
)

_WORD: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
LONGEST_WORD: Final = 64
"""Characters of each part of a name."""
LONGEST_ID: Final = 3 * LONGEST_WORD + 2
"""Characters of an actor's id: namespace, name and instance, and what parts them."""
_HEX: Final = re.compile(r"[0-9a-f]{64}")
# The expression of semver.org, without groups for the separators.
_SEMVER: Final = re.compile(
    r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)"
    r"(?:-((?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
    r"(?:\.(?:0|[1-9][0-9]*|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?"
)


def _check_word(_: object, attribute: Attribute[str], value: str) -> None:
    if len(value) > LONGEST_WORD or not _WORD.fullmatch(value):
        raise ValueError(
            f"{attribute.name} {value!r} is not allowed: use lowercase letters, digits "
            f"and single hyphens between them, at most {LONGEST_WORD} characters"
        )


def _check_word_or_none(_: object, attribute: Attribute[str], value: str) -> None:
    if value:
        _check_word(_, attribute, value)


@frozen(order=True)
class ComponentName:
    """The name of a component: ``name`` or ``namespace/name``."""

    namespace: str = field(validator=_check_word_or_none)
    """Empty where the name has none."""
    name: str = field(validator=_check_word)

    @classmethod
    def parse(cls, text: str) -> ComponentName:
        """Read ``[namespace/]name``.

        Raises:
            ValueError: The text is no component name; says what is allowed.
        """
        namespace, slash, name = text.rpartition("/")
        if slash and not namespace:
            raise ValueError(f"component name {text!r} has nothing before its '/'")
        return cls(namespace, name)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


def _shortlex(text: str) -> tuple[int, str]:
    """Put instance 2 before instance 10."""
    return len(text), text


@frozen(order=True)
class ActorId:
    """The id of an actor: ``[namespace/]name[#instance]``."""

    namespace: str = field(validator=_check_word_or_none)
    """Empty where the id has none."""
    name: str = field(validator=_check_word)
    instance: str = field(default="", validator=_check_word_or_none, order=_shortlex)
    """Tells apart several actors of one name; empty where the id has none."""

    @classmethod
    def parse(cls, text: str) -> ActorId:
        """Read ``[namespace/]name[#instance]``.

        Raises:
            ValueError: The text is no actor id; says what is allowed.
        """
        front, mark, instance = text.partition("#")
        if mark and not instance:
            raise ValueError(f"actor id {text!r} has nothing after its '#'")
        namespace, slash, name = front.rpartition("/")
        if slash and not namespace:
            raise ValueError(f"actor id {text!r} has nothing before its '/'")
        return cls(namespace, name, instance)

    def __str__(self) -> str:
        front = f"{self.namespace}/{self.name}" if self.namespace else self.name
        return f"{front}#{self.instance}" if self.instance else front


def _precedence(prerelease: tuple[str, ...]) -> tuple[object, ...]:
    """Order prereleases as SemVer 2.0, section 11: a release is above its own."""
    if not prerelease:
        return (1,)
    return (
        0,
        tuple(
            (0, int(part), "") if part.isdigit() else (1, 0, part)
            for part in prerelease
        ),
    )


@frozen(order=True)
class Version:
    """A version by Semantic Versioning 2.0.

    Comparison is SemVer's precedence, so two versions that differ in their build
    metadata alone are equal.
    """

    major: int
    minor: int
    patch: int
    prerelease: tuple[str, ...] = field(default=(), order=_precedence)
    build: tuple[str, ...] = field(default=(), eq=False)

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read ``major.minor.patch[-prerelease][+build]``.

        Raises:
            ValueError: The text is no semantic version.
        """
        found = _SEMVER.fullmatch(text)
        if found is None:
            raise ValueError(
                f"version {text!r} is not semantic: "
                "use major.minor.patch, such as '1.2.0' or '2.0.0-rc.1'"
            )
        major, minor, patch, prerelease, build = found.groups()
        return cls(
            int(major),
            int(minor),
            int(patch),
            tuple(prerelease.split(".")) if prerelease else (),
            tuple(build.split(".")) if build else (),
        )

    def __str__(self) -> str:
        prerelease = f"-{'.'.join(self.prerelease)}" if self.prerelease else ""
        build = f"+{'.'.join(self.build)}" if self.build else ""
        return f"{self.major}.{self.minor}.{self.patch}{prerelease}{build}"


@frozen(order=True)
class Digest:
    """The SHA-256 digest of some bytes."""

    sha256: str = field()
    """64 lowercase hexadecimal digits."""

    @sha256.validator
    def _check(self, attribute: Attribute[str], value: str) -> None:
        if not _HEX.fullmatch(value):
            raise ValueError(
                f"{attribute.name} {value!r} is not allowed: "
                "use 64 lowercase hexadecimal digits"
            )

    @classmethod
    def of(cls, content: bytes) -> Digest:
        """Digest the content."""
        return cls(hashlib.sha256(content).hexdigest())

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Read ``sha256:`` and 64 hexadecimal digits.

        Raises:
            ValueError: The text is no such digest.
        """
        algorithm, colon, digits = text.partition(":")
        if not colon or algorithm != "sha256":
            raise ValueError(
                f"digest {text!r} is not allowed: "
                "use 'sha256:' and 64 hexadecimal digits"
            )
        return cls(digits)

    def __str__(self) -> str:
        return f"sha256:{self.sha256}"
