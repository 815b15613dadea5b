from __future__ import annotations

import json
import tomllib
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.child import Restart
from airssys.core.errors import ManifestError
from airssys.core.grants.capabilities import Custom, Messaging, Network
from airssys.core.limits import KIB, MIB, Limits, Quota
from airssys.core.manifests.manifest import (
    HealthRule,
    Manifest,
    manifest_schema,
    parse_manifest,
)
from airssys.core.message import Overflow
from airssys.core.names import ComponentName, Digest, Version

SMALL = """\
[package]
name = "acme/counter"
version = "1.2.0"

[component]
wasm = "counter.wasm"

[resources]
memory = "1MiB"
fuel = 10_000_000
timeout = "5s"
"""

FULL = """\
[package]
name = "acme-counter"             # namespace/name allowed
version = "1.2.0-rc.1"
description = "Counts"
authors = ["Ada", "Bo"]
license = "MIT"
repository = "https://example.com/r"
homepage = ""

[component]
wasm = "build/counter.wasm"
sha256 = "%s"
world = "airssys:core/component@1.0.0"
config = { step = "1" }

[resources]
memory = "1MiB"
fuel = 10_000_000
timeout = "5s"
mailbox = 10
overflow = "drop-oldest"
storage = "1MiB"
network = "2MiB/s"
messages = "10/s"
payload = "64KiB"
cpu = "500ms/s"
handles = 8
host_calls = "50/s"
log = "3KiB/s"

[capabilities]
expires = { network = 2027-01-01T00:00:00Z, custom = 2026-12-31T18:00:00.5-06:00 }
storage = { read = ["component:self/**"], write = ["component:self/**"], delete = [] }
process = { spawn = ["/usr/bin/git"], signal = ["own"] }
custom = [{ name = "acme:kv/store", allow = ["bucket-a"] }]
rationale = { network = "fetches exchange rates" }
[capabilities.filesystem]
read = ["/srv/img/**"]
write = ["/srv/out/*"]
delete = []
list = ["/srv/img"]
[capabilities.network]
outbound = ["api.example.com:443", "*.example.org:443", "10.0.0.0/8:*"]
inbound = [8080, "9000-9010"]
resolve = ["*.example.com"]
[capabilities.messaging]
send = ["acme/billing"]
request = ["acme/*"]
publish = ["orders.*"]
subscribe = ["orders.#"]
receive = ["acme/*"]

[supervision]
restart = "transient"
shutdown = "500ms"
health = { every = "10s", timeout = "1s", failures = 3 }
""".replace("%s", "a" * 64)


def problems(text: str, **options: Any) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        parse_manifest(text, **options)
    return list(caught.value.problems)


# --- what is read -----------------------------------------------------------------


def test_a_small_manifest_gets_the_defaults() -> None:
    manifest = parse_manifest(SMALL)

    assert manifest.name == ComponentName("acme", "counter")
    assert manifest.version == Version(1, 2, 0)
    assert manifest.wasm == "counter.wasm"
    assert manifest.digest is None
    assert manifest.config == {}
    assert manifest.limits == Limits(memory=MIB, fuel=10_000_000, timeout=5.0)
    assert manifest.quota == Quota()
    assert manifest.quota == Quota(
        storage=100 * MIB,
        network=10 * MIB,
        messages=1000,
        payload=MIB,
        cpu=1.0,
        handles=256,
        host_calls=100_000,
        log=MIB,
    )
    assert manifest.mailbox == 1000
    assert manifest.overflow is Overflow.WAIT
    assert manifest.supervision.restart is Restart.PERMANENT
    assert manifest.supervision.shutdown == 5.0
    assert manifest.supervision.health is None
    assert manifest.grants.check(Messaging("send", "acme/billing")) is not None


