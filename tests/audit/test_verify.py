from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airssys.audit import verify_audit
from airssys.audit.files import archives, head_of
from airssys.audit.seal import Seal, canonical
from airssys.core.errors import AuditError

from .logs import KEY, entries, forge, opened, records, write


@st.composite
def edits(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Draw one edit of a file."""
    kind = draw(st.sampled_from(["flip", "cut", "drop", "twice", "swap", "insert"]))
    where = draw(st.floats(0, 1, exclude_max=True))
    bit = draw(st.integers(0, 7))
    more = draw(st.binary(min_size=1, max_size=30))

    def edit(content: bytes) -> bytes:
        lines = content.splitlines(keepends=True)
        at, line = int(where * len(content)), int(where * len(lines))
        match kind:
            case "flip":
                changed = content[at] ^ 1 << bit
                return content[:at] + bytes([changed]) + content[at + 1 :]
            case "cut":
                return content[:at]
            case "drop":
                del lines[line]
            case "twice":
                lines.insert(line, lines[line])
            case "swap" if len(lines) > 1:
                other = (line + 1 + bit % (len(lines) - 1)) % len(lines)
                lines[line], lines[other] = lines[other], lines[line]
            case _:
                return content[:at] + more + content[at:]
        return b"".join(lines)

    return edit


@pytest.fixture(scope="module")
def sound() -> Iterator[Path]:
    """Write a log of three files, in two runs of a process."""
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder) / "audit.jsonl", 4, rotate=1500)
        write(path, 3, rotate=1500)
        assert len(archives(path)) == 2
        assert verify_audit(path).problem is None
        yield path


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(edits(), st.integers(0, 3))
def test_any_single_edit_is_found(
    sound: Path, edit: Callable[[bytes], bytes], which: int
) -> None:
    file = [*archives(sound), sound, head_of(sound)][which]
    before = file.read_bytes()
    try:
        file.write_bytes(edit(before))

        report = verify_audit(sound)
    finally:
        file.write_bytes(before)

    torn = any("bytes at the end" in note for note in report.notes)
    # Bytes after the end that are no line say themselves that they are no record.
    assert report.problem is not None or (torn and file == sound)


def test_a_log_cut_at_any_byte_is_found(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl", 1)
    content = path.read_bytes()
    ends = [at for at, byte in enumerate(content) if byte == ord("\n")]
    near = {end + beside for end in ends for beside in (-1, 0, 1)}

    for length in sorted(near.union(range(0, len(content), 11)) - {len(content)}):
        path.write_bytes(content[:length])
        problem = verify_audit(path).problem
        assert problem is not None, length
        assert "missing at the end" in str(problem)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda lines: lines[:2] + lines[3:], "record 4, and record 3 should be here"),
        (lambda lines: lines[1:], "no file begins with a record such as 2"),
        (lambda lines: lines[:-1], "record 7 is missing at the end"),
        (lambda lines: lines[:-2], "records 6 to 7 are missing at the end"),
        (
            lambda lines: [lines[0], lines[1].replace(b"fs#0", b"fs#9"), *lines[2:]],
            "audit.jsonl:2: does not fit its own hash",
        ),
        (lambda lines: [*lines[:2], b"\n", *lines[2:]], "audit.jsonl:3: is no record"),
        (
            lambda lines: [lines[0].replace(b",", b", "), *lines[1:]],
            "audit.jsonl:1: is no record",
        ),
        (
            lambda lines: [lines[0].replace(b"opened", rb"\u006fpened"), *lines[1:]],
            ".jsonl:1: is no record",
        ),
        (lambda lines: [*lines[:2], b"[" * 50_000 + b"\n"], ":3: is no record"),
        (lambda lines: [*lines[:2], b"x" * 200_000 + b"\n"], "3: is longer than a"),
        (
            lambda lines: [lines[0].replace(b'"v":1', b'"v":2'), *lines[1:]],
            "audit.jsonl:1: is of version 2, and this airssys knows 1",
        ),
    ],
)
def test_the_first_problem_is_told_with_its_place(
    tmp_path: Path, edit: Callable[[list[bytes]], list[bytes]], words: str
) -> None:
    path = write(tmp_path / "audit.jsonl")
    path.write_bytes(b"".join(edit(path.read_bytes().splitlines(keepends=True))))

    assert words in str(verify_audit(path).problem)


def test_a_chain_made_anew_fails_at_the_head_or_at_the_anchor(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl")
    noted = records(path)[2]["hash"]

    path.write_bytes(b"".join(forge(path, Seal(), component="innocent")))
    report = verify_audit(path)

    assert "record 7 is not the one that was written" in str(report.problem)
    head_of(path).unlink()
    assert "the head is missing" in str(verify_audit(path).problem)
    # With a head made anew, too, only what was noted elsewhere tells.
    mine = write(tmp_path / "mine.jsonl")
    assert verify_audit(mine).problem is None
    assert f"no record {noted}x" in str(verify_audit(mine, anchor=f"{noted}x").problem)
    assert verify_audit(mine, anchor=records(mine)[2]["hash"]).problem is None


def test_a_line_made_anew_does_not_fit_the_next(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl")
    lines = path.read_bytes().splitlines(keepends=True)
    values = {**records(path)[1], "component": "innocent"}
    del values["hash"]
    forged = canonical({**values, "hash": Seal().hash(canonical(values))})

    path.write_bytes(b"".join([lines[0], forged.encode() + b"\n", *lines[2:]]))

    assert "audit.jsonl:3: does not follow on record 2" in str(
        verify_audit(path).problem
    )


@pytest.mark.parametrize("changes", [{"seq": 2, "previous": ""}, {"previous": "x"}])
def test_only_the_first_record_has_none_before_it(
    tmp_path: Path, changes: dict[str, object]
) -> None:
    path = write(tmp_path / "audit.jsonl", 0)
    values = {**records(path)[0], "result": "rotated", **changes}
    del values["hash"]
    forged = canonical({**values, "hash": Seal().hash(canonical(values))})

    path.write_text(f"{forged}\n")

    assert "cannot be the first" in str(verify_audit(path).problem)


def test_a_head_of_long_ago_is_found(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    journal = opened(path, rotate=1000, keep=0)
    old = head_of(path).read_bytes()
    journal.write(entries(9))
    journal.close()

    head_of(path).write_bytes(old)

    assert "older than the oldest record" in str(verify_audit(path).problem)


def test_without_the_key_a_chain_cannot_be_made_anew(tmp_path: Path) -> None:
    path = write(tmp_path / "audit.jsonl", seal=Seal(KEY))
    head = head_of(path).read_bytes()
    assert verify_audit(path, key=KEY).problem is None
    assert "was written with a key" in str(verify_audit(path).problem)
    assert "does not fit" in str(verify_audit(path, key=b"another key of mine").problem)

    for seal in (Seal(), Seal(b"the key of the forger")):
        path.write_bytes(b"".join(forge(path, seal, component="innocent")))
        assert verify_audit(path, key=KEY).problem is not None

    write(tmp_path / "plain.jsonl")
    assert "without the key" in str(
        verify_audit(tmp_path / "plain.jsonl", key=KEY).problem
    )
    assert KEY not in head + repr(Seal(KEY)).encode()


def test_files_of_another_log_are_found(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
    one = write(tmp_path / "one" / "audit.jsonl", rotate=2000)
    other = write(tmp_path / "other" / "audit.jsonl", rotate=2000, clock=lambda: 5.0)

    for mine, theirs in zip([*archives(one), one], [*archives(other), other]):
        before = mine.read_bytes()
        mine.write_bytes(theirs.read_bytes())
        assert verify_audit(one).problem is not None
        mine.write_bytes(before)
    assert verify_audit(one).problem is None


def test_what_is_no_log_is_told(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with pytest.raises(FileNotFoundError):
        verify_audit(path)
    path.touch()
    with pytest.raises(AuditError, match="it is empty"):
        verify_audit(path)
    path.write_text("hello\nworld\n")
    with pytest.raises(AuditError, match="it is no audit log, and has no head"):
        verify_audit(path)
    head_of(path).write_text("hello\n")
    assert "audit.jsonl:1: is no record" in str(verify_audit(path).problem)
