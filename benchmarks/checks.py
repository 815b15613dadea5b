"""What the rules cost: a capability check, the whole gate, and reading a manifest."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter, time
from typing import Final

from attrs import evolve

from airssys.audit import AuditLog, open_audit
from airssys.core.budget import Budget
from airssys.core.errors import WitError
from airssys.core.grants.capabilities import (
    Capability,
    Custom,
    Filesystem,
    Messaging,
    Network,
    Process,
    Storage,
)
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import (
    FilesystemGrants,
    MessagingGrants,
    NetworkGrants,
    ProcessGrants,
    StorageGrants,
)
from airssys.core.limits import Quota
from airssys.core.manifests.manifest import parse_manifest
from airssys.hostcalls.call import Call, Standing
from airssys.hostcalls.gate import Gate
from airssys.hostcalls.interface import HostInterface

from .measure import BACKENDS, Effort, Goal, Row, Timed, blocking, compare, run_on

__all__ = ("rows",)

MANIFEST = Path(__file__).parent.parent / "examples/quickstart/counter/Component.toml"

GRANTS: Final = Grants(
    filesystem=FilesystemGrants(
        read=("/srv/img/**", "/srv/{a,b}/*.png"), write=("/srv/out/*",)
    ),
    network=NetworkGrants(
        outbound=(
            "api.example.com:443",
            "*.example.org:443",
            "0.0.0.0/0:443",
            "10.0.0.0/8:8000-8099",
            "[2001:db8::/32]:443",
        ),
        inbound=(8080, "9000-9099"),
        resolve=("*.example.com",),
    ),
    storage=StorageGrants(read=("component:self/**",)),
    messaging=MessagingGrants(
        send=("acme/**", "tools/*", "billing"), subscribe=("orders.#",)
    ),
    process=ProcessGrants(spawn=("/usr/bin/git", "/usr/lib/tools/*")),
    custom={"acme:kv/store": ("bucket-a", "shared/**")},
)
FORBIDDEN: Final = Grants(
    filesystem=FilesystemGrants(read=("/srv/img/secret/**",)),
    network=NetworkGrants(
        outbound=("evil.example.org:*", "169.254.0.0/16:*"),
        inbound=(9001,),
        resolve=("evil.example.com",),
    ),
    storage=StorageGrants(read=("component:self/secret/**",)),
    messaging=MessagingGrants(send=("acme/secret",), subscribe=("orders.secret",)),
    process=ProcessGrants(spawn=("/usr/lib/tools/sh",)),
    custom={"acme:kv/store": ("shared/secret",)},
)
SECTIONS: Final = (
    "filesystem",
    "network",
    "storage",
    "messaging",
    "process",
    "custom",
)
FULL: Final = evolve(
    GRANTS.forbidding(FORBIDDEN), expires=dict.fromkeys(SECTIONS, 4_102_444_800.0)
)
"""Some things forbidden, and everything with an end, in 2100."""

ALLOWED: Final[dict[str, Callable[[], Capability]]] = {
    "a path": lambda: Filesystem("read", "/srv/img/2026/11/a.png"),
    "a host": lambda: Network("outbound", "cdn.example.org:443"),
    "an address": lambda: Network("outbound", "10.1.2.3:8000"),
    "an IPv6 address": lambda: Network("outbound", "[2001:db8::7]:443"),
    "a port": lambda: Network("inbound", "9042"),
    "a name to resolve": lambda: Network("resolve", "www.example.com"),
    "a key": lambda: Storage("read", "component:self/a/b"),
    "an actor": lambda: Messaging("send", "tools/resize"),
    "a subscription": lambda: Messaging("subscribe", "orders.*.new"),
    "a program": lambda: Process("spawn", "/usr/bin/git"),
    "a word of an extension": lambda: Custom("acme:kv/store", "shared/a/b"),
}
SEEN: Final = 5_000
"""Different things to ask for: more than any check remembers."""
NEW: Final[dict[str, Callable[[int], Capability]]] = {
    "a path": lambda at: Filesystem("read", f"/srv/img/{at}/a.png"),
    "a host": lambda at: Network("outbound", f"cdn-{at}.example.org:443"),
    "an address": lambda at: Network("outbound", f"10.{at // 250}.{at % 250}.7:8000"),
    "an IPv6 address": lambda at: Network("outbound", f"[2001:db8::{at:x}]:443"),
}
CHECK: Final = {"": Goal(limit=3e-6, of="ours")}
GATE: Final = {"": Goal(limit=10e-6, of="ours")}


def rows(effort: Effort) -> Iterator[Row]:
    yield from run_on("trio", _checks, effort)
    for backend in BACKENDS:
        yield from run_on(backend, _gate, effort, backend)
    yield from run_on("trio", _manifests, effort)


# --- a check alone ----------------------------------------------------------------


async def _checks(effort: Effort) -> list[Row]:
    found: list[Row] = []
    for what, need in ALLOWED.items():
        found += await compare(
            effort, f"check of {what}", _checked(GRANTS, need), goals=CHECK
        )
    for what, need in ALLOWED.items():
        found += await compare(
            effort,
            f"check of {what}, with an end and things forbidden",
            _checked(FULL, need),
            goals=CHECK,
        )
    for what, made in NEW.items():
        # Without a goal: to read an address takes longer than all the rest.
        found += await compare(
            effort,
            f"check of {what} that was not asked for before",
            _all_new(GRANTS, [made(at) for at in range(SEEN)]),
        )
    denied = blocking(
        lambda: GRANTS.check(Messaging("send", "other/resize")) is not None, gives=True
    )
    found += await compare(effort, "check of an actor, denied", denied)
    return found


def _checked(grants: Grants, need: Callable[[], Capability]) -> Timed:
    """Time checks, each of a fresh value as a host call makes one."""
    now = time()
    return blocking(lambda: grants.check(need(), now), gives=None)


def _all_new(grants: Grants, needs: Sequence[Capability]) -> Timed:
    left = cycle(needs)
    now = time()

    async def timed(loops: int) -> float:
        check, wanted = grants.check, list(islice(left, loops))
        start = perf_counter()
        denials = [check(need, now) for need in wanted]
        took = perf_counter() - start
        assert not any(denials)
        return took

    return timed


# --- the whole gate ---------------------------------------------------------------


async def _gate(effort: Effort, backend: str) -> list[Row]:
    """Call through the gate: check, quota, event, body."""
    with TemporaryDirectory() as folder:
        async with open_audit(Path(folder) / "audit.jsonl", grants=True) as log:
            return await _gated(effort, backend, log)


async def _gated(effort: Effort, backend: str, log: AuditLog) -> list[Row]:
    kv = HostInterface("acme:kv/store@1.0.0")

    @kv.function(needs=lambda key: Custom("acme:kv/store", key), denied=str)
    def get(_: Call, key: str) -> str:
        return key

    function = kv.functions["get"]
    plenty = Budget("acme/a", Quota(host_calls=10**12))
    call = Call("acme/a", "acme/a#1", "acme:kv/store@1.0.0#get", Standing(FULL, plenty))
    quiet = Gate(log)
    telling = Gate(log, grants=True)

    def refused() -> str:
        try:
            quiet(function, call, ("bucket-b",))
        except WitError as error:
            return str(error.value)[:7]
        raise AssertionError

    found: list[Row] = []
    for what, subject in (
        (
            "check, quota and body",
            blocking(quiet, function, call, ("bucket-a",), gives="bucket-a"),
        ),
        (
            "check, quota, audit event and body",
            blocking(telling, function, call, ("bucket-a",), gives="bucket-a"),
        ),
        ("check, audit event and a denial", blocking(refused, gives="may not")),
    ):
        found += await compare(
            effort,
            f"the gate: {what} ({backend})",
            _written(subject, log),
            goals=GATE,
        )
    assert log.lost == 0
    return found


def _written(subject: Timed, log: AuditLog) -> Timed:
    """Let the log write its events, in time that does not count."""

    async def timed(loops: int) -> float:
        took = await subject(loops)
        await log.flush()
        return took

    return timed


# --- manifests --------------------------------------------------------------------


async def _manifests(effort: Effort) -> list[Row]:
    text = MANIFEST.read_text()

    def parsed() -> str:
        return str(parse_manifest(text).name)

    def loaded() -> str:
        name: str = tomllib.loads(text)["package"]["name"]
        return name

    name = "quickstart/counter"
    return await compare(
        effort,
        "parse a manifest",
        blocking(parsed, gives=name),
        {"tomllib alone": blocking(loaded, gives=name)},
    )
