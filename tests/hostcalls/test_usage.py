"""What host functions and instances take is known to type checkers."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from ..tools import accepted_by_mypy, accepted_by_pyright

pytestmark = pytest.mark.slow

_HERE: Final = Path(__file__).parent


def test_mypy_knows_the_context_of_a_call() -> None:
    accepted_by_mypy(_HERE / "usage.py")


def test_pyright_knows_the_context_of_a_call() -> None:
    accepted_by_pyright(_HERE)
