from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import Command


def test_the_quickstart_s_tree_is_drawn(airssys: Command, quickstart: Path) -> None:
    ran = airssys("tree", quickstart / "tree.toml")

    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "root  one_for_one, at most 1 restart in 5s, ends with a significant child",
        "├── books  rest_for_one, at most 3 restarts in 5s",
        "│   ├── quickstart/counter  component counter, permanent",
        "│   └── quickstart/tally  component tally, permanent",
        "├── trouble  one_for_one, at most 10 restarts in 5s, waits 50ms to 400ms",
        "│   ├── quickstart/trapper  component trapper, permanent",
        "│   └── quickstart/spinner  component spinner, permanent",
        "├── board  actor actors:board, permanent",
        "└── shop  actor actors:shop, transient, significant",
    ]


def test_rules_that_are_not_the_default_are_said(
    airssys: Command, tmp_path: Path
) -> None:
    file = tmp_path / "tree.toml"
    file.write_text(
        """[[child]]
id = "a"
shutdown = "3s"
[child.supervisor]
strategy = "one_for_all"
auto_shutdown = "all_significant"
"""
    )

    ran = airssys("tree", file)

    assert ran.out.splitlines()[1] == (
        "└── a  one_for_all, at most 1 restart in 5s, ends with its significant "
        "children, stops within 3s"
    )


def test_a_quota_that_children_share_is_shown(airssys: Command, tmp_path: Path) -> None:
    file = tmp_path / "tree.toml"
    file.write_text(
        """[supervisor.quota]
storage = "1GiB"
network = "20MiB/s"
messages = "5/s"
cpu = "1500ms/s"
handles = 100
host_calls = "1000/s"

[[child]]
id = "a"
supervisor = { quota = { handles = 7 } }
"""
    )

    ran = airssys("tree", file)

    top, child = ran.out.splitlines()
    assert top.endswith(
        "shares 1GiB of storage and 20MiB/s of network and 5/s of messages and "
        "1500ms/s of cpu and 100 of handles and 1000/s of host calls"
    )
    assert child.endswith("in 5s, shares 7 of handles")


def test_what_is_no_tree_file_is_refused(airssys: Command, quickstart: Path) -> None:
    path = quickstart / "counter" / "Component.toml"

    ran = airssys("tree", path)

    assert (ran.status, ran.err) == (2, f"airssys: {path}: it is no tree file\n")


def test_a_component_without_a_manifest_is_told(
    airssys: Command, tmp_path: Path
) -> None:
    file = tmp_path / "tree.toml"
    file.write_text('[[child]]\nid = "a"\ncomponent = "nothing"\n')

    ran = airssys("tree", file)

    assert ran.status == 2
    assert "it cannot be read: No such file or directory" in ran.err


@pytest.mark.parametrize("command", ["tree", "run"])
def test_the_host_s_ceiling_on_memory_holds_for_trees(
    airssys: Command, quickstart: Path, tmp_path: Path, command: str
) -> None:
    shutil.copytree(quickstart / "counter", tmp_path / "counter")
    manifest = tmp_path / "counter" / "Component.toml"
    manifest.write_text(manifest.read_text().replace('"512KiB"', '"100MiB"'))
    (tmp_path / "host.toml").write_text('memory = "256MiB"\n')
    (tmp_path / "actors.py").write_text("async def ends(actor):\n    pass\n")
    tree = tmp_path / "tree.toml"
    tree.write_text(
        """[supervisor]
auto_shutdown = "any_significant"
[[child]]
id = "quickstart/counter"
component = "counter"
[[child]]
id = "ends"
actor = "actors:ends"
restart = "temporary"
significant = true
"""
    )

    refused = airssys(command, tree)
    allowed = airssys(command, tree, "--config", tmp_path / "host.toml")

    assert refused.status == 2
    assert "host's ceiling of 64MiB" in refused.err
    assert allowed.status == 0, allowed.err
