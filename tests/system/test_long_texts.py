"""Texts that guests make up are cut before anybody has to read them."""

from __future__ import annotations

from pathlib import Path

import pytest

import airssys
from airssys.core.event import ChildExited, Logged
from airssys.core.texts import LONGEST_TEXT, cut
from airssys.testing import Recorder

from ..components import write_component
from .support import Open, until

pytestmark = pytest.mark.guest

LONG = "x" * 900_000
NOTED = "more characters)"


def test_a_text_is_cut_once_and_says_what_was_left_out() -> None:
    once = cut("x" * 5000)

    assert once == "x" * LONGEST_TEXT + "... (4_000 more characters)"
    assert cut(once) == once
    assert cut("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT


async def test_an_err_value_is_cut_in_errors_and_log_lines(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    async with open_() as system:
        guest = await system.spawn(write_component(tmp_path))
        with pytest.raises(airssys.AskRefused) as refused:
            await guest.ask(f"err {LONG}")
        await guest.send(f"err {LONG}")
        await until(lambda: bool(recorder.of(Logged)))

    (line,) = recorder.of(Logged)
    for text in (str(refused.value), line.message):
        assert NOTED in text
        assert len(text) < 2 * LONGEST_TEXT


async def test_what_a_component_cannot_start_for_is_cut(
    open_: Open, recorder: Recorder, tmp_path: Path
) -> None:
    folder = write_component(tmp_path, config={"fail": LONG[:200_000]})
    async with open_() as system:
        with pytest.raises(airssys.InitFailed) as failed:
            await system.spawn(folder, restart=airssys.Restart.TEMPORARY)

    assert NOTED in str(failed.value)
    assert len(str(failed.value)) < 2 * LONGEST_TEXT
    assert all(len(one.reason) < 3 * LONGEST_TEXT for one in recorder.of(ChildExited))


async def test_what_cannot_be_linked_or_compiled_is_cut(
    engine: airssys.Engine,
) -> None:
    imports = "".join(f'(import "f{n}" (func))' for n in range(2000))
    unlinked = await engine.compile(f"(component {imports})", name="unlinked")
    with pytest.raises(airssys.AirssysError) as unknown:
        await unlinked.instantiate()
    twice = f'(import "{"l" * 50_000}" (func))' * 2
    with pytest.raises(airssys.InvalidComponent) as invalid:
        await engine.compile(f"(component {twice})", name="invalid")

    for error in (unknown.value, invalid.value):
        assert NOTED in str(error)
        assert len(str(error)) < 3 * LONGEST_TEXT


def test_an_err_value_of_any_form_is_cut() -> None:
    error = airssys.WitError({"list": [LONG]})

    assert NOTED in str(error)
    assert len(str(error)) < 2 * LONGEST_TEXT
