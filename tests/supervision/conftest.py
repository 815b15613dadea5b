from __future__ import annotations

import pytest

from .support import (
    Record,
)


@pytest.fixture
def record() -> Record:
    return Record()
