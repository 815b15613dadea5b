"""Turn Python's errors, the system's and denials into the ``err`` values of guests."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Final, Generic, TypeVar

from attrs import define, frozen

from ..core.errors import WitError
from ..witmodel.types import Variant

__all__ = (
    "DENIED",
    "ErrorCases",
    "as_wit_errors",
    "by_the_system",
    "denied",
    "numbered",
    "permission_denied",
)

DENIED: Final = "permission-denied"
"""The case of the extensions' errors that says that something is denied."""
_Case = TypeVar("_Case", bound=str)
_E = TypeVar("_E", bound=Exception)


def denied(words: str) -> Variant:
    """Return the error of a denial, as the interfaces of ``airssys:core`` have it."""
    return Variant("denied", words)


def permission_denied(words: str) -> Variant:
    """Return the error of a denial, as the extensions have it."""
    return Variant(DENIED, words)


def by_the_system(words: str) -> str:
    """Say that it was the host's system that denied something, not a missing grant."""
    return f"the host's system denies it ({words.lower()})"


def as_wit_errors(
    value_of: Callable[[_E], object], *kinds: type[_E]
) -> AbstractContextManager[None]:
    """Raise errors of some kinds as the guest's own: its function's ``err`` value.

    What is returned holds no state, so it can be entered any number of times.

    Args:
        value_of: Returns the ``err`` value of an error.
        kinds: The errors it knows; others leave as they are.

    Raises:
        WitError: An error of these kinds was raised.
    """
    return _AsWitErrors(value_of, kinds)


@define(eq=False)
class _AsWitErrors(AbstractContextManager[None], Generic[_E]):
    # Not a generator: this is on the way of every key, byte and message of a guest.
    value_of: Callable[[_E], object]
    kinds: tuple[type[_E], ...]

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, self.kinds):
            raise WitError(self.value_of(error)) from error


def numbered(cases: Mapping[_Case, Sequence[str]]) -> dict[int, _Case]:
    """Return the case of each of the system's error numbers.

    Args:
        cases: The names of the numbers by case, such as ``ENOENT``; what this system
            does not have is left out.
    """
    return {
        getattr(errno, name): case
        for case, names in cases.items()
        for name in names
        if hasattr(errno, name)
    }


@frozen
class ErrorCases(Generic[_Case]):
    """The cases of an extension's error type, each with words beside it."""

    by_number: Mapping[int, _Case]
    """The case of each of the system's error numbers."""
    otherwise: _Case
    """The case of all other numbers."""

    def failure(self, case: _Case, words: str) -> WitError:
        """Return what to raise so that the guest gets an error."""
        return WitError(Variant(case, words))

    def of_number(self, number: int) -> _Case:
        """Return the case of an error of the system's."""
        return self.by_number.get(number, self.otherwise)

    def from_number(self, number: int, about: str) -> WitError:
        """Return the guest's error for the system's.

        Args:
            number: The system's. Its words alone are told: an exception's own text can
                hold paths that the guest is not to know.
            about: What the guest asked for, in its words.
        """
        return self.failure(self.of_number(number), f"{about}: {os.strerror(number)}")
