from __future__ import annotations

import runpy
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pytest
import wasmtime
from wasmtime.component import Variant

HERE = Path(__file__).parent
EXAMPLES = HERE.parent.parent / "examples"
QUICKSTART = EXAMPLES / "quickstart"
BUILT_WITH = runpy.run_path(str(EXAMPLES / "guest_c" / "build.py"))["BUILT_WITH"]
IN_C = [HERE / "lifecycle.c", QUICKSTART / "tally" / "tally.c"]

pytestmark = pytest.mark.guest


@pytest.fixture
def lifecycle(plain_host: Any) -> Any:
    host = plain_host(HERE / "lifecycle.wasm", {"key": "value"})
    assert host.start() is None
    return host


def asked(host: Any, function: str) -> list[Any]:
    return [args for name, *args in host.heard if name == function]


def name_of(actor: Any) -> str:
    return f"{actor.namespace}/{actor.name}#{actor.instance}"


@pytest.mark.parametrize(
    ("payload", "answer"),
    [
        (b"echo \x00\xff any bytes", b"\x00\xff any bytes"),
        ("quiet", None),
        ("note x", None),
        ("count", b"0"),
        ("burn 1000", b"ok"),
        ("who", b"test/sender"),
        ("asked", b"no"),
        ("log hello", None),
        ("time", b"12345"),
        ("now", b"12.34"),
        ("sleep 20", b"ok"),
        ("random 4", b"\x00\x01\x02\x03"),
        ("config key", b"value"),
        ("config other", b"error: no such key"),
        ("list", b"test/one\ntest/two\n"),
        ("about a/b#c", b"error not-found: there is none"),
        ("self", b"test/self"),
        ("send acme/worker#2 some bytes", b"ok"),
        ("ask worker what", b"the answer"),
        ("later worker what", b"request-1"),
        ("cancel request-1", b"true"),
        ("broadcast a,b/c#1 hello", b"ok\nerror denied: not you\n"),
        ("publish orders.created x", b"ok"),
        ("subscribe orders.#", b"ok"),
        ("unsubscribe orders.#", b"ok"),
        ("got", b""),
        ("heard", b"0 "),
    ],
)
def test_the_lifecycle_guest_does_what_it_is_told(
    lifecycle: Any, payload: bytes | str, answer: bytes | None
) -> None:
    assert lifecycle.tell(payload) == answer
    assert lifecycle.execute(payload) in (
        (answer or b""),
        b"test/caller" if payload == "who" else b"1",
    )


def test_the_lifecycle_guest_passes_ids_and_payloads_on(lifecycle: Any) -> None:
    lifecycle.tell("send acme/worker#2 some bytes")
    lifecycle.tell("ask worker what")
    lifecycle.tell("broadcast a,b/c#1 hello")

    (target, payload), *_ = asked(lifecycle, "send")
    assert (name_of(target), payload) == ("acme/worker#2", b"some bytes")
    (target, payload, timeout), *_ = asked(lifecycle, "request")
    assert (name_of(target), payload, timeout) == ("/worker#", b"what", 1000)
    (targets, payload), *_ = asked(lifecycle, "broadcast")
    assert ([*map(name_of, targets)], payload) == (["/a#", "b/c#1"], b"hello")


def test_the_lifecycle_guest_keeps_what_it_was_told(lifecycle: Any) -> None:
    lifecycle.tell("note one")
    lifecycle.tell("note two")
    lifecycle.tell("anything", topic="orders.created")
    lifecycle.call("handle-callback", "request-7", b"late")

    assert lifecycle.tell("notes") == b"one\ntwo\n"
    assert lifecycle.tell("heard") == b"1 orders.created anything"
    assert lifecycle.tell("got") == b"request-7 ok late"
    lifecycle.call("handle-callback", "request-8", "too late")
    assert lifecycle.tell("got") == b"request-8 err too late"
    assert lifecycle.tell("count") == b"6"


def test_the_lifecycle_guest_reports_errors_and_health(lifecycle: Any) -> None:
    lifecycle.answers["request"] = Variant("cycle", "a -> b -> a")

    assert lifecycle.tell("ask a x") == b"error cycle: a -> b -> a"
    assert lifecycle.tell("err no") == Variant("internal-error", "no")
    assert lifecycle.tell("what") == Variant("internal-error", "unknown verb: what")
    assert lifecycle.execute("err no") == Variant("processing-failed", "no")
    assert lifecycle.execute("what") == Variant("invalid-input", "unknown verb: what")
    assert lifecycle.execute("request") == b"r1 250"
    assert lifecycle.call("health") == Variant("healthy")
    lifecycle.tell("sick of it")
    assert lifecycle.call("health") == Variant("unhealthy", "of it")
    assert lifecycle.call("metadata").name == "lifecycle"


