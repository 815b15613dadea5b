from __future__ import annotations

import contextvars
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from airssys.core.errors import CapabilityDenied, GuestTrapped, InstanceClosed, WitError
from airssys.core.grants.capabilities import Custom
from airssys.core.grants.grants import Grants
from airssys.engine.resource import Resources
from airssys.hostcalls.call import Call
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostFunction, HostInterface

from . import guests

pytestmark = pytest.mark.guest


@pytest.fixture
def host() -> HostInterface:
    return HostInterface("test:host/api")


RESULTS = """(component
  (import "test:host/api" (instance $host
    (export "ask" (func (param "n" u32) (result (result u32 (error u32)))))))
  (core module $memory (memory (export "memory") 1))
  (core instance $m (instantiate $memory))
  (alias core export $m "memory" (core memory $mem))
  (core func $ask (canon lower (func $host "ask") (memory $mem)))
  (core module $code
    (import "host" "ask" (func $ask (param i32 i32)))
    (import "m" "memory" (memory 1))
    ;; Returns ok's value, or 1000 more than err's.
    (func (export "run") (param i32) (result i32)
      (call $ask (local.get 0) (i32.const 8))
      (i32.add (i32.mul (i32.load8_u (i32.const 8)) (i32.const 1000))
        (i32.load (i32.const 12))))
    ;; Passes the host's result on.
    (func (export "pass-on") (param i32) (result i32)
      (call $ask (local.get 0) (i32.const 8)) (i32.const 8)))
  (core instance $c (instantiate $code
    (with "host" (instance (export "ask" (func $ask)))) (with "m" (instance $m))))
  (func (export "run") (param "n" u32) (result u32) (canon lift (core func $c "run")))
  (func (export "pass-on") (param "n" u32) (result (result u32 (error u32)))
    (canon lift (core func $c "pass-on") (memory $mem))))"""


async def test_a_host_function_may_be_def_or_async_def(
    make: Any, host: HostInterface
) -> None:
    @host.function
    def ask(_call: Call, n: int) -> int:
        return n + 1

    with await make(guests.asks_host(), [host]) as instance:
        assert await instance.call("run", 4) == 5

    other = HostInterface("test:host/api")

    @other.function(name="ask")
    async def slow(_call: Call, n: int) -> int:
        await anyio.sleep(0.001)
        return n + 2

    with await make(guests.asks_host(), [other]) as instance:
        assert await instance.call("run", 4) == 6
        assert instance.usage.host_calls == 1


async def test_it_runs_in_the_callers_task_and_sees_its_context_variables(
    make: Any, host: HostInterface
) -> None:
    variable = contextvars.ContextVar("variable", default="unset")
    seen = []

    @host.function
    async def ask(_call: Call, n: int) -> int:
        await anyio.lowlevel.checkpoint()
        seen.append((anyio.get_current_task().id, variable.get()))
        variable.set(f"set by {n}")
        return n

    with await make(guests.asks_host(), [host]) as instance:
        variable.set("set by the caller")
        await instance.call("compute", 1)
        await instance.call("run", 2)

    task = anyio.get_current_task().id
    assert seen == [(task, "set by the caller"), (task, "set by 1")]
    assert variable.get() == "set by 2"