def test_a_full_manifest_is_read_as_written() -> None:
    manifest = parse_manifest(FULL)

    assert manifest.name == ComponentName("", "acme-counter")
    assert str(manifest.version) == "1.2.0-rc.1"
    assert manifest.package.authors == ("Ada", "Bo")
    assert manifest.wasm == "build/counter.wasm"
    assert manifest.digest == Digest("a" * 64)
    assert manifest.component.world == "airssys:core/component@1.0.0"
    assert manifest.config == {"step": "1"}
    assert manifest.quota == Quota(
        storage=MIB,
        network=2 * MIB,
        messages=10,
        payload=64 * KIB,
        cpu=0.5,
        handles=8,
        host_calls=50,
        log=3 * KIB,
    )
    assert manifest.mailbox == 10
    assert manifest.overflow is Overflow.DROP_OLDEST
    assert manifest.supervision.restart is Restart.TRANSIENT
    assert manifest.supervision.shutdown == 0.5
    assert manifest.supervision.health == HealthRule(
        every=10.0, timeout=1.0, failures=3
    )
    assert manifest.capabilities.rationale == {"network": "fetches exchange rates"}


def test_grants_come_from_the_capabilities() -> None:
    grants = evolve(parse_manifest(FULL).grants, expires={})

    assert grants.check(Messaging("send", "acme/billing")) is None
    assert grants.check(Messaging("subscribe", "orders.*.new")) is None
    assert grants.check(Custom("acme:kv/store", "bucket-a")) is None
    assert grants.check(Custom("acme:kv/store", "bucket-b")) is not None
    assert grants.interfaces == ("acme:kv/store",)
    assert [f"{section}.{action} {one}" for section, action, one in grants] == [
        "filesystem.read /srv/img/**",
        "filesystem.write /srv/out/*",
        "filesystem.list /srv/img",
        "network.outbound api.example.com:443",
        "network.outbound *.example.org:443",
        "network.outbound 10.0.0.0/8:*",
        "network.inbound 8080",
        "network.inbound 9000-9010",
        "network.resolve *.example.com",
        "storage.read component:self/**",
        "storage.write component:self/**",
        "messaging.send acme/billing",
        "messaging.request acme/*",
        "messaging.publish orders.*",
        "messaging.subscribe orders.#",
        "messaging.receive acme/*",
        "process.spawn /usr/bin/git",
        "process.signal own",
        "custom.acme:kv/store bucket-a",
    ]


def test_grants_can_expire_section_by_section() -> None:
    grants = parse_manifest(FULL).grants
    custom = Custom("acme:kv/store", "bucket-a")
    end = 1_798_761_600.0

    assert grants.expires == {"network": end, "custom": end + 0.5}
    assert grants.check(Network("inbound", "8080"), end - 1) is None
    assert grants.check(Network("inbound", "8080"), end) is not None
    assert grants.check(custom, end) is None
    assert grants.check(custom, end + 0.5) is not None
    assert grants.check(Messaging("send", "acme/billing"), end + 1) is None
    assert parse_manifest(SMALL).grants.expires == {}


@pytest.mark.parametrize(
    ("text", "seconds"), [("'brutal'", 0.0), ("'infinite'", float("inf")), ("2", 2.0)]
)
def test_shutdown_knows_the_words_of_otp(text: str, seconds: float) -> None:
    manifest = parse_manifest(f"{SMALL}\n[supervision]\nshutdown = {text}")

    assert manifest.supervision.shutdown == seconds


# --- what is refused --------------------------------------------------------------


def test_five_mistakes_make_five_reports_with_their_places() -> None:
    text = (
        SMALL.replace('version = "1.2.0"', 'version = "1.2"')
        .replace("fuel = 10_000_000", "fuell = 10_000_000")
        .replace('timeout = "5s"', 'timeout = "5 seconds"')
        + "\n[capabilities]\nmessaging = { send = [\n  'acme/*',\n  'Acme/x',\n] }\n"
    )

    assert problems(text) == [
        (
            "version '1.2' is not semantic: use major.minor.patch, such as '1.2.0' or "
            "'2.0.0-rc.1' @ package.version, line 3"
        ),
        "missing key 'fuel' @ resources, line 8",
        "unknown key 'fuell' (did you mean 'fuel'?) @ resources.fuell, line 10",
        (
            "'5 seconds' is no duration: use seconds, or a number and one of h, m, s, "
            "ms, us, such as '5s' @ resources.timeout, line 11"
        ),
        (
            "name pattern 'Acme/x' must not hold 'A': names are lowercase letters, "
            "digits and hyphens @ capabilities.messaging.send[1], line 16"
        ),
    ]


