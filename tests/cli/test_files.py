from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from ..components import write_component
from .processes import spawned

if TYPE_CHECKING:
    from pathlib import Path

    from .conftest import Command

pytestmark = pytest.mark.guest

READERS = [
    ("check", "{}.toml"),
    ("check", "{}.wat"),
    ("check", "{}.wasm"),
    ("run", "{}.toml"),
    ("run", "{}.wasm", "f"),
    ("tree", "{}.toml"),
    ("call", "{}.wat", "f"),
    ("inspect", "{}.wasm"),
    ("bindgen", "{}.wit"),
    ("bindgen", "{}.wasm"),
    ("audit", "show", "{}.jsonl"),
    ("audit", "verify", "{}.jsonl"),
    ("audit", "verify", "whole.jsonl", "--key-file", "{}.key"),
    *(
        (*command, "--config", "{}.toml")
        for command in (
            ("run", "calculator.wat", "rest"),
            ("check", "calculator.wat"),
            ("call", "calculator.wat", "rest"),
            ("inspect", "calculator.wat"),
            ("bindgen", "calculator.wat"),
        )
    ),
]


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        *((command, "fifo") for command in READERS),
        (("check", "{}.wasm"), "device"),
        (("audit", "show", "{}.jsonl"), "device"),
        (("audit", "verify", "whole.jsonl", "--key-file", "{}.key"), "device"),
    ],
)
def test_no_command_waits_for_a_fifo_or_reads_a_device(
    calculator: Path, command: tuple[str, ...], kind: str
) -> None:
    folder = calculator.parent
    for suffix in ("toml", "wat", "wasm", "wit", "jsonl", "key"):
        os.mkfifo(folder / f"fifo.{suffix}")
        (folder / f"device.{suffix}").symlink_to("/dev/zero")

    ran = spawned(*(token.format(kind) for token in command), folder=folder, memory=2)

    assert ran.returncode == (1 if command[0] == "check" and len(command) == 2 else 2)
    file = next(token for token in reversed(command) if "{}" in token)
    assert f"{file.format(kind)}: it is no regular file" in ran.stdout + ran.stderr


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_the_head_of_an_audit_log_is_guarded_too(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a.jsonl").touch()
    if kind == "fifo":
        os.mkfifo(tmp_path / "a.jsonl.head")
    else:
        (tmp_path / "a.jsonl.head").symlink_to("/dev/zero")

    ran = spawned("audit", "verify", "a.jsonl", folder=tmp_path, memory=2)

    assert (ran.returncode, ran.stderr) == (
        2,
        "airssys: a.jsonl.head: it is no regular file\n",
    )


def test_a_file_that_a_component_links_to_is_not_quoted(
    airssys: Command, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    secret = tmp_path / "elsewhere/passwords"
    secret.write_text("root:correct-horse\nbin:battery-staple\n")
    folder = write_component(tmp_path, code="(component)")
    code = next(folder.glob("*.wat"))
    code.unlink()
    code.symlink_to(secret)

    for ran in (airssys("check", folder), airssys("inspect", folder)):
        assert "expected `(` (line 1, column 1)" in ran.out + ran.err
        assert "horse" not in ran.out + ran.err
        assert "staple" not in ran.out + ran.err


def test_texts_may_start_with_a_byte_order_mark(
    airssys: Command, calculator: Path
) -> None:
    calculator.write_bytes(b"\xef\xbb\xbf" + calculator.read_bytes())
    tree = calculator.parent / "tree.toml"
    tree.write_bytes(b'\xef\xbb\xbf[supervisor]\nstrategy = "one_for_all"\n')
    host = calculator.parent / "host.toml"
    host.write_bytes(b'\xef\xbb\xbfname = "edge"\n')

    assert airssys("call", calculator, "add", 1, 2, "--config", host).out == "3\n"
    assert airssys("tree", tree).status == 0
    ran = airssys("check", tree, host, calculator)
    assert (ran.status, ran.out.count("no problems")) == (0, 3)
