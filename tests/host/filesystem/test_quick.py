from __future__ import annotations

from pathlib import Path

import pytest

from airssys.host.filesystem.quick import LARGEST, QuickWrites


@pytest.fixture
def figures(tmp_path: Path) -> Path:
    """Return a file as the kernel has it, of a system that has room."""
    return wait(tmp_path / "vmstat", dirty=10, writeback=5)


def wait(path: Path, *, dirty: int, writeback: int, most: int = 100) -> Path:
    lines = (
        f"nr_dirty {dirty}",
        f"nr_writeback {writeback}",
        f"nr_dirty_background_threshold {most}",
        "one of another kind",
    )
    path.write_text("\n".join(lines) + "\n")
    return path


def test_small_writes_are_made_at_once(figures: Path) -> None:
    quick = QuickWrites(figures)

    assert all(quick.may(LARGEST) for _ in range(1000))
    assert not quick.may(LARGEST + 1)


@pytest.mark.parametrize(("dirty", "writeback"), [(100, 0), (0, 100), (60, 60)])
def test_none_is_where_much_waits_for_the_disk(
    figures: Path, dirty: int, writeback: int
) -> None:
    quick = QuickWrites(wait(figures, dirty=dirty, writeback=writeback))

    assert not quick.may(1)


def test_it_is_looked_up_again_after_some_mebibytes(figures: Path) -> None:
    quick = QuickWrites(figures)
    assert quick.may(1)
    wait(figures, dirty=100, writeback=0)
    while quick.may(LARGEST):
        pass

    wait(figures, dirty=0, writeback=0)
    tries = 1
    while not quick.may(1):
        tries += 1

    assert tries == 2  # one goes without


def test_a_system_that_tells_nothing_has_no_room(tmp_path: Path) -> None:
    assert not QuickWrites(tmp_path / "none").may(1)
    (tmp_path / "vmstat").write_bytes(b"")
    assert not QuickWrites(tmp_path / "vmstat").may(1)


def test_after_one_that_took_long_others_go_without(figures: Path) -> None:
    quick = QuickWrites(figures)

    def skipped() -> int:
        count = 0
        while not quick.may(1):
            count += 1
        return count

    found = []
    for _ in range(12):
        quick.took(1.0)
        found.append(skipped())
    assert found == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1024]

    quick.took(0.0)
    assert skipped() == 0
    quick.took(1.0)
    assert skipped() == 1
