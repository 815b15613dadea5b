from __future__ import annotations

from typing import Any, get_args

import pytest
from attrs import evolve, fields
from attrs.exceptions import FrozenInstanceError

from airssys.core import event

KINDS: list[Any] = list(get_args(event.Event))


def made(kind: Any, **given: object) -> Any:
    """Make an event of what its fields must have, each the name of the field."""
    needed = {key.name: key.name for key in fields(kind) if key.default is not None}
    return kind(**{**needed, **given})


def test_every_event_is_one_of_the_kinds() -> None:
    others = {"Audited", "Event", "Instrument"}

    assert {kind.__name__ for kind in KINDS} == set(event.__all__) - others


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_event_is_a_value_that_begins_with_its_time(kind: Any) -> None:
    one = made(kind, at=1.5)

    assert fields(kind)[0].name == "at"
    assert one == made(kind, at=1.5)
    assert hash(one) == hash(made(kind, at=1.5))
    assert evolve(one, at=2.0) != one
    with pytest.raises(FrozenInstanceError):
        one.at = 2.0


def test_what_a_dead_letter_holds_is_not_printed() -> None:
    letter = event.DeadLettered(
        at=1.0, subject="a", sender="b", reason="gone", size=6, payload=b"secret"
    )

    assert letter.payload == b"secret"
    assert "secret" not in repr(letter)


def test_what_was_denied_is_in_fields_and_its_words_follow_from_them() -> None:
    denied = event.Denied(
        at=1.0,
        subject="a",
        operation="f",
        section="messaging",
        action="send",
        target="acme/b",
        reason="no grant covers it",
    )
    over_quota = event.Denied(
        at=1.0, subject="a", operation="f", attempt="send another message", reason=""
    )

    assert denied.needed == "send to 'acme/b'"
    assert over_quota.needed == "send another message"
    assert not over_quota.section


def test_what_was_revoked_may_be_a_part_of_a_grant_or_a_section() -> None:
    revoked = event.Revoked(at=1.0, subject="a", section="network", clause=" after 9")

    assert revoked.needed == "use 'network' after 9"