def test_the_error_names_the_source_and_counts() -> None:
    with pytest.raises(ManifestError) as caught:
        parse_manifest("", source="x/Component.toml")

    assert str(caught.value) == (
        "x/Component.toml has 3 problems:\n"
        "  missing table 'package' @ top level\n"
        "  missing table 'component' @ top level\n"
        "  missing table 'resources' @ top level"
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = ", "invalid value @ end of document"),
        ("a = 1\nb = =", "invalid value @ line 2, column 5"),
        ("a = 1\na = 2", "cannot overwrite a value @ "),
        ("[[[", "@ line 1, column 3"),
        ("a = 1 b = 2", "@ line 1, column 7"),
    ],
)
def test_broken_toml_is_one_problem_with_line_and_column(
    text: str, problem: str
) -> None:
    (found,) = problems(text)

    assert problem in found


@pytest.mark.parametrize(
    "text",
    [
        f"a = {'[' * 20000}",
        f"a = {'9' * 5000}",
        f"a{'.a' * 20000} = 1",
        f"a{'.a' * 900} = 1",
        "#" * 300_000,
    ],
    ids=["lists", "digits", "dots", "keys", "length"],
)
def test_hostile_toml_is_a_manifest_error(text: str) -> None:
    assert problems(text)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (
            "memory = '511KiB'",
            (
                "memory of 511KiB is out of range: use 512KiB to the "
                "host's ceiling of 64MiB @ resources.memory, line 9"
            ),
        ),
        ("memory = '65MiB'", "memory of 65MiB is out of range"),
        ("memory = 0", "0 is not allowed: it must be more than 0"),
        ("memory = true", "True is no size"),
        ("fuel = 0", "0 is out of range: use 1 to 2^63 - 1 @ resources.fuel, line 10"),
        ("fuel = -1", "-1 is out of range"),
        ("fuel = 1.5", "expected a whole number, got the number 1.5"),
        ("fuel = '1'", "expected a whole number, got the string '1'"),
        ("timeout = 0", "must be more than 0"),
        ("timeout = []", "[] is no duration"),
        ("mailbox = 0", "0 is out of range"),
        ("overflow = 'drop'", "unknown word 'drop' (known: drop-oldest, refuse, wait)"),
        ("overflow = 'refuze'", "unknown word 'refuze' (did you mean 'refuse'?)"),
        ("overflow = 1", "expected a string, got the number 1"),
        ("messages = 1000", "1000 is no rate"),
        ("messages = '0/s'", "must be more than 0"),
        ("cpu = '1s'", "'1s' is no rate"),
        ("handles = 0", "0 is out of range"),
        ("host_calls = 10", "10 is no rate"),
        ("network = '10MiB'", "'10MiB' is no rate"),
        ("payload = '1MB/s'", "is no size"),
        ("zzz = 1979-05-27", "unknown key 'zzz' (known: computing, cpu, "),
    ],
)
def test_a_bad_resource_is_reported(line: str, problem: str) -> None:
    key = line.partition(" ")[0]
    lines = [kept for kept in SMALL.splitlines() if not kept.startswith(f"{key} ")]
    at = {"memory": 8, "fuel": 9}.get(key, len(lines))
    lines.insert(at, line)

    (found,) = problems("\n".join(lines))

    assert problem in found


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("package = 1", "expected a table, got the number 1 @ package, line 1"),
        ("package.name = 'a/b/c'", "namespace 'a/b' is not allowed"),
        ("package.name = 1979-05-27", "expected a string, got the date or time"),
        ("package.authors = 'me'", "expected a list, got the string 'me'"),
        (
            "package.authors = [{}, 2]",
            (
                "expected a string, got a table @ "
                "package.authors[0], line 1|expected a string, got the number 2 @ "
                "package.authors[1], line 1"
            ),
        ),
        ("component.wasm = '/x.wasm'", "name a .wasm or .wat file beside this one"),
        ("component.wasm = '../x.wasm'", "beside this one"),
        ("component.wasm = 'x.txt'", "beside this one"),
        ("component.wasm = ''", "beside this one"),
        ("component.sha256 = 'abc'", "64 lowercase hexadecimal digits"),
        ("component.world = 'x'", "'x' is no world"),
        (
            "component.config = { a = 1 }",
            ("expected a string, got the number 1 @ component.config.a, line 1"),
        ),
        ("component.config = []", "expected a table, got a list"),
        (
            "capabilities.storage = { red = [] }",
            (
                "unknown key 'red' (did you mean "
                "'read'?) @ capabilities.storage.red, line 1"
            ),
        ),
        (
            "capabilities.custom = [{ allow = ['x'] }]",
            ("missing key 'name' @ capabilities.custom[0], line 1"),
        ),
        (
            "capabilities.custom = [{ name = 'a:b/c@1.0.0' }]",
            ("without a version @ capabilities.custom[0].name, line 1"),
        ),
        (
            "capabilities.network.inbound = [0, true, '1-2']",
            ("port '0' is not allowed|expected a port, got the boolean true"),
        ),
        ("capabilities.process.signal = ['all']", "use 'own'"),
        (
            "capabilities.expires.network = 2027-01-01T00:00:00",
            (
                "2027-01-01T00:00:00 means another moment elsewhere: add 'Z', or an "
                "offset such as '+01:00' @ capabilities.expires.network, line 1"
            ),
        ),
        (
            "capabilities.expires.network = 2027-01-01",
            "2027-01-01 is no moment: use a date and time without quotes",
        ),
        ("capabilities.expires.network = '2027-01-01T00:00:00Z'", "is no moment"),
        ("capabilities.expires.network = 1798761600", "1798761600 is no moment"),
        (
            "capabilities.expires.netwrk = 2027-01-01T00:00:00Z",
            (
                "unknown key 'netwrk' (did you mean 'network'?) "
                "@ capabilities.expires.netwrk, line 1"
            ),
        ),
        ("supervision.restart = 'always'", "unknown word 'always'"),
        ("supervision.shutdown = 'x'", "or 'brutal' or 'infinite'"),
        ("supervision.shutdown = []", "[] is no duration"),
        ("supervision.health = { failures = 0 }", "0 is out of range"),
        ("supervision.health = true", "expected a table, got the boolean true"),
        ("'odd key' = 1", "unknown key 'odd key'"),
    ],
)
def test_a_bad_value_is_reported_with_its_place(line: str, problem: str) -> None:
    found = problems(line)

    for part in problem.split("|"):
        assert any(part in one for one in found)


