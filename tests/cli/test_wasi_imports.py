from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from airssys.cli.wasi_imports import Package, lacking, packages, unopened
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import FilesystemGrants, NetworkGrants
from airssys.core.manifests.wasi import Wasi

from ..components import PROGRAM_WASM, write_program

if TYPE_CHECKING:
    from .conftest import Command

pytestmark = pytest.mark.guest

NOBODY_HAS = """(component
  (import "wasi:nn/graph@0.2.0-rc-2024" (instance (export "load" (func))))
  (import "wasi:io/poll@0.2.3" (instance))
  (core module $m (func (export "f")))
  (core instance $i (instantiate $m))
  (func (export "f") (canon lift (core func $i "f"))))"""


def test_imports_of_wasi_are_grouped_by_package_and_version() -> None:
    found = packages(
        (
            "wasi:io/streams@0.2.3",
            "airssys:core/messaging@1.0.0",
            "wasi:io/poll@0.2.3",
            "wasi:io/poll@0.2.0",
            "wasi:io/pool@0.2.3",
            "wasi:nn/graph@0.2.0-rc-2024",
            "wasi:nn/graph",
        )
    )

    assert found == (
        Package("wasi:io", "0.2.0", ("poll",)),
        Package("wasi:io", "0.2.3", ("poll", "pool", "streams"), ("pool",)),
        Package("wasi:nn", "", ("graph",), ("graph",)),
        Package("wasi:nn", "0.2.0-rc-2024", ("graph",), ("graph",)),
    )
    assert [*map(str, found)] == [
        "wasi:io 0.2.0 (poll)",
        "wasi:io 0.2.3 (poll, pool, streams); not offered here: pool",
        "wasi:nn (graph); not offered here: it",
        "wasi:nn 0.2.0-rc-2024 (graph); not offered here: it",
    ]


def test_what_is_imported_without_a_grant_is_said_once() -> None:
    imports = (
        "wasi:sockets/tcp@0.2.3",
        "wasi:sockets/tcp-create-socket@0.2.3",
        "wasi:http/outgoing-handler@0.2.3",
        "wasi:filesystem/types@0.2.3",
        "wasi:filesystem/preopens@0.2.3",
    )
    network = NetworkGrants(outbound=["example.com:443"])
    files = FilesystemGrants(read=["/srv/data/**"])

    assert [*lacking(imports, Grants(), Wasi())] == [
        (
            "it imports wasi:filesystem, and has no grant of 'filesystem': "
            "it finds no folder"
        ),
        (
            "it imports wasi:sockets, and has no grant of 'network': "
            "its connects will be refused"
        ),
        (
            "it imports wasi:http, and has no grant of 'network': "
            "its requests will be refused"
        ),
    ]
    granted = Grants(network=network, filesystem=files)
    assert [*lacking(imports, granted, Wasi())] == []
    wasi = Wasi(preopens={"/a": "/srv/data", "/b": "/srv/other"})
    assert [*lacking(imports, granted, wasi)] == [
        "its folder '/b' is '/srv/other', which no grant reaches into"
    ]


def test_files_of_streams_that_no_grant_covers_are_named() -> None:
    wasi = Wasi(stdin="/srv/in", stdout="/srv/out", stderr="inherit")
    reads = Grants(filesystem=FilesystemGrants(read=["/srv/*"]))

    assert [*unopened(wasi, reads)] == [
        "its stdout may not write '/srv/out': no grant covers it (granted: nothing)"
    ]
    assert [*unopened(Wasi(), Grants())] == []


def test_inspect_has_a_line_for_each_package(airssys: Command, tmp_path: Path) -> None:
    ran = airssys("inspect", PROGRAM_WASM)

    assert ran.status == 0
    lines = ran.out.splitlines()
    assert lines[2].startswith("wasi         wasi:cli 0.2.12 (environment, exit, ")
    assert "             wasi:io 0.2.12 (error, poll, streams)" in lines
    assert "  import wasi:io/streams@0.2.12;" in lines
    assert "    run: func() -> result;" in lines
    assert not re.search("check-write", ran.out)
    report = json.loads(airssys("inspect", PROGRAM_WASM, "--json").out)
    found = {each["name"]: each for each in report["wasi"]}
    assert found["wasi:io"]["interfaces"] == ["error", "poll", "streams"]
    assert found["wasi:io"]["unknown"] == []

    file = tmp_path / "odd.wat"
    file.write_text(NOBODY_HAS)
    ran = airssys("inspect", file)
    assert "wasi:nn 0.2.0-rc-2024 (graph); not offered here: it\n" in ran.out
    assert "needs        no capabilities\n" in ran.out


def test_check_notes_what_has_no_grant_and_refuses_what_nobody_has(
    airssys: Command, tmp_path: Path
) -> None:
    folder = write_program(tmp_path, "args", wasi=f"stderr = '{tmp_path}/err'")

    ran = airssys("check", folder)

    assert ran.status == 1
    assert ran.out.splitlines() == [
        (
            f"{folder}: component 'acme/program': its stderr may not write "
            f"'{tmp_path}/err': no grant covers it (granted: nothing)"
        ),
        (
            f"{folder}: note: it imports wasi:filesystem, and has no grant of "
            "'filesystem': it finds no folder"
        ),
    ]
    good = write_program(tmp_path, "args", name="acme/good")
    ran = airssys("check", good)
    assert ran.status == 0
    assert ran.out.endswith(f"{good}: no problems\n")
    (good / "code.wasm").write_bytes(NOBODY_HAS.encode())
    manifest = (good / "Component.toml").read_text()
    manifest = manifest.replace('world = "wasi:cli/command@0.2.0"', "")
    (good / "code.wat").write_text(NOBODY_HAS)
    (good / "Component.toml").write_text(manifest.replace("code.wasm", "code.wat"))
    ran = airssys("check", good)
    assert ran.status == 1
    assert "imports 'wasi:nn/graph@0.2.0-rc-2024', which is neither" in ran.out
