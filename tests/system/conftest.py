from __future__ import annotations

from functools import partial

import pytest

import airssys
from airssys.testing import Recorder

from .support import (
    PATIENT,
    Open,
)


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> airssys.Engine:
    return airssys.Engine(cache=tmp_path_factory.mktemp("cache"))


@pytest.fixture
def open_(engine: airssys.Engine, recorder: Recorder) -> Open:
    return partial(
        airssys.open_system,
        airssys.HostConfig(),
        engine=engine,
        instruments=[recorder],
        intensity=PATIENT,
    )
