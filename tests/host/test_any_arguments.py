"""Whatever a guest passes to a function of the host's is answered, or refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import pytest
from anyio.from_thread import start_blocking_portal
from attrs import define, field, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airssys.actors.registry import Registry
from airssys.core.budget import Budget
from airssys.core.errors import QuotaExceeded, WitError
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import (
    MessagingGrants,
    NetworkGrants,
    ProcessGrants,
    StorageGrants,
)
from airssys.core.limits import Quota
from airssys.host.network import FixedResolver
from airssys.host.offered import Facilities, open_interfaces
from airssys.hostcalls.call import Standing
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostFunction, HostInterface, HostResource
from airssys.testing import Recorder
from airssys.witmodel.parse import parse_world
from airssys.witmodel.types import (
    Borrow,
    FuncType,
    InstanceType,
    List,
    Own,
    Result,
    Scalar,
    Tuple,
    Variant,
    WitType,
)

from ..engine.made import values
from ..fuzz.made import SCALARS
from ..relay import Relay, relay
from .process.guest import SLEEP

pytestmark = pytest.mark.guest

PACKAGES: Final = ("airssys:core/", "airssys:ext-network/", "airssys:ext-process/")
"""Whose functions are tried."""
OWN: Final = "component:self"
ALL: Final = Grants(
    messaging=MessagingGrants(
        send=["**"], request=["**"], publish=["#"], subscribe=["#"], receive=["**"]
    ),
    network=NetworkGrants(
        outbound=["127.0.0.1:9", "[::1]:9", "*.example.com:9"],
        inbound=["*"],
        resolve=["*.example.com", "127.0.0.0/8"],
    ),
    process=ProcessGrants(spawn=[SLEEP], signal=["own"]),
    storage=StorageGrants(
        read=[f"{OWN}/**"], write=[f"{OWN}/**"], delete=[f"{OWN}/**"]
    ),
)
TEXTS: Final = st.sampled_from(
    (
        *("", ".", "..", "/", "a", "a/b", "a/../b", "a//b", "\0", "\n", "*", "**", "#"),
        *("127.0.0.1", "::1", "fe80::1%lo", "0x7f.1", "peer.example.com", "a" * 64),
        *("bücher.example.com", "xn--", "xn--a.example.com", "。", "ß.example.com."),
        *("\N{KELVIN SIGN}.example.com", "\N{ZERO WIDTH JOINER}", "\ufdfa" * 80),
        *(
            "a." * 127,
            "." * 5000,
            "a" * 5000,
            OWN,
            f"{OWN}/a",
            "orders.new",
            "orders.#",
        ),
        *(SLEEP, "/bin/../bin/sleep", "/", "60", "LD_PRELOAD", "SIGTERM", "rtmin"),
        *("acme", "b", "read", "outbound", "peer.example.com:9", "acme:kv/store"),
    )
)
BYTES: Final = st.binary(max_size=9) | st.sampled_from((b"", b"\xff" * 70_000))


@frozen
class Handle:
    """Stands for a resource: one of those that there are."""

    resource: str
    index: int


def arguments(type_: WitType) -> st.SearchStrategy[Any]:
    return values(type_, _leaf, lambda each: st.lists(each, max_size=3))


def _leaf(type_: WitType) -> st.SearchStrategy[Any] | None:
    match type_:
        case Scalar("string"):
            return TEXTS | SCALARS["string"]
        case Scalar("u8" | "u16" | "u32" | "u64" as name):
            most = 2 ** int(name[1:]) - 1
            return st.sampled_from((0, 1, 9, most // 2, most)) | SCALARS[name]
        case Scalar(name):
            return SCALARS[name]
        case List(Scalar("u8")):
            return BYTES
        case Tuple((Scalar("u8"), *_)):
            return st.sampled_from(((127, 0, 0, 1), (0, 0, 0, 0), (224, 0, 0, 1)))
        case Tuple((Scalar("u16"), *_)):
            return st.sampled_from(((0,) * 7 + (1,), (0,) * 5 + (0xFFFF, 0x7F00, 1)))
        case Own(resource) | Borrow(resource):
            return st.builds(Handle, st.just(resource.name), st.integers(0, 9))
        case _:
            return None


@define(eq=False)
class World:
    """A host with all that it offers, and a guest that tries it."""

    offered: Sequence[HostInterface]
    gate: Gate
    recorder: Recorder
    functions: dict[str, tuple[HostFunction, FuncType]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.functions = {
            f"{each.name}#{name}": (function, _type(each, name, self.offered))
            for each in self.offered
            for name, function in each.functions.items()
        }

    def steps(self) -> st.SearchStrategy[list[tuple[str, tuple[Any, ...]]]]:
        """Make up calls, one after the other."""
        calls = [
            st.tuples(
                st.just(name), st.tuples(*(arguments(t) for _, t in type_.params))
            )
            for name, (_, type_) in self.functions.items()
        ]
        return st.lists(st.one_of(calls), min_size=8, max_size=30)

    async def play(
        self,
        steps: list[tuple[str, tuple[Any, ...]]],
        granted: bool,  # noqa: FBT001 - drawn
    ) -> None:
        """Run a guest that makes these calls, with all grants or, of a sudden, none."""
        standing = Standing(ALL, Budget("acme/a", Quota(handles=20, storage=100_000)))
        async with relay(
            self.offered,
            grants=standing,
            guard=self.gate,
            recorder=self.recorder,
            actor="acme/a",
        ) as guest:
            held = [each for one in await _some(guest) for each in self.made(one)]
            if not granted:
                standing.grants = Grants()
            for name, args in steps:
                if not await self.step(guest, held, name, args, granted=granted):
                    break
            for each in held:
                resource = self.resource(each)
                assert resource is not None
                assert resource.drop is not None
                resource.drop(each)
        assert standing.budget is not None
        assert standing.budget.stores["handles"][0].used == 0

    def resource(self, held: object) -> HostResource | None:
        """Return the host's resource that a value is an object of; None: of none."""
        resources = (one for each in self.offered for one in each.resources.values())
        return next((one for one in resources if isinstance(held, one.made)), None)

    def kind(self, held: object) -> str:
        """Return the WIT name of a resource."""
        resource = self.resource(held)
        assert resource is not None
        return resource.name

    def made(self, found: object) -> list[Any]:
        """Return the resource in what a function returned."""
        found = found.value if isinstance(found, Variant) else found
        return [] if self.resource(found) is None else [found]

    async def step(
        self,
        guest: Relay,
        held: list[Any],
        name: str,
        args: tuple[Any, ...],
        *,
        granted: bool,
    ) -> bool:
        """Make a call, and tell whether the guest may make another."""
        function, type_ = self.functions[name]
        given, taken = [], []
        for arg, (_, param) in zip(args, type_.params, strict=True):
            one = arg
            if isinstance(arg, Handle):
                fitting = [each for each in held if self.kind(each) == arg.resource]
                if not fitting:
                    return True
                one = fitting[arg.index % len(fitting)]
                if isinstance(param, Own):
                    taken.append(one)
            given.append(one)
        self.recorder.events.clear()
        failed: WitError | None = None
        with anyio.move_on_after(0.02) as limit:
            try:
                found = await guest(name, *given)
            except WitError as error:
                assert isinstance(type_.result, Result), name
                failed = error
            except QuotaExceeded:
                assert name.endswith("#random-bytes")
                return False
            else:
                held += self.made(found)
        for one in taken:
            held.remove(one)
        if limit.cancelled_caught:
            return False
        nothing = [] in args or function.needed.startswith("nothing")
        if not granted and not nothing:
            if isinstance(type_.result, List):  # one answer to each
                assert len(guest.denied) == len(args[0])
            else:
                assert failed is not None, name
                assert len(guest.denied) == 1, (name, guest.denied)
        return True


