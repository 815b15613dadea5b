from __future__ import annotations

import pytest

from airssys.core.emitter import SILENT, Emitter
from airssys.core.event import CallCut
from airssys.testing import Recorder


def test_an_event_says_when_it_was_emitted() -> None:
    recorder = Recorder()

    Emitter(recorder, lambda: 7.5).emit(
        lambda at: CallCut(at=at, subject="a", export="run", why="fuel")
    )

    assert recorder.events == [CallCut(at=7.5, subject="a", export="run", why="fuel")]


def test_where_nobody_listens_no_event_is_built() -> None:
    SILENT.emit(lambda _: pytest.fail("it was built"))


def test_a_time_that_was_read_already_is_taken() -> None:
    recorder = Recorder()

    Emitter(recorder, lambda: 7.5).emit(
        lambda at: CallCut(at=at, subject="a", export="run", why="fuel"), 3.0
    )

    assert recorder.events == [CallCut(at=3.0, subject="a", export="run", why="fuel")]
