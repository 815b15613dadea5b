from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .conftest import EXAMPLES

if TYPE_CHECKING:
    from .conftest import Command

pytestmark = pytest.mark.guest

CLERK = EXAMPLES / "clerk" / "clerk.wasm"


def test_a_component_s_limits_capabilities_and_wit_are_printed(
    airssys: Command, quickstart: Path
) -> None:
    ran = airssys("inspect", quickstart / "tally")

    assert (ran.status, ran.err) == (0, "")
    lines = ran.out.splitlines()
    assert lines[0] == "name         quickstart/tally"
    assert lines[1].startswith("size         11,")
    assert lines[2] == "limits       512KiB memory, 1_000_000 fuel a call, 2s a call"
    assert lines[3] == (
        "needs        messaging.send, messaging.request, messaging.publish, "
        "messaging.subscribe for airssys:core/messaging"
    )
    assert lines[4] == "granted      send to 'quickstart/counter'"
    assert "             subscribe to 'orders.#'" in lines
    assert "world tally {" in lines
    assert "  import airssys:core/messaging@1.0.0: interface {" in lines
    assert (
        "    send: func(target: component-id, payload: list<u8>) "
        "-> result<_, messaging-error>;" in lines
    )


def test_code_alone_says_what_it_needs(airssys: Command, tmp_path: Path) -> None:
    file = tmp_path / "needy.wat"
    file.write_text(
        """(component
          (import "acme:kv/store@1.0.0" (instance (export "get" (func))))
          (import "acme:kv/types@1.0.0" (instance))
          (import "log" (func (param "x" u32)))
          (core module $m (func (export "f")))
          (core instance $i (instantiate $m))
          (func (export "f") (canon lift (core func $i "f"))))"""
    )

    ran = airssys("inspect", file)

    assert ran.status == 0
    assert "needs        custom 'acme:kv/store'\n" in ran.out
    assert "limits" not in ran.out
    assert "  import log: func(x: u32);\n" in ran.out
    assert "  export f: func();\n" in ran.out


def test_what_is_needed_is_what_the_imported_functions_declare(
    airssys: Command,
) -> None:
    ran = airssys("inspect", CLERK)

    assert (ran.status, ran.err) == (0, "")
    needs = "\n".join(ran.out.splitlines()[2:7])
    assert (
        needs
        == """\
needs        filesystem.read, filesystem.write for airssys:ext-filesystem/filesystem
             storage.read, storage.write for airssys:core/storage
             network.outbound, network.inbound for airssys:ext-network/socket
             network.outbound, network.resolve for airssys:ext-network/connection
             process.spawn, process.environment, filesystem.list for airssys:ext-process/lifecycle"""  # noqa: E501 - as it is printed
    )
    assert "custom" not in ran.out


def test_json_tells_what_is_needed_function_by_function(
    airssys: Command, tmp_path: Path
) -> None:
    file = tmp_path / "needy.wat"
    file.write_text(
        """(component
          (import "acme:kv/store@1.0.0" (instance (export "get" (func))))
          (import "airssys:core/storage@1.0.0" (instance
            (export "usage" (func)) (export "later" (func))))
          (import "airssys:ext-process/signals@1.0.0" (instance
            (export "list-signals" (func)) (export "emergency-kill-group" (func)))))"""
    )

    ran = airssys("inspect", file, "--json")

    assert json.loads(ran.out)["needs"] == [
        {
            "interface": "acme:kv/store",
            "function": "get",
            "capabilities": ["custom"],
        },
        {
            "interface": "airssys:ext-process/signals",
            "function": "emergency-kill-group",
            "capabilities": ["process.signal"],
        },
    ]


def test_json_holds_the_same(
    airssys: Command, quickstart: Path, calculator: Path
) -> None:
    described = json.loads(airssys("inspect", quickstart / "counter", "--json").out)
    bare = json.loads(airssys("inspect", calculator, "--json").out)

    assert described["name"] == "quickstart/counter"
    assert described["granted"] == ["receive from '**'"]
    assert described["limits"]["fuel"] == 1_000_000
    exports = described["exports"]["airssys:core/component-lifecycle@1.0.0"]
    assert exports["shutdown"].startswith("func() -> result<_, variant {")
    assert bare["exports"]["add"] == "func(a: u32, b: u32) -> u32"
    assert bare["needs"] == []
    assert "limits" not in bare


def test_a_component_that_may_do_nothing_says_so(
    airssys: Command, tmp_path: Path, quickstart: Path
) -> None:
    text = (quickstart / "counter" / "Component.toml").read_text()
    text = text.replace('messaging = { receive = ["**"] }', "")
    (tmp_path / "Component.toml").write_text(text)
    (tmp_path / "counter.wat").write_bytes(
        (quickstart / "counter" / "counter.wat").read_bytes()
    )

    ran = airssys("inspect", tmp_path)

    assert "needs        no capabilities\ngranted      nothing\n" in ran.out
