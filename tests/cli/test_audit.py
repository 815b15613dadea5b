from __future__ import annotations

import re
import shutil
import sys
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airssys.audit.files import archives, head_of
from airssys.audit.journal import Journal
from airssys.audit.record import Record
from airssys.audit.seal import Seal
from airssys.audit.statement import Result, Statement

if TYPE_CHECKING:
    from .conftest import Command

SEND = "airssys:core/messaging@1.0.0#send"
OPEN = "airssys:ext-filesystem/filesystem@1.0.0#open"
START = 1_900_000_000.25  # 2030-03-17T17:46:40.25Z
EVIL = "../\x1b[2J\x1b]0;x\x07\n\u202e\ud800[red]x"

ENTRIES = (
    Statement(
        START, Result.DENIED, "acme/a", SEND, "send to 'b'", "", "no grant", "call-1"
    ),
    Statement(
        START + 1, Result.GRANTED, "acme/a", OPEN, "read '/srv/x'", "x", "", "call-2"
    ),
    Statement(
        START + 2, Result.DENIED, "evil\x9b1m", OPEN, "read '/etc'", EVIL, "no grant"
    ),
    Statement(
        START + 3600, Result.ALERT, "acme/b", "", "quota storage", "", "critical"
    ),
)


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """Write a log of six records in three files."""
    return write(tmp_path / "audit.jsonl", rotate=900)


def write(path: Path, rotate: int = 10**6, seal: Seal = Seal()) -> Path:  # noqa: B008 - a frozen value
    ticks = count(START, 1)
    journal = Journal.open(
        path, seal=seal, rotate=rotate, keep=9, sync=False, clock=lambda: next(ticks)
    )
    journal.write(ENTRIES)
    journal.close()
    return path


def shown(text: str) -> list[tuple[str, str]]:
    """Return the time and the result of each row of a table."""
    rows = [line.split() for line in text.splitlines()[1:]]
    return [(f"{row[0]} {row[1]}", row[2]) for row in rows]


# --- verify -----------------------------------------------------------------------


def test_a_whole_log_is_told_to_be_so(airssys: Command, audit: Path) -> None:
    ran = airssys("audit", "verify", audit)

    assert (ran.status, ran.err) == (0, "")
    first = Record.parse(archives(audit)[0].read_bytes().splitlines()[0], Seal())
    last = Record.parse(audit.read_bytes().splitlines()[-1], Seal())
    assert ran.out.splitlines() == [
        f"{audit}: whole, {last.seq} records",
        f"  from {first.at}, record 1",
        f"  to   {last.at}, record {last.seq}",
        f"  hash of record {last.seq}: {last.hash}",
    ]


def test_the_first_problem_has_its_file_and_line(airssys: Command, audit: Path) -> None:
    file = archives(audit)[0]
    file.write_bytes(file.read_bytes().replace(b"call-1", b"call-7"))

    ran = airssys("audit", "verify", audit)

    assert ran.status == 1
    assert ran.out.splitlines()[:3] == [
        f"{audit}: not whole",
        f"  {file}:2: does not fit its own hash",
        "  before that: 1 record",
    ]


def test_a_log_that_was_cut_is_found(airssys: Command, audit: Path) -> None:
    lines = audit.read_bytes().splitlines(keepends=True)
    audit.write_bytes(b"".join(lines[:-1]))

    ran = airssys("audit", "verify", audit)

    assert ran.status == 1
    assert f"{audit}: record 8 is missing at the end" in ran.out


def test_a_log_that_was_not_closed_is_whole_with_a_note(
    airssys: Command, audit: Path
) -> None:
    with audit.open("ab") as file:
        file.write(b'{"at":"2030')

    ran = airssys("audit", "verify", audit)

    assert ran.status == 0
    assert re.search(r"  note: .*audit.jsonl:\d: is torn: 11 bytes at the end", ran.out)


