from __future__ import annotations

from collections.abc import Generator

from airssys.core.steps import Meter, to_the_end


def work(pieces: int, steps: int) -> Generator[int, None, str]:
    for _ in range(pieces):
        yield steps
    return "done"


def test_work_to_the_end_returns_what_it_returns() -> None:
    assert to_the_end(work(0, 1)) == "done"
    assert to_the_end(work(3, 1)) == "done"


def test_a_meter_bounds_several_works_together() -> None:
    meter = Meter(10)

    assert to_the_end(meter.bound(work(3, 2), otherwise="gave up")) == "done"
    assert list(meter.bound(work(3, 3), otherwise="gave up")) == [3, 3]
    assert meter.left == -2
    assert to_the_end(meter.bound(work(0, 1), otherwise="gave up")) == "gave up"


def test_a_meter_closes_the_work_it_gives_up() -> None:
    closed = []

    def watched() -> Generator[int, None, str]:
        try:
            yield from work(10, 5)
        finally:
            closed.append(True)
        return "done"

    assert to_the_end(Meter(7).bound(watched(), otherwise="gave up")) == "gave up"
    assert closed == [True]