def test_the_ceiling_is_the_hosts() -> None:
    strict = 4 * MIB
    text = SMALL.replace("1MiB", "5MiB")

    assert parse_manifest(text).limits.memory == 5 * MIB
    assert problems(text, ceiling=strict) == [
        (
            "memory of 5MiB is out of range: use 512KiB to the host's ceiling of 4MiB "
            "@ resources.memory, line 9"
        )
    ]


def test_all_memories_together_are_twice_one_unless_the_manifest_says_more() -> None:
    def limits(*lines: str) -> Limits:
        return parse_manifest("\n".join((SMALL.rstrip(), *lines))).limits

    plain = limits()
    assert (plain.total_memory, plain.memories) == (2 * MIB, 16)
    assert limits("total_memory = '3MiB'").total_memory == 3 * MIB
    assert limits("total_memory = '128MiB'").total_memory == 128 * MIB
    assert problems(f"{SMALL.rstrip()}\ntotal_memory = '129MiB'") == [
        (
            "total_memory of 129MiB is more than 128MiB, twice the host's ceiling "
            "@ resources.total_memory, line 12"
        )
    ]


def test_a_manifest_may_limit_what_a_call_computes() -> None:
    assert parse_manifest(SMALL).limits.computing is None
    text = f"{SMALL.rstrip()}\ncomputing = '250ms'"
    assert parse_manifest(text).limits.computing == 0.25
    assert problems(f"{SMALL.rstrip()}\ncomputing = '0s'")