def test_a_key_and_an_anchor_are_checked(airssys: Command, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(b"sixteen bytes or more\n")
    (tmp_path / "short").write_bytes(b"short\n")
    path = write(tmp_path / "keyed.jsonl", seal=Seal(b"sixteen bytes or more"))
    whole = airssys("audit", "verify", path, "--key-file", key)
    assert whole.status == 0
    anchor = whole.out.split()[-1]

    def ended(*more: object) -> tuple[int, str]:
        ran = airssys("audit", "verify", path, *more)
        return ran.status, ran.out + ran.err

    assert ended("--key-file", key, "--anchor", anchor)[0] == 0
    status, said = ended("--key-file", key, "--anchor", "hmac-sha256:gone")
    assert (status, "there is no record hmac-sha256:gone" in said) == (1, True)
    status, said = ended()
    assert (status, ":1: was written with a key" in said) == (1, True)
    status, said = ended("--key-file", tmp_path / "short")
    assert (status, "a key of 5 bytes is too short" in said) == (2, True)


@pytest.mark.parametrize("command", ["verify", "show"])
def test_what_is_no_audit_log_is_refused(
    airssys: Command, tmp_path: Path, command: str
) -> None:
    (tmp_path / "note.txt").write_text("a note\n")

    gone = airssys("audit", command, tmp_path / "gone")
    note = airssys("audit", command, tmp_path / "note.txt")
    folder = airssys("audit", command, tmp_path)

    assert (gone.status, note.status, folder.status) == (2, 2, 2)
    assert gone.err == f"airssys: {tmp_path / 'gone'}: No such file or directory\n"
    assert "note.txt" in note.err
    assert "it is no" in note.err
    assert "Is a directory" in folder.err


# --- show -------------------------------------------------------------------------


def test_a_log_is_shown_over_its_files_in_order(airssys: Command, audit: Path) -> None:
    ran = airssys("audit", "show", audit)

    assert (ran.status, ran.err) == (0, "")
    assert len(archives(audit)) == 2
    results = [result for _, result in shown(ran.out) if result != "rotated"]
    assert results == ["opened", "denied", "granted", "denied", "alert", "closed"]
    header, _, denied, *_ = ran.out.splitlines()
    assert header.split("  ")[0] == "time (UTC)"
    assert re.split(r" {2,}", denied.strip()) == [
        "2030-03-17 17:46:40.250",
        "denied",
        "acme/a",
        "messaging#send",
        "send to 'b': no grant",
        "call-1",
    ]


def test_nothing_that_is_shown_steers_a_terminal(
    airssys: Command, audit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = airssys("audit", "show", audit).out
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = airssys("audit", "show", audit, "--result", "denied").out
    as_json = airssys("audit", "show", audit, "--json").out

    assert r"(asked for '../\x1b[2J\x1b]0;x\x07\n\u202e\ud800[red]x')" in plain
    assert r"evil\x9b1m" in plain
    for text in (plain, as_json, re.sub(r"\x1b\[[0-9;]*m", "", coloured)):
        assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        (["--component", "acme/*"], [0, 1, 3600]),
        (["--component", "ACME/*"], []),
        (["--operation", "send"], [0]),
        (["--operation", "*filesystem*"], [1, 2]),
        (["--result", "denied"], [0, 2]),
        (["--result", "denied", "--result", "alert"], [0, 2, 3600]),
        (["--correlation", "call-2"], [1]),
        (["--since", "2030-03-17T17:46:42Z", "--result", "denied"], [2]),
        (["--until", "2030-03-17 17:46:41", "--result", "denied"], [0]),
        (["--since", "2030-03-17T19:00:00+01:00", "--result", "alert"], [3600]),
        (["--since", "2030-03-18", "--result", "alert"], []),
        (["--until", "1h"], []),
        (["--component", "acme/*", "--limit", "1"], [3600]),
        (["--component", "acme/*", "--limit", "0"], [0, 1, 3600]),
    ],
    ids=lambda value: " ".join(map(str, value)),
)
def test_filters_choose_what_is_shown(
    airssys: Command, audit: Path, options: list[str], seconds: list[int]
) -> None:
    table = airssys("audit", "show", audit, *options)
    lines = airssys("audit", "show", audit, *options, "--json").out.splitlines()

    times = [datetime.fromtimestamp(START + each, UTC) for each in seconds]
    texts = [f"{each:%Y-%m-%d %H:%M:%S.%f}"[:-3] for each in times]
    assert table.status == 0
    assert [time for time, _ in shown(table.out)] == texts
    assert [Record.parse(line.encode(), Seal()).time for line in lines] == times


