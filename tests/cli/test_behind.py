from __future__ import annotations

import io
import os
import threading
import time

from airssys.cli.behind import Behind


def drained(descriptor: int) -> str:
    with os.fdopen(descriptor, "rb") as file:
        return file.read().decode()


def test_what_is_written_comes_out_in_order() -> None:
    ours, theirs = os.pipe()
    with os.fdopen(theirs, "w") as stream, Behind(stream) as behind:
        for number in range(1000):
            behind.write(f"{number}\n")
    assert drained(ours) == "".join(f"{number}\n" for number in range(1000))
    assert behind.lost == 0


def test_nobody_waits_for_a_reader_who_does_not_read() -> None:
    ours, theirs = os.pipe()
    stream = os.fdopen(theirs, "w")
    behind, longest = Behind(stream, room=10_000), 0.0
    for number in range(20_000):
        begun = time.perf_counter()
        behind.write(f"line {number}\n")
        longest = max(longest, time.perf_counter() - begun)

    assert longest < 5
    assert behind.lost > 5000
    reading: list[str] = []
    reader = threading.Thread(target=lambda: reading.append(drained(ours)))
    reader.start()
    while behind._size:
        time.sleep(0.001)
    before = behind.lost
    behind.write("after\n")
    behind.close()
    stream.close()
    reader.join()

    lines = reading[0].splitlines()
    assert lines[-1] == "after"
    notes = [line for line in lines if line.startswith("airssys: ")]
    assert notes
    assert all(line.endswith("left out: nobody read so fast") for line in notes)
    kept, at = 0, 0
    for line in lines[:-1]:
        if line.startswith("airssys: "):
            at += int(line.split()[1])
        else:
            assert line == f"line {at}", "what is missing is told where it is missing"
            at += 1
            kept += 1
    assert (at, kept + before) == (20_000, 20_000)


def test_the_end_does_not_wait_for_a_reader_who_takes_nothing() -> None:
    ours, theirs = os.pipe()
    stream = os.fdopen(theirs, "w")
    behind = Behind(stream, room=200_000)
    for _ in range(100):
        behind.write("x" * 1999 + "\n")

    begun = time.monotonic()
    behind.close()
    took = time.monotonic() - begun
    behind.close()
    behind.write("late\n")

    assert 0.9 < took < 30
    assert behind.lost > 50
    stream.close()
    os.close(ours)


def test_a_reader_who_left_is_no_error() -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as stream, Behind(stream) as behind:
        behind.write("a\nb\n")
        while not behind.lost:
            time.sleep(0.001)
        behind.write("c\n")
    assert behind.lost == 3


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(theirs, False)
    reading: list[str] = []
    with os.fdopen(theirs, "w") as stream, Behind(stream) as behind:
        behind.write("x" * 300_000 + "\n")
        reader = threading.Thread(target=lambda: reading.append(drained(ours)))
        reader.start()
    reader.join()

    assert (len(reading[0]), behind.lost) == (300_001, 0)


def test_a_stream_without_a_file_is_written_to_as_it_is() -> None:
    stream = io.StringIO()
    with Behind(stream) as behind:
        behind.console().print("é")
    assert stream.getvalue() == "é\n"


def test_without_a_stream_everything_is_left_out() -> None:
    with Behind(None) as behind:
        behind.write("a\n")
        assert not behind.isatty()
    assert behind.lost == 1