def _type(own: HostInterface, name: str, offered: Sequence[HostInterface]) -> FuncType:
    declared = "".join(f"resource {each};" for one in offered for each in one.resources)
    function = f"f: {own.functions[name].wit};"
    text = f"world w {{ import a:b/c: interface {{ {declared} {function} }} }}"
    extern = parse_world(text).imports["a:b/c"]
    assert isinstance(extern, InstanceType)
    ((_, type_),) = extern.functions()
    return type_


async def _some(guest: Relay) -> list[Any]:
    """Have the guest make some resources to begin with."""
    made = [
        await guest("socket#create-socket", family, kind, kind[:3])
        for family in ("ipv4", "ipv6")
        for kind in ("tcp-stream", "udp-datagram")
    ]
    made.append(await guest("connection#create-pool", 2, 10))
    child = await guest("lifecycle#spawn-with-environment", SLEEP, ["60"], [])
    made += (child, await guest("signals#on-status-change", child))
    return made


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    recorder = Recorder()
    gate = Gate(recorder)
    registry = Registry()
    registry.register("acme/a", standing=Standing(ALL), config={"step": "2"})
    registry.register("acme/b", capacity=2)
    names = FixedResolver({"peer.example.com": ["::1", "127.0.0.1", "127.0.0.2"]})
    facilities = Facilities(resolver=names, longest_wait=0.01)
    async with open_interfaces(registry, gate, facilities) as offered:
        chosen = [each for each in offered if each.name.startswith(PACKAGES)]
        yield World(chosen, gate, recorder)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_whatever_is_passed_is_answered_or_refused(backend: str) -> None:
    with (
        start_blocking_portal(backend) as portal,
        portal.wrap_async_context_manager(world()) as made,
    ):

        @settings(
            database=None,
            deadline=None,
            max_examples=25,
            suppress_health_check=list(HealthCheck),
        )
        @given(made.steps(), st.booleans())
        def run(
            steps: list[tuple[str, tuple[Any, ...]]],
            granted: bool,  # noqa: FBT001 - drawn
        ) -> None:
            portal.call(made.play, steps, granted)

        run()