toml_values = st.sampled_from(
    [
        "1",
        "true",
        "'x'",
        "[]",
        "{}",
        "[{}]",
        "1.5",
        "['x', 1]",
        "1979-05-27",
        "{ a = 1 }",
    ]
)


@given(
    st.sampled_from(
        [
            f"{table}.{key}"
            for table, keys in tomllib.loads(FULL).items()
            for key in keys
        ]
    ),
    toml_values,
)
def test_any_value_anywhere_is_read_or_reported(key: str, value: str) -> None:
    inner = key.partition(".")[2]
    lines = [
        f"{inner} = {value}" if line.startswith(f"{inner} =") else line
        for line in FULL.splitlines()
    ]
    try:
        parse_manifest("\n".join(lines))
    except ManifestError as error:
        reported = error.problems
    else:
        reported = ()

    assert all(" @ " in one and ", line " in one for one in reported)


# --- the schema -------------------------------------------------------------------


def valid(text: str) -> bool:
    schema = manifest_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    # JSON has no dates: whoever validates TOML writes them as text.
    table = json.loads(json.dumps(tomllib.loads(text), default=str))
    return bool(validator.is_valid(table))


@pytest.mark.parametrize("text", [SMALL, FULL], ids=["small", "full"])
def test_the_json_schema_takes_good_manifests(text: str) -> None:
    assert valid(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "acme/counter"', 'name = "Acme"'),
        ('name = "acme/counter"', ""),
        ('version = "1.2.0"', 'version = "1"'),
        ('wasm = "counter.wasm"', 'wasm = "counter.txt"'),
        ('memory = "1MiB"', 'memory = "1Mib"'),
        ('memory = "1MiB"', "memory = -1"),
        ("fuel = 10_000_000", "fuel = 0"),
        ("fuel = 10_000_000", 'fuel = "1"'),
        ("fuel = 10_000_000", "fuell = 1"),
        ('timeout = "5s"', 'timeout = "5"'),
        ('timeout = "5s"', 'timeout = "5s"\noverflow = "drop"'),
        ('timeout = "5s"', 'timeout = "5s"\nmessages = 10'),
        ('timeout = "5s"', 'timeout = "5s"\n[supervision]\nrestart = "always"'),
        ('timeout = "5s"', 'timeout = "5s"\n[supervision]\nhealth = { failures = 0 }'),
        ('timeout = "5s"', 'timeout = "5s"\n[capabilities]\ncustom = [{}]'),
        (
            'timeout = "5s"',
            'timeout = "5s"\n[capabilities]\nmessaging = { send = "x" }',
        ),
        ('timeout = "5s"', 'timeout = "5s"\n[capabilities]\nfilesystem.read = ["x"]'),
        ('timeout = "5s"', 'timeout = "5s"\n[capabilities]\nprocess.signal = ["all"]'),
        ('timeout = "5s"', 'timeout = "5s"\n[capabilities]\nexpires.network = 1'),
        ('timeout = "5s"', 'timeout = "5s"\n[capabilities]\nexpires.net = 2027-01-01'),
    ],
)
def test_the_json_schema_refuses_what_the_reader_refuses(old: str, new: str) -> None:
    text = SMALL.replace(old, new)

    assert not valid(text)
    assert problems(text)


def test_the_json_schema_is_made_from_the_classes() -> None:
    schema = manifest_schema()
    tables: Any = schema["$defs"]

    assert schema["$ref"] == "#/$defs/Manifest"
    assert tables["Resources"]["required"] == ["memory", "fuel", "timeout"]
    assert tables["Resources"]["properties"]["overflow"] == {
        "enum": [rule.value for rule in Overflow]
    }
    code = tables["CodeSection"]
    assert code["description"].startswith("Where the component's code is")
    assert isinstance(parse_manifest(SMALL), Manifest)
