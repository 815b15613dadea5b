from __future__ import annotations

from collections import Counter
from pathlib import Path

from attrs import evolve

from airssys.audit import open_audit, verify_audit
from airssys.audit.flood import MOST, PERIOD, Flood

from .logs import denial, records


async def test_a_guest_that_tries_without_end_pushes_out_nobody_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    loud, quiet = denial(), evolve(denial(), subject="acme/quiet")

    async with open_audit(path) as audit:
        for _ in range(MOST + 5):
            audit.event(loud)
        audit.event(quiet)
        await audit.flush()
        audit.event(loud)
        for number in range(MOST + 1):
            audit.event(evolve(loud, at=loud.at + PERIOD, resource=str(number)))
        audit.event(evolve(loud, at=loud.at + 2 * PERIOD))
        assert audit.lost == 0

    found = records(path)
    lost = [
        (one["component"], one["resource"]) for one in found if one["result"] == "lost"
    ]
    denied = Counter(one["component"] for one in found if one["result"] == "denied")
    assert lost == [("acme/a", "5"), ("acme/a", "1"), ("acme/a", "1")]
    assert denied == {"acme/a": 2 * MOST + 1, "acme/quiet": 1}
    assert verify_audit(path).problem is None


async def test_no_sender_uses_up_the_records_of_its_receiver(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    sent = evolve(denial(), section="messaging", action="receive", target="acme/loud")

    async with open_audit(path) as audit:
        for _ in range(MOST + 1):
            audit.event(sent)
        audit.event(denial("its own"))

    *_, own, lost, _ = records(path)
    assert own["resource"] == "its own"
    assert (lost["result"], lost["component"], lost["needed"]) == (
        "lost",
        "acme/a",
        "receive from 'acme/loud'",
    )


def test_who_is_quiet_is_forgotten_and_who_was_loud_is_not() -> None:
    flood = Flood()
    for _ in range(MOST + 1):
        flood.admit(("loud", ""), 0.0)
    for number in range(10_000):
        assert flood.admit((f"a{number}", ""), PERIOD * (1 + number // 1000)) == (
            True,
            0,
        )

    assert len(flood._periods) < 6000
    assert flood.admit(("loud", ""), 1000.0) == (True, 1)
    assert list(flood.rest()) == []
