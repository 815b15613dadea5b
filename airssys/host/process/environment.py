"""Make the environment of a program: from the guest's words, never from the host's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from ...hostcalls.gate import SHOWN
from .errors import failure

__all__ = ("INHERITED", "is_loading", "variables")

INHERITED: Final[Mapping[str, str]] = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
"""What ``inherit-environment`` gives, unless the host names other variables."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,254}")
_MOST: Final = 256
_PREFIXES: Final = (
    *("LD_", "DYLD_", "GLIBC_", "MALLOC_", "BASH_", "OPENSSL_", "GIT_", "JAVA_"),
    *("LUA_", "NODE_", "LESS", "PERL", "PHP", "PYTHON", "RUBY"),
)
_NAMES: Final = frozenset(
    (
        *("BASHOPTS", "BROWSER", "CDPATH", "CLASSPATH", "EDITOR", "ENV", "GCONV_PATH"),
        *("HOSTALIASES", "IFS", "JDK_JAVA_OPTIONS", "LOCPATH", "MANPAGER", "NLSPATH"),
        *("PAGER", "PATH", "PS4", "RESOLV_HOST_CONF", "SHELL", "SHELLOPTS", "VISUAL"),
        *("_JAVA_OPTIONS",),
    )
)


def is_loading(name: str) -> bool:
    """Tell whether a variable is known to change what programs load or start.

    Not all such variables can be known, so a guest may set only what it is granted. Of
    these a pattern with wildcards grants none: whoever writes ``*`` hardly means them.
    """
    return name.startswith(_PREFIXES) or name in _NAMES


def variables(
    given: Iterable[tuple[str, str]], inherited: Mapping[str, str]
) -> tuple[dict[str, str], list[str]]:
    """Return the environment of a program, and the names of the guest's own variables.

    Args:
        given: The guest's.
        inherited: The host's settings for programs, where the guest wants them.

    Raises:
        WitError: A name or a value is none.
    """
    pairs = list(given)
    names = [name for name, _ in pairs]
    if len(pairs) > _MOST:
        raise failure("invalid-argument", f"more than {_MOST} variables")
    if len(set(names)) < len(names):
        raise failure("invalid-argument", "a variable is given twice")
    for name, value in pairs:
        _check(name, value)
    return {**inherited, **dict(pairs)}, names


def _check(name: str, value: str) -> None:
    if not _NAME.fullmatch(name):
        words = f"{name[:SHOWN]!r} is no name of a variable"
        raise failure("invalid-argument", words)
    if "\0" in value:
        raise failure("invalid-argument", f"variable {name!r} has a NUL character")
