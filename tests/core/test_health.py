from __future__ import annotations

from airssys.core.health import CountFailure, CutOff, Health, Recover, Unchanged


def test_failures_in_a_row_cut_the_child_off() -> None:
    health, first = Health().checked("slow", 2)
    _, second = health.checked("slow", 2)

    assert first == CountFailure("slow")
    assert second == CutOff("slow")


def test_a_good_answer_forgives() -> None:
    health, _ = Health().checked("slow", 2)
    health, verdict = health.checked(None, 2)

    assert verdict == Recover()
    assert health == Health()
    assert health.checked(None, 2) == (Health(), Unchanged())
