from __future__ import annotations

import importlib
import re
import signal
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ..components import write_component
from ..guests.probe.build import ToolMissing
from ..guests.serving.build import built
from .test_run import Process, started

if TYPE_CHECKING:
    from .conftest import Command

pytestmark = pytest.mark.guest


@pytest.fixture
def service() -> Path:
    try:
        return built("c")
    except ToolMissing as missing:
        pytest.skip(f"no guest in C: {missing}")


@contextmanager
def serving(*tokens: object, cwd: Path) -> Iterator[tuple[Process, str]]:
    """Serve, and return the address once it does."""
    with started("serve", *tokens, "--addr", "127.0.0.1:0", cwd=cwd) as running:
        running.wait_for("http://")
        (address,) = re.findall(r"http://[^ ]+", running.lines[-1])
        yield running, address


def get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310 - http
        return str(answer.read().decode())


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_a_component_serves_until_a_signal_comes(
    service: Path, tmp_path: Path, backend: str, number: int, status: int
) -> None:
    with serving(service, "--backend", backend, cwd=tmp_path) as (running, address):
        assert get(f"{address}path?a=b") == "/path?a=b"
        assert [get(f"{address}count") for _ in range(2)] == ["1", "1"]
        with pytest.raises(urllib.error.HTTPError, match="500"):
            get(f"{address}trap")
        running.process.send_signal(number)
        ended, out = running.finish()

    assert (ended, out) == (status, "")
    assert "unreachable" in "".join(running.lines)
    assert running.lines[-1].endswith("stopped")


def test_instances_can_be_kept_and_limits_set(service: Path, tmp_path: Path) -> None:
    options = ("--reuse", "--size", 1, "--timeout", "100ms", "--env", "A=b")
    with serving(service, *options, cwd=tmp_path) as (_, address):
        assert [get(f"{address}count") for _ in range(2)] == ["1", "2"]
        with pytest.raises(urllib.error.HTTPError, match="504"):
            get(f"{address}wait")


def test_no_client_holds_up_the_others_by_spaces(service: Path, tmp_path: Path) -> None:
    def status(spaces: int, value: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.settimeout(20)
            head = b"GET /path HTTP/1.1\r\nHost: x\r\na:" + b" " * spaces
            client.sendall(head + value + b"\r\n\r\n")
            return client.recv(12)

    with serving(service, cwd=tmp_path) as (_, address):
        port = int(address.rstrip("/").rpartition(":")[2])
        assert status(10_000, b"b  c ") == b"HTTP/1.1 200"
        assert status(10_000, b"") == b"HTTP/1.1 200"
        # It took a minute to see that this is no field.
        assert status(60_000, b"b\0").startswith(b"HTTP/1.1 4")


def test_a_second_signal_cuts_it_off(service: Path, tmp_path: Path) -> None:
    with serving(service, cwd=tmp_path) as (running, address):
        port = int(address.rstrip("/").rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as client:
            client.sendall(b"GET /late-trap HTTP/1.1\r\nHost: x\r\n\r\n")
            client.recv(100)
            client.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            running.process.send_signal(signal.SIGTERM)
            running.process.send_signal(signal.SIGTERM)
            assert running.finish()[0] == 143


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--addr", "nowhere"], "'nowhere' is no HOST:PORT"),
        (["--addr", "127.0.0.1:99999"], "'127.0.0.1:99999' is no HOST:PORT"),
        (["--addr", "[::g]:80"], "cannot listen at [::g]:80"),
        (["--size", "0"], "--size: 0 must be at least 1"),
        (["--fuel", "0"], "--fuel: 0 must be more than 0"),
        (["--timeout", "never"], "--timeout: "),
        (
            ["--env", "NO_SUCH_NAME", "--addr", "127.0.0.1:0"],
            "--env: there is no 'NO_SUCH_NAME'",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(
    airssys: Command, calculator: Path, options: list[str], words: str
) -> None:
    ran = airssys("serve", calculator, *options)

    assert (ran.status, ran.out) == (2, "")
    assert words in ran.err


def test_the_manifest_of_a_service_is_checked(
    airssys: Command, service: Path, calculator: Path, tmp_path: Path
) -> None:
    world = 'world = "wasi:http/proxy@0.2.0"'
    roomy = 'memory = "8MiB"'
    served = write_component(
        tmp_path, "acme/a", component=world, wasm=service, resources=roomy
    )
    other = write_component(
        tmp_path, "acme/b", component=world, code=calculator.read_text()
    )
    tree = tmp_path / "tree.toml"
    tree.write_text("[supervisor]\n[[child]]\nid = 'a'\ncomponent = 'acme-a'\n")

    ran = airssys("check", served)
    assert (ran.status, ran.out.splitlines()[-1]) == (0, f"{served}: no problems")
    ran = airssys("check", other)
    assert ran.status == 1
    assert "it does not export 'wasi:http/incoming-handler', as a service" in ran.out
    ran = airssys("check", tree)
    assert (ran.status, "it serves HTTP: airssys serve" in ran.out) == (1, True)
    ran = airssys("run", served)
    assert (ran.status, "it serves HTTP: airssys serve" in ran.err) == (2, True)


def test_a_component_that_serves_no_http_is_refused(
    airssys: Command, calculator: Path
) -> None:
    ran = airssys("serve", calculator, "--addr", "127.0.0.1:0")

    assert ran.status == 2
    assert "does not export 'wasi:http/incoming-handler'" in ran.err


def test_an_address_that_is_taken_is_refused(
    airssys: Command, calculator: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = airssys("serve", calculator, "--addr", f"127.0.0.1:{port}")

    assert ran.status == 2
    assert f"cannot listen at 127.0.0.1:{port}" in ran.err


def test_it_says_what_to_install_where_hypercorn_is_missing(
    airssys: Command, calculator: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    importlib.import_module("hypercorn")
    monkeypatch.setitem(sys.modules, "hypercorn.trio", None)
    ran = airssys("serve", calculator, "--addr", "127.0.0.1:0")

    assert ran.status == 2
    assert "pip install 'airssys[serve]'" in ran.err