def test_a_time_can_be_how_long_ago(airssys: Command, tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    now = datetime.now(UTC).timestamp()
    journal = Journal.open(
        path, seal=Seal(), rotate=999, keep=9, sync=False, clock=lambda: now - 7200
    )
    journal.write([Statement(now - 1800, Result.DENIED)])
    journal.close()

    ran = airssys("audit", "show", path, "--since", "1h")

    assert [result for _, result in shown(ran.out)] == ["denied"]


def test_what_is_left_out_is_told(airssys: Command, audit: Path) -> None:
    limited = airssys("audit", "show", audit, "--limit", "2")
    nothing = airssys("audit", "show", audit, "--component", "nobody")
    with audit.open("ab") as file:
        file.write(b"\x1b[2J\n\xff\n")
    strange = airssys("audit", "show", audit)

    assert limited.err.endswith("the last 2 of 8 (see: --limit)\n")
    assert nothing.err.endswith("no such record among 8\n")
    assert nothing.out == ""
    assert "2 lines are no record (see: airssys audit verify " in strange.err
    assert "\x1b" not in strange.out + strange.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--since", "yesterday"], "--since: 'yesterday' is no time: use 2030-"),
        (["--until", "999999999999h"], "'999999999999h' is no time"),
        (["--result", "denid"], 'Did you mean "denied"?'),
        (["--limit", "-1"], "--limit must be at least 0"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    airssys: Command, audit: Path, options: list[str], words: str
) -> None:
    ran = airssys("audit", "show", audit, *options)

    assert ran.status == 2
    assert words in ran.err


def test_the_help_says_what_there_is(airssys: Command) -> None:
    for tokens, words in (
        (["--help"], "audit"),
        (["audit", "--help"], "Check that an audit log is whole."),
        (["audit", "verify", "--help"], "--anchor"),
        (["audit", "show", "--help"], "--correlation"),
        (["run", "--help"], "--audit"),
    ):
        ran = airssys(*tokens)
        assert ran.status == 0
        assert words in ran.out


# --- run --------------------------------------------------------------------------

ACTORS = """
import anyio

async def order(actor):
    await actor.publish("orders.created", b"3 pears")
    await anyio.sleep(0.1)
"""


@pytest.fixture
def denied_tree(
    tmp_path: Path, quickstart: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Write a tree with a component in C that may not send."""
    shutil.copytree(quickstart / "tally", tmp_path / "tally")
    manifest = tmp_path / "tally" / "Component.toml"
    manifest.write_text(
        manifest.read_text().replace('send = ["quickstart/counter"], ', "")
    )
    name = f"orders_{tmp_path.name}".replace("-", "_")
    (tmp_path / f"{name}.py").write_text(ACTORS)
    monkeypatch.setattr(sys, "path", list(sys.path))
    tree = tmp_path / "tree.toml"
    tree.write_text(
        f"""
        [supervisor]
        auto_shutdown = "any_significant"
        [[child]]
        id = "quickstart/tally"
        component = "tally"
        [[child]]
        id = "order"
        actor = "{name}:order"
        restart = "transient"
        significant = true
        """
    )
    return tree


@pytest.mark.guest
@pytest.mark.parametrize("by", ["option", "host file"])
def test_a_run_writes_an_audit_log_and_says_where(
    airssys: Command, denied_tree: Path, by: str
) -> None:
    path = denied_tree.parent / "audit.jsonl"
    host = denied_tree.parent / "host.toml"
    host.write_text('[audit]\nfile = "audit.jsonl"\ngrants = true\n')
    option = ["--audit", path] if by == "option" else ["--config", host]

    ran = airssys("run", denied_tree, *option)

    assert ran.status == 0
    assert ran.out.splitlines()[-1].endswith(
        f", 1 denial (see: airssys audit show {path})"
    )
    assert airssys("audit", "verify", path).status == 0
    row = airssys("audit", "show", path, "--result", "denied").out.splitlines()[1]
    assert row.split()[2:5] == ["denied", "quickstart/tally", "messaging#send"]
    assert "send to 'quickstart/counter': no grant covers it" in row
    granted = airssys("audit", "show", path, "--result", "granted", "--json").out
    assert ("#subscribe" in granted) == (by == "host file")


@pytest.mark.guest
def test_a_run_whose_audit_log_cannot_be_written_does_not_start(
    airssys: Command, denied_tree: Path
) -> None:
    folder = denied_tree.parent
    (folder / "note.txt").write_text("a note\n")
    (folder / "link").symlink_to("note.txt")

    for name, words in (
        ("gone/audit.jsonl", "No such file or directory"),
        ("note.txt", "its last line is no record"),
        ("link", "is a symbolic link"),
    ):
        ran = airssys("run", denied_tree, "--audit", folder / name)
        assert (ran.status, ran.out.count("messages")) == (2, 0)
        assert words in ran.err
    assert (folder / "note.txt").read_text() == "a note\n"
    assert not head_of(folder / "note.txt").exists()
