from __future__ import annotations

import pytest

from airssys.actors.post_office import PostOffice
from airssys.actors.registry import Registry
from airssys.testing import Recorder


@pytest.fixture
def office(recorder: Recorder) -> PostOffice:
    return PostOffice(recorder, lambda: 12.5)


@pytest.fixture
def registry(recorder: Recorder) -> Registry:
    return Registry(PostOffice(recorder, lambda: 1.5))