def test_the_lifecycle_guest_grows_its_memory(lifecycle: Any) -> None:
    before = int(lifecycle.tell("pages"))

    assert lifecycle.tell("grow 3") == str(before).encode()
    assert lifecycle.tell("pages") == str(before + 3).encode()
    assert lifecycle.tell("grow 100000") == b"error: no memory"
    big = bytes(100_000)
    assert lifecycle.tell(b"echo " + big) == big
    pages = lifecycle.tell("pages")
    for _ in range(3):
        lifecycle.tell(b"echo " + big)
    assert lifecycle.tell("pages") == pages


@pytest.mark.parametrize(
    ("payload", "words"),
    [
        ("trap", "unreachable"),
        ("oob", "out of bounds memory access"),
        ("divide", "integer divide by zero"),
        ("deep", "call stack exhausted"),
        ("spin", "all fuel consumed"),
    ],
)
def test_the_lifecycle_guest_traps_on_demand(
    lifecycle: Any, payload: str, words: str
) -> None:
    lifecycle.store.set_fuel(10_000_000)

    with pytest.raises(wasmtime.WasmtimeError, match=words):
        lifecycle.tell(payload)


def test_the_lifecycle_guest_fails_where_its_config_says_so(plain_host: Any) -> None:
    source = HERE / "lifecycle.wasm"

    failing = plain_host(source, {"fail": "no key"})
    assert failing.start() == Variant("configuration-invalid", "no key")
    rude = plain_host(source, {"bad-shutdown": "err", "farewell": "boss"})
    assert rude.start() is None
    assert rude.call("shutdown") == Variant("internal-error", "bad-shutdown")
    assert asked(rude, "send")[0][1] == b"note farewell"
    trapping = plain_host(source, {"bad-shutdown": "trap"})
    assert trapping.start() is None
    with pytest.raises(wasmtime.WasmtimeError, match="unreachable"):
        trapping.call("shutdown")


def test_the_counter_counts_in_steps(plain_host: Any) -> None:
    counter = plain_host(QUICKSTART / "counter" / "counter.wat", {"step": "7"})

    assert counter.start() is None
    assert [counter.tell(word) for word in ("inc", "inc", "get")] == [None, None, b"14"]
    assert counter.execute("get") == b"14"
    wrong = Variant("internal-error", "counter understands inc and get")
    assert counter.tell("incr") == counter.tell("put") == wrong
    assert counter.call("health") == Variant("healthy")
    assert counter.call("metadata").name == "counter"
    assert counter.call("shutdown") is None


def test_the_counter_refuses_a_step_that_is_no_number(plain_host: Any) -> None:
    counter = plain_host(QUICKSTART / "counter" / "counter.wat", {"step": "7x"})

    refused = Variant("configuration-invalid", "step must be a decimal number")
    assert counter.start() == refused


def test_the_tally_asks_the_counter_and_publishes_a_summary(plain_host: Any) -> None:
    tally = plain_host(QUICKSTART / "tally" / "tally.wasm", {"counter": "shop/c#2"})

    assert tally.start() is None
    assert tally.tell("summary") == b"no orders yet"
    assert tally.tell(b"...", topic="orders.created") is None

    line = b"orders 1, counter the answer, last orders.created"
    assert tally.tell("summary") == line
    assert asked(tally, "subscribe") == [["orders.#"]]
    assert asked(tally, "publish") == [["tally.summary", line]]
    assert name_of(asked(tally, "send")[0][0]) == "shop/c#2"
    tally.answers["request"] = Variant("stopped", "it trapped")
    tally.tell(b"...", topic="orders.paid")
    assert tally.tell("summary") == b"orders 2, counter unknown, last orders.paid"


@pytest.mark.parametrize(
    ("name", "word", "trap"),
    [("trapper", "trap", "unreachable"), ("spinner", "spin", "all fuel consumed")],
)
def test_the_bad_ones_are_good_until_they_are_told(
    plain_host: Any, name: str, word: str, trap: str
) -> None:
    guest = plain_host(QUICKSTART / name / f"{name}.wat")

    assert guest.start() is None
    assert guest.tell("hello") == guest.tell("no" + word[2:]) == guest.execute("x")
    assert guest.call("health") == Variant("healthy")
    assert guest.call("shutdown") is None
    guest.store.set_fuel(1_000_000)
    with pytest.raises(wasmtime.WasmtimeError, match=trap):
        guest.tell(word)


@pytest.mark.slow
@pytest.mark.parametrize("source", IN_C, ids=lambda source: source.stem)
def test_what_is_shipped_is_what_the_source_builds(
    source: Path, tmp_path: Path
) -> None:
    build = EXAMPLES / "guest_c" / "build.py"
    try:
        found = {package: version(package) for package in BUILT_WITH}
    except PackageNotFoundError as missing:
        pytest.skip(f"needs the extra 'guests': {missing.name} is not installed")
    if found != BUILT_WITH:
        pytest.skip(f"shipped with {BUILT_WITH}, installed is {found}")
    built = tmp_path / "built.wasm"

    subprocess.run([sys.executable, build, source, built], check=True)

    assert built.read_bytes() == source.with_suffix(".wasm").read_bytes()
