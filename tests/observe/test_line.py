from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from airssys.core.event import Event
from airssys.observe.line import line

from .examples import EVENTS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("event", "expected"), EVENTS)
def test_every_event_has_a_level_an_actor_and_a_line(
    event: Event, expected: tuple[str, str, str]
) -> None:
    said = line(event)

    assert (said.level.value, said.subject, said.text) == expected


def kinds() -> set[str]:
    return {kind.__name__ for kind in get_args(Event)}


def test_every_kind_of_event_has_an_example_here() -> None:
    assert kinds() - {type(event).__name__ for event, _ in EVENTS} == set()


def test_every_kind_of_event_is_in_the_table_of_the_docs() -> None:
    rows = (DOCS / "events.md").read_text().splitlines()

    assert (
        kinds() - {row.split("`")[1] for row in rows if row.startswith("| `")} == set()
    )


def test_a_screen_gets_a_line_for_every_event() -> None:
    for event, (_, subject, _) in EVENTS:
        assert line(event, brief=True).subject == subject
        assert line(event, brief=True).text
