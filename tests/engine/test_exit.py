"""A guest ends itself through a host function, as a program does by ``exit``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from airssys.core.child import ChildSpec, Crashed, Normal, Restart
from airssys.core.errors import GuestExited, InstanceClosed, RestartsExhausted
from airssys.core.event import ChildExited
from airssys.core.restart import Intensity
from airssys.hostcalls.interface import HostInterface
from airssys.supervision.opening import open_supervisor
from airssys.testing import Recorder

from . import guests

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from airssys.hostcalls.call import Call

pytestmark = pytest.mark.guest

START = """(component
  (import "test:host/api" (instance $host
    (export "ask" (func (param "n" u32) (result u32)))))
  (core func $ask (canon lower (func $host "ask")))
  (core module $code
    (import "host" "ask" (func $ask (param i32) (result i32)))
    (func $start (drop (call $ask (i32.const 4)))) (start $start))
  (core instance (instantiate $code
    (with "host" (instance (export "ask" (func $ask)))))))"""


def exits() -> HostInterface:
    """Offer a function that ends its caller at once."""
    host = HostInterface("test:host/api")

    @host.function
    def ask(call: Call, status: int) -> int:
        raise GuestExited(call.component, status)

    return host


def exits_later() -> HostInterface:
    """Offer a function that ends its caller after a wait."""
    host = HostInterface("test:host/api")

    @host.function
    async def ask(call: Call, status: int) -> int:
        await anyio.lowlevel.checkpoint()
        raise GuestExited(call.component, status)

    return host


@pytest.mark.parametrize("offer", [exits, exits_later])
@pytest.mark.parametrize("export", ["run", "compute"])
@pytest.mark.parametrize("status", [0, 3, 255])
async def test_an_exit_ends_the_call_and_the_instance(
    make: Any, offer: Callable[[], HostInterface], export: str, status: int
) -> None:
    instance = await make(guests.asks_host(), [offer()])
    with pytest.raises(GuestExited) as exited:
        await instance.call(export, status)

    assert (exited.value.component, exited.value.status) == ("component", status)
    assert str(exited.value) == f"component 'component' exited with status {status}"
    assert not instance.alive
    with pytest.raises(InstanceClosed, match=f"'{export}' was cut off by GuestExited"):
        await instance.call("run", 1)


async def test_a_start_function_may_exit(make: Any) -> None:
    with pytest.raises(GuestExited) as exited:
        await make(START, [exits()])

    assert exited.value.status == 4


async def test_what_the_guest_held_is_destroyed(make: Any) -> None:
    dropped: list[object] = []
    host = HostInterface("test:host/things")

    class Thing:
        def drop(self) -> None:
            dropped.append(self)

    host.resource(Thing)
    host.function(lambda _call: Thing(), name="give")

    @host.function
    def leave(call: Call) -> None:
        raise GuestExited(call.component, 0)

    text = """(component
      (import "test:host/things" (instance $host
        (export "thing" (type $t (sub resource)))
        (export "give" (func (result (own $t)))) (export "leave" (func))))
      (core func $give (canon lower (func $host "give")))
      (core func $leave (canon lower (func $host "leave")))
      (core module $code
        (import "h" "give" (func $give (result i32)))
        (import "h" "leave" (func $leave))
        (func (export "run") (drop (call $give)) (drop (call $give)) (call $leave)))
      (core instance $c (instantiate $code (with "h" (instance
        (export "give" (func $give)) (export "leave" (func $leave))))))
      (func (export "run") (canon lift (core func $c "run"))))"""
    instance = await make(text, [host])
    with pytest.raises(GuestExited):
        await instance.call("run")

    assert len(dropped) == len(set(map(id, dropped))) == 2


# --- under a supervisor ---------------------------------------------------------------


@pytest.fixture
def program(make: Any) -> Callable[[int], Awaitable[None]]:
    """Run a guest that exits at once with a status."""

    async def run(status: int) -> None:
        with await make(guests.asks_host(), [exits()]) as instance:
            await instance.call("run", status)

    return run


@pytest.mark.parametrize(
    ("status", "how"), [(0, Normal()), (7, Crashed)], ids=["status 0", "status 7"]
)
async def test_for_a_supervisor_status_0_is_a_normal_end_and_any_other_a_crash(
    program: Any, status: int, how: Any
) -> None:
    recorder = Recorder()
    async with open_supervisor(instrument=recorder) as supervisor:
        spec = ChildSpec("a", program, (status,), restart=Restart.TEMPORARY)
        await supervisor.start(spec)
        with anyio.fail_after(5):
            while not recorder.of(ChildExited):  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.002)

    (ended,) = recorder.of(ChildExited)
    if how is Crashed:
        reason = "GuestExited: component 'component' exited with status 7"
        assert (ended.how, ended.reason, ended.status) == ("crash", reason, 7)
    else:
        assert (ended.how, ended.reason, ended.status) == ("normal", "", None)


async def test_a_transient_program_runs_again_until_it_exits_with_0(make: Any) -> None:
    statuses = [3, 1, 0]
    ran: list[int] = []
    done = anyio.Event()

    async def run() -> None:
        ran.append(statuses.pop(0))
        with await make(guests.asks_host(), [exits()]) as instance:
            try:
                await instance.call("run", ran[-1])
            finally:
                if not statuses:
                    done.set()

    async with open_supervisor(intensity=Intensity(5, 60.0)) as supervisor:
        await supervisor.start(ChildSpec("a", run, restart=Restart.TRANSIENT))
        with anyio.fail_after(5):
            await done.wait()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        (child,) = supervisor.children

    assert ran == [3, 1, 0]
    assert (child.restarts, child.last_exit) == (2, Normal())


async def test_a_program_that_fails_for_good_says_its_status(program: Any) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        async with open_supervisor(intensity=Intensity(1, 60.0)) as supervisor:
            spec = ChildSpec("a", program, (7,), restart=Restart.TRANSIENT)
            await supervisor.start(spec)
            await anyio.sleep(5)

    (exhausted,) = caught.value.exceptions
    assert isinstance(exhausted, RestartsExhausted)
    assert "exited with status 7" in str(exhausted)


async def test_an_exit_before_the_start_is_done_fails_the_start(program: Any) -> None:
    async def run(status: int, *, task_status: Any) -> None:
        await program(status)
        task_status.started()

    async with open_supervisor() as supervisor:
        spec = ChildSpec("a", run, (5,), restart=Restart.TEMPORARY)
        with pytest.raises(GuestExited, match="with status 5"):
            await supervisor.start(spec)
