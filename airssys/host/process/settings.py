"""Hold what a guest asks of one program, and what the host settles for all of them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

from attrs import field, frozen

from .environment import INHERITED
from .limits import LimitsRecord, ProcessLimits
from .streams import Overflow

__all__ = ("ProcessSettings", "SpawnRecord")


class SpawnRecord(Protocol):
    """**Protocol:** WIT's ``spawn-options``."""

    @property
    def command(self) -> str: ...
    @property
    def arguments(self) -> Sequence[str]: ...
    @property
    def environment(self) -> Sequence[tuple[str, str]]: ...
    @property
    def working_directory(self) -> str | None: ...
    @property
    def inherit_environment(self) -> bool: ...
    @property
    def capture_stdout(self) -> bool: ...
    @property
    def capture_stderr(self) -> bool: ...
    @property
    def inherit_stdin(self) -> bool: ...
    @property
    def overflow(self) -> Overflow: ...
    @property
    def limits(self) -> LimitsRecord: ...


def _canonical(paths: Iterable[str]) -> frozenset[str]:
    return frozenset(map(os.path.realpath, paths))


@frozen(kw_only=True)
class ProcessSettings:
    """What the host settles for the children of all components."""

    environment: Mapping[str, str] = INHERITED
    """What ``inherit-environment`` gives a program."""
    variables: Collection[str] = ()
    """Variables that all guests may set, without a grant of theirs."""
    interpreters: Collection[str] = field(default=("/bin/sh",), converter=_canonical)
    """Programs that may run a script which is granted, without a grant of their own."""
    limits: ProcessLimits = field(factory=ProcessLimits)
    children: int = 16
    """Children one component may have at a time, ended ones that it holds as well."""
    capture: int = 1024 * 1024
    """Bytes of each output that are kept until the guest reads them."""