@pytest.mark.parametrize(
    "error",
    [KeyError("k"), KeyboardInterrupt(), SystemExit(3), BaseException("b")],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("export", ["run", "compute"])
async def test_what_it_raises_leaves_the_call_unchanged_and_ends_the_instance(
    make: Any, host: HostInterface, error: BaseException, export: str
) -> None:
    @host.function
    async def ask(_call: Call, _n: int) -> int:
        await anyio.lowlevel.checkpoint()
        raise error

    instance = await make(guests.asks_host(), [host])
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - compared below
        await instance.call(export, 1)

    assert raised.value is error
    with pytest.raises(InstanceClosed, match=f"cut off by {type(error).__name__}"):
        await instance.call("run", 1)


async def test_what_it_raises_during_a_start_function_leaves_instantiate(
    make: Any, host: HostInterface
) -> None:
    text = """(component
      (import "test:host/api" (instance $host (export "ask" (func))))
      (core func $ask (canon lower (func $host "ask")))
      (core module $code (import "host" "ask" (func $ask)) (start $ask))
      (core instance (instantiate $code
        (with "host" (instance (export "ask" (func $ask)))))))"""
    error = LookupError("not there")

    @host.function
    def ask(_call: Call) -> None:
        raise error

    with pytest.raises(LookupError) as raised:
        await make(text, [host])

    assert raised.value is error


async def test_its_result_is_the_guests_ok_and_its_wit_error_the_guests_err(
    make: Any, host: HostInterface
) -> None:
    @host.function
    def ask(_call: Call, n: int) -> int:
        if n > 5:
            raise WitError(n)
        return n * 2

    with await make(RESULTS, [host]) as instance:
        assert await instance.call("run", 3) == 6
        assert await instance.call("run", 7) == 1007
        assert await instance.call("pass-on", 4) == 8
        with pytest.raises(WitError) as raised:
            await instance.call("pass-on", 9)

        assert raised.value.value == 9
        assert instance.alive


async def test_a_wit_error_surfaces_where_wit_has_no_result(
    make: Any, host: HostInterface
) -> None:
    error = WitError("no place for this")

    @host.function
    def ask(_call: Call, _n: int) -> int:
        raise error

    instance = await make(guests.asks_host(), [host])
    with pytest.raises(WitError) as raised:
        await instance.call("run", 1)

    assert raised.value is error
    assert not instance.alive


async def test_a_function_without_result_may_return_anything(
    make: Any, host: HostInterface
) -> None:
    text = """(component
      (import "test:host/api" (instance $host (export "ask" (func))))
      (core func $ask (canon lower (func $host "ask")))
      (func (export "run") (canon lift (core func $ask))))"""
    host.function(lambda _call: "ignored", name="ask")
    with await make(text, [host]) as instance:
        assert await instance.call("run") is None


# --- who calls, and may they? -----------------------------------------------------


async def test_the_call_says_who_calls_what_with_which_grants(
    compile_: Any, host: HostInterface
) -> None:
    calls = []

    @host.function
    def ask(call: Call, n: int) -> int:
        calls.append(call)
        return n

    grants = Grants(custom={"acme:kv/store": ["a"]})
    component = await compile_(guests.asks_host())
    options = {"grants": grants, "actor": "acme/worker#2"}
    with await component.instantiate([host], **options) as instance:
        await instance.call("run", 1)
    with await component.instantiate([host]) as instance:
        await instance.call("run", 1)

    name = "test:host/api#ask"
    assert [(c.component, c.actor, c.function, c.grants) for c in calls] == [
        ("component", "acme/worker#2", name, grants),
        ("component", "", name, Grants()),
    ]
    assert [call.who for call in calls] == ["acme/worker#2", "component"]
    assert [(call.budget, call.correlation) for call in calls] == [(None, "")] * 2


async def test_what_a_host_function_needs_must_be_granted(
    make: Any, host: HostInterface
) -> None:
    reached = []

    @host.function(needs=lambda n: Custom("acme:kv/store", f"key-{n}") if n else None)
    async def ask(_call: Call, n: int) -> int:
        reached.append(n)
        return n

    text = guests.asks_host()
    grants = Grants(custom={"acme:kv/store": ["key-1*"]})
    with await make(text, [host], grants=grants) as instance:
        assert await instance.call("run", 12) == 12
        assert await instance.call("run", 0) == 0
        with pytest.raises(CapabilityDenied) as denied:
            await instance.call("run", 22)
        assert not instance.alive
    for actor in ("", "acme/worker"):
        instance = await make(text, [host], actor=actor)
        with pytest.raises(CapabilityDenied) as bare:
            await instance.call("run", 12)
        assert bare.value.component == (actor or "component")

    assert reached == [12, 0]
    assert str(denied.value) == (
        "component 'component' may not use 'acme:kv/store' on 'key-22': "
        "no grant covers it (granted: use 'acme:kv/store' on 'key-1*')"
    )


async def test_a_guard_stands_between_the_guest_and_the_function(
    make: Any, host: HostInterface
) -> None:
    seen = []

    @host.function
    async def ask(_call: Call, n: int) -> int:
        return n

    async def guard(function: HostFunction, call: Call, args: Any) -> Any:
        seen.append((function.name, call.function, args))
        result: Any = Gate()(function, call, args)
        return await result + 1

    with await make(guests.asks_host(), [host], guard=guard) as instance:
        assert await instance.call("run", 4) == 5

    assert seen == [("ask", "test:host/api#ask", [4])]


async def test_a_host_function_may_call_another_instance(
    make: Any, host: HostInterface
) -> None:
    inner = await make(guests.COUNT)

    @host.function
    async def ask(_call: Call, n: int) -> Any:
        return await inner.call("count", n) + n

    with await make(guests.asks_host(), [host]) as instance, inner:
        assert await instance.call("run", 500_000) == 500_007
        assert await instance.call("compute", 1) == 8


async def test_a_trap_of_an_inner_instance_surfaces_through_the_outer(
    make: Any, host: HostInterface
) -> None:
    inner = await make(
        guests.code('(func (export "run") unreachable)', "run"),
    )

    @host.function
    async def ask(_call: Call, _n: int) -> None:
        await inner.call("run")

    outer = await make(guests.asks_host(), [host])
    with pytest.raises(GuestTrapped) as raised:
        await outer.call("run", 1)

    assert raised.value.kind == "unreachable"
    assert not inner.alive
    assert not outer.alive


# --- inside the callbacks that C calls --------------------------------------------


@pytest.mark.parametrize(
    "error",
    [ValueError("v"), KeyboardInterrupt(), MemoryError(), BaseException("b")],
    ids=lambda error: type(error).__name__,
)
@pytest.mark.parametrize("export", ["run", "compute"])
async def test_a_problem_inside_a_callback_surfaces_and_ends_the_instance(
    make: Any,
    host: HostInterface,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    export: str,
) -> None:
    host.function(lambda _call, n: n, name="ask")
    instance = await make(guests.asks_host(), [host])

    def lift(_host: object, _index: int, _arguments: int) -> list[object]:
        raise error

    monkeypatch.setattr(Resources, "lift", lift)
    with pytest.raises(BaseException) as raised:  # noqa: PT011 - compared below
        await instance.call(export, 1)

    assert raised.value is error
    assert not instance.alive
    monkeypatch.undo()
    with await make(guests.asks_host(), [host]) as another:
        assert await another.call(export, 2) == 2


def in_new_process(text: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Run a program that would take the tests down with it if it crashed."""
    root = Path(__file__).parents[2]
    head = """
        import ctypes, gc, os, signal, sys, threading, time, anyio
        from airssys.hostcalls.interface import HostInterface
        from airssys.engine.component import Engine
        from airssys.engine.fiber import Slicing
        from airssys.engine.resource import Resources
        from tests.engine import guests

        host = HostInterface("test:host/api")
        ask = host.function(name="ask")
        engine = Engine(cache=False)
    """
    return subprocess.run(
        [
            *(sys.executable, "-X", "faulthandler", "-c"),
            textwrap.dedent(head) + textwrap.dedent(text),
            *args,
        ],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize("place", ["body", "lift"])
def test_no_exception_of_a_host_function_ends_the_process(
    backend: str, place: str
) -> None:
    done = in_new_process(
        """
        backend, place = sys.argv[1:]
        kinds = (KeyboardInterrupt, SystemExit, GeneratorExit, MemoryError)

        def fail(*_):
            raise error

        ask(fail if place == "body" else lambda call, n: n)
        if place == "lift":
            Resources.lift = fail

        async def main():
            global error
            component = await engine.compile(guests.asks_host())
            for error in [kind("sentinel") for kind in kinds]:
                for export in ("run", "compute"):
                    instance = await component.instantiate([host])
                    try:
                        await instance.call(export, 1)
                    except BaseException as raised:
                        assert raised is error, raised
                        print("same")

        anyio.run(main, backend=backend)
        """,
        *(backend, place),
    )

    assert (done.returncode, done.stdout.split()) == (0, ["same"] * 8), done.stderr
    assert Resources.lift.__module__ == "airssys.engine.resource"


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
@pytest.mark.parametrize("delay", ["0.05", "0.08"])
@pytest.mark.skipif(sys.platform == "win32", reason="os.kill ends a Windows process")
def test_ctrl_c_while_a_guest_computes_is_an_ordinary_keyboard_interrupt(
    backend: str, delay: str
) -> None:
    # The signal arrives in a slice on the main thread, and Python handles it at the
    # first chance: in the callback of the host call that ends the slice.
    done = in_new_process(
        """
        ask(lambda call, n: n)
        engine = Engine(cache=False, slicing=Slicing(inline=10**9))

        def interrupt():
            time.sleep(float(sys.argv[2]))
            os.kill(os.getpid(), signal.SIGINT)

        async def main():
            component = await engine.compile(guests.asks_host())
            instance = await component.instantiate([host])
            threading.Thread(target=interrupt).start()
            while True:
                await instance.call("compute", 1)

        try:
            anyio.run(main, backend=sys.argv[1])
        except KeyboardInterrupt:
            print("interrupted")
        """,
        *(backend, delay),
    )

    assert (done.returncode, done.stdout) == (0, "interrupted\n"), done.stderr
    assert signal.getsignal(signal.SIGINT) is not None


@pytest.mark.once
def test_a_call_that_is_garbage_together_with_its_instance_is_cleaned_up() -> None:
    done = in_new_process(
        """
        @ask
        async def wait(call, n):
            await anyio.lowlevel.checkpoint()
            await anyio.sleep_forever()

        class Knot:
            pass

        async def main():
            component = await engine.compile(guests.asks_host())
            for _ in range(100):
                knot = Knot()
                knot.knot, knot.instance = knot, await component.instantiate([host])
                knot.call = knot.instance.call("run", 1)
                while not knot.instance.usage.host_calls:
                    knot.call.send(None)
                del knot
                gc.collect()
            print(engine.ceiling.live)

        anyio.run(main, backend="asyncio")
        """,
    )

    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


@pytest.mark.once
def test_a_recursion_error_anywhere_near_a_callback_ends_no_process() -> None:
    done = in_new_process(
        """
        @ask
        async def answer(call, n):
            return n

        async def down(component):
            instance = await component.instantiate([host])
            try:
                await instance.call("run", 1)
                await down(component)
            finally:
                instance.close()

        async def main():
            component = await engine.compile(guests.asks_host())
            for limit in range(300, 360):
                sys.setrecursionlimit(limit)
                try:
                    await down(component)
                except (RecursionError, ctypes.ArgumentError):
                    pass  # 3.11 puts the one into the other
            sys.setrecursionlimit(1000)
            print("done")

        anyio.run(main, backend="asyncio")
        """,
    )

    assert (done.returncode, done.stdout) == (0, "done\n"), done.stderr
