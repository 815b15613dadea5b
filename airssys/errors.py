"""Everything that can go wrong, by what the caller does next."""

from __future__ import annotations

from .core import errors as _errors
from .core.errors import *  # noqa: F403 - this module is its public name

__all__: tuple[str, ...] = ()
__all__ += _errors.__all__
