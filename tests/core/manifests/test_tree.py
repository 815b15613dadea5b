from __future__ import annotations

import tomllib
from math import inf
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from airssys.core.child import Restart
from airssys.core.errors import ManifestError
from airssys.core.grants.capabilities import Custom, Messaging
from airssys.core.limits import SharedQuota
from airssys.core.manifests.manifest import Manifest, parse_manifest
from airssys.core.manifests.tree import (
    ActorNode,
    ComponentNode,
    FirstMessage,
    SupervisorNode,
    Tree,
    parse_tree,
    tree_schema,
)
from airssys.core.message import Overflow
from airssys.core.restart import (
    AutoShutdown,
    Backoff,
    Intensity,
    Strategy,
    SupervisorRules,
)

TREE = """\
name = "demo"

[supervisor]
strategy = "rest_for_one"
intensity = { restarts = 3, period = "10s" }
backoff = { initial = "100ms", factor = 3, maximum = "30s", jitter = 0.1 }
auto_shutdown = "any_significant"
quota = { network = "20MiB/s", cpu = "1500ms/s", handles = 100 }

[[child]]
id = "counter"
component = "counter"
restart = "transient"
shutdown = "1s"
resources = { memory = "512KiB", overflow = "refuse" }
capabilities.messaging = { send = ["acme/billing"] }
config = { step = "2" }

[[child]]
id = "inner"
[child.supervisor]
strategy = "one_for_all"
[child.supervisor.quota]
storage = "1GiB"
messages = "5/s"
host_calls = "1000/s"

  [[child.child]]
  id = "acme/worker#1"
  actor = "demo.workers:work"
  args = [1, "x", { a = 2 }]

  [[child.child]]
  id = "plain"
  component = "plain"

[[child]]
id = "last"
actor = "demo:last"
restart = "temporary"
shutdown = "brutal"
significant = true

[[message]]
to = "counter"
payload = "inc"
after = "1s"

[[message]]
topic = "orders.created"
"""

MANIFEST = """\
[package]
name = "acme/counter"
version = "1.0.0"
[component]
wasm = "counter.wasm"
config = { step = "1", start = "0" }
[resources]
memory = "1MiB"
fuel = 1000
timeout = "5s"
[capabilities]
messaging = { send = ["acme/*"], receive = ["**"] }
custom = [{ name = "acme:kv/store", allow = ["bucket-*"] }]
expires = { custom = 2027-01-01T00:00:00Z }
"""
JANUARY = 1_798_761_600.0
JUNE = 1_780_272_000.0


def problems(text: str) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        parse_tree(text)
    return list(caught.value.problems)


def manifest() -> Manifest:
    return parse_manifest(MANIFEST)


def component(tree: Tree) -> ComponentNode:
    node = tree.root.children[0]
    assert isinstance(node, ComponentNode)
    return node


def narrow(child: str) -> Manifest:
    tree = parse_tree(f"[[child]]\nid = 'x'\ncomponent = 'x'\n{child}")
    return tree.narrow(component(tree), manifest())


# --- what is read -----------------------------------------------------------------


def test_a_tree_is_read_as_written() -> None:
    tree = parse_tree(TREE)
    root = tree.root
    counter, inner, last = root.children

    assert root.id == "demo"
    assert root.rules.strategy is Strategy.REST_FOR_ONE
    assert root.rules.intensity == Intensity(3, 10.0)
    assert root.rules.backoff == Backoff(0.1, 3.0, 30.0, 0.1)
    assert root.rules.auto_shutdown is AutoShutdown.ANY_SIGNIFICANT
    assert root.quota == SharedQuota(network=20 * 2**20, cpu=1.5, handles=100)
    assert isinstance(counter, ComponentNode)
    assert (counter.id, counter.component, counter.path) == (
        "counter",
        "counter",
        ("child", 0),
    )
    assert isinstance(inner, SupervisorNode)
    assert inner.rules.strategy is Strategy.ONE_FOR_ALL
    assert inner.shutdown == inf
    assert inner.quota == SharedQuota(storage=2**30, messages=5, host_calls=1000)
    assert inner.children == (
        ActorNode(
            id="acme/worker#1", actor="demo.workers:work", args=(1, "x", {"a": 2})
        ),
        ComponentNode(id="plain", component="plain", path=("child", 1, "child", 1)),
    )
    assert last == ActorNode(
        id="last",
        actor="demo:last",
        restart=Restart.TEMPORARY,
        shutdown=0.0,
        significant=True,
    )
    assert tree.messages == (
        FirstMessage(to="counter", payload="inc", after=1.0),
        FirstMessage(topic="orders.created"),
    )


def test_an_empty_tree_has_the_defaults_of_otp() -> None:
    assert parse_tree("").root == SupervisorNode(
        id="root",
        children=(),
        rules=SupervisorRules(
            strategy=Strategy.ONE_FOR_ONE,
            intensity=Intensity(1, 5.0),
            backoff=Backoff(),
            auto_shutdown=AutoShutdown.NEVER,
        ),
    )


# --- overriding a manifest --------------------------------------------------------


def test_a_tree_narrows_a_manifest() -> None:
    tree = parse_tree(TREE)

    narrowed = tree.narrow(component(tree), manifest())

    assert narrowed.resources.memory == 512 * 1024
    assert narrowed.resources.fuel == 1000
    assert narrowed.overflow is Overflow.REFUSE
    assert narrowed.config == {"step": "2", "start": "0"}
    assert narrowed.supervision.restart is Restart.TRANSIENT
    assert narrowed.supervision.shutdown == 1.0
    grants = narrowed.grants
    assert grants.check(Messaging("send", "acme/billing")) is None
    assert grants.check(Messaging("send", "acme/other")) is not None
    assert grants.check(Messaging("receive", "acme/other")) is not None
    assert grants.check(Custom("acme:kv/store", "bucket-a"), JUNE) is None
    assert grants.check(Custom("acme:kv/store", "bucket-a"), JANUARY) is not None


def test_without_overrides_the_manifest_stays() -> None:
    assert narrow("") == manifest()


ENDS = "capabilities.expires."


def test_a_tree_can_let_grants_expire_earlier() -> None:
    later = narrow(
        f"{ENDS}custom = 2026-06-01T00:00:00Z\n{ENDS}messaging = 2026-06-01T00:00:00Z"
    )
    inherited = narrow("capabilities.custom = [{ name = 'acme:kv/store' }]")

    assert later.grants.expires == {"custom": JUNE, "messaging": JUNE}
    assert inherited.grants.expires == {"custom": JANUARY}
    assert manifest().grants.covers(later.grants)


def test_a_tree_can_lower_the_new_quotas() -> None:
    lower = narrow("resources = { handles = 3, host_calls = '10/s' }")

    assert (lower.quota.handles, lower.quota.host_calls) == (3, 10)


def test_a_quota_that_is_not_given_is_no_limit() -> None:
    assert parse_tree("").root.quota == SharedQuota()


def test_a_tree_may_limit_what_the_manifest_does_not() -> None:
    resources = "resources = { computing = '1s', total_memory = '1536KiB' }"
    limits = narrow(resources).limits

    assert (limits.computing, limits.total_memory) == (1.0, 1536 * 1024)


@pytest.mark.parametrize(
    ("child", "problem"),
    [
        (
            "resources.total_memory = '3MiB'",
            (
                "total_memory of 3MiB is more than the component's 2MiB "
                "@ child[0].resources.total_memory, line 4"
            ),
        ),
        (
            "resources.memory = '2MiB'",
            (
                "memory of 2MiB is more than the component's 1MiB "
                "@ child[0].resources.memory, line 4"
            ),
        ),
        (
            "resources.memory = '1KiB'",
            ("memory of 1KiB is less than 512KiB @ child[0].resources.memory, line 4"),
        ),
        (
            "resources.fuel = 1001",
            (
                "fuel of 1001 is more than the component's 1000 @ "
                "child[0].resources.fuel, line 4"
            ),
        ),
        (
            "resources.timeout = '6s'",
            (
                "timeout of 6s is more than the component's 5s @ "
                "child[0].resources.timeout, line 4"
            ),
        ),
        (
            "resources.values = '2MiB'",
            (
                "values of 2MiB is more than the component's 1MiB @ "
                "child[0].resources.values, line 4"
            ),
        ),
        (
            "resources.resource_handles = 10001",
            (
                "resource_handles of 10001 is more than the component's 10000 @ "
                "child[0].resources.resource_handles, line 4"
            ),
        ),
        (
            "resources.cpu = '2s/s'",
            (
                "cpu of 2s/s is more than the component's 1s/s @ "
                "child[0].resources.cpu, line 4"
            ),
        ),
        (
            "resources.network = '1GiB/s'",
            (
                "network of 1GiB/s is more than the "
                "component's 10MiB/s @ child[0].resources.network, line 4"
            ),
        ),
        (
            "resources.host_calls = '100001/s'",
            (
                "host_calls of 100001/s is more than the component's 100000/s @ "
                "child[0].resources.host_calls, line 4"
            ),
        ),
        (
            "resources.handles = 257",
            (
                "handles of 257 is more than the component's 256 @ "
                "child[0].resources.handles, line 4"
            ),
        ),
        (
            "capabilities.expires.custom = 2027-01-01T00:00:01Z",
            (
                "'custom' cannot expire at 2027-01-01T00:00:01Z: the component's "
                "grants do at 2027-01-01T00:00:00Z @ "
                "child[0].capabilities.expires.custom, line 4"
            ),
        ),
        (
            "capabilities.messaging.send = ['zoo/*']",
            (
                "may not send to 'zoo/*': no grant "
                "of the component covers it @ child[0].capabilities.messaging, line 4"
            ),
        ),
        (
            "capabilities.custom = [{ name = 'zoo:ape/bar' }]",
            (
                "may not use 'zoo:ape/bar'"
                ": no grant of the component covers it @ "
                "child[0].capabilities.custom, line 4"
            ),
        ),
        (
            "significant = true",
            (
                "a permanent child cannot be significant, since it never "
                "ends by itself: add restart = 'transient' or 'temporary' @ "
                "child[0].significant, line 4"
            ),
        ),
    ],
)
def test_a_tree_cannot_widen_a_manifest(child: str, problem: str) -> None:
    text = (
        f"[[child]]\nid = 'x'\ncomponent = 'x'\n{child}\n"
        "[supervisor]\nauto_shutdown = 'all_significant'"
    )
    tree = parse_tree(text, source="t.toml")

    with pytest.raises(ManifestError) as caught:
        tree.narrow(component(tree), manifest())

    assert caught.value.source == "t.toml"
    assert caught.value.problems == (problem,)


def test_all_overrides_that_widen_are_reported_at_once() -> None:
    with pytest.raises(ManifestError) as caught:
        narrow(
            "resources = { memory = '2MiB', fuel = 1001 }\n"
            "capabilities = { messaging = { send = ['**'], request = ['x'] } }"
        )

    assert len(caught.value.problems) == 4


# --- what is refused --------------------------------------------------------------


def test_five_mistakes_make_five_reports_with_their_places() -> None:
    text = (
        TREE.replace("rest_for_one", "rest_for_on")
        .replace("restarts = 3", "restart = 3")
        .replace('id = "plain"', 'id = "counter"')
        .replace('to = "counter"', 'to = "kounter"')
        .replace('restart = "temporary"', 'restart = "permanent"')
    )

    assert problems(text) == [
        (
            "unknown word 'rest_for_on' (did you mean 'rest_for_one'?) @ "
            "supervisor.strategy, line 4"
        ),
        (
            "unknown key 'restart' (did you mean 'restarts'?) @ "
            "supervisor.intensity.restart, line 5"
        ),
        "id 'counter' is used twice @ child[1].child[1].id, line 34",
        (
            "a permanent child cannot be significant, since it never ends by itself: "
            "add restart = 'transient' or 'temporary' @ child[2].significant, line 42"
        ),
        (
            "no actor has the id 'kounter' (there are: 'acme/worker#1', 'counter', "
            "'last') @ message[0].to, line 45"
        ),
    ]


@pytest.mark.parametrize(
    ("child", "problem"),
    [
        (
            "id = 'x'",
            (
                "a child needs one of component, actor, supervisor, got none of "
                "them @ child[0], line 1"
            ),
        ),
        ("component = 'x'", "missing key 'id' @ child[0], line 1"),
        (
            "id = 'x'\nactor = 'a:b'\ncomponent = 'x'",
            ("got component and actor @ child[0], line 1"),
        ),
        ("id = 'root'\nactor = 'a:b'", "id 'root' is used twice @ child[0].id, line 2"),
        ("id = 'X'\nactor = 'a:b'", "name 'X' is not allowed"),
        (
            "id = 'x'\nactor = 'a.b'",
            "'a.b' is no Python function: use 'module:function'",
        ),
        (
            "id = 'x'\nactor = 'a:b'\nconfig = {}",
            ("'config' is only for a component @ child[0].config, line 4"),
        ),
        (
            "id = 'x'\ncomponent = 'x'\nargs = []",
            ("'args' is only for an actor @ child[0].args, line 4"),
        ),
        ("id = 'x'\ncomponent = ''", "'' is no path"),
        (
            "id = 'x'\nactor = 'a:b'\n[[child.child]]\nid = 'y'\nactor = 'a:b'",
            "'child' is only for a supervisor @ child[0].child, line 4",
        ),
        (
            "id = 'x'\nactor = 'a:b'\nrestart = 'transient'\nsignificant = true",
            (
                "no child can be significant: its supervisor's auto_shutdown is "
                "'never' "
                "@ child[0].significant, line 5"
            ),
        ),
        (
            "id = 'x'\nsupervisor.quota.payload = '1MiB'",
            "unknown key 'payload' (known: cpu, handles, host_calls, log, messages, ",
        ),
        (
            "id = 'x'\nsupervisor.quota.handles = 0",
            "0 is out of range: use 1 to 2^63 - 1 @ child[0].supervisor.quota.handles",
        ),
        ("id = 1\nactor = 'a:b'", "expected a string, got the number 1"),
        ("id = 'x'\nsupervisor = 1", "expected a table, got the number 1"),
        (
            "id = 'x'\nsupervisor = { backoff = { factor = 0.5 } }",
            (
                "0.5 is out of range: "
                "use 1 to 1000 @ child[0].supervisor.backoff.factor, line 3"
            ),
        ),
        (
            "id = 'x'\nsupervisor = { backoff = { jitter = true } }",
            "expected a number, got the boolean true",
        ),
        (
            "id = 'x'\nactor = 'a:b'\nsignificant = 1",
            "expected true or false, got the number 1",
        ),
        (
            "id = 'x'\nactor = 'a:b'\n[[message]]",
            ("a message needs either 'to' or 'topic' @ message[0], line 4"),
        ),
        (
            "id = 'x'\nactor = 'a:b'\n[[message]]\nto = 'x'\ntopic = 'a'",
            "a message needs either 'to' or 'topic'",
        ),
        (
            "id = 'x'\nactor = 'a:b'\n[[message]]\ntopic = 'a.*'",
            "topic 'a.*' is not allowed",
        ),
        (
            "id = 'x'\nsupervisor = {}\n[[message]]\nto = 'x'",
            "no actor has the id 'x' (there are: none) @ message[0].to, line 5",
        ),
    ],
)
def test_a_mistake_is_reported_with_its_place(child: str, problem: str) -> None:
    (found,) = problems(f"[[child]]\n{child}")

    assert problem in found


def test_wrong_types_everywhere_are_reported() -> None:
    text = "child = [1]\nmessage = 2\nname = 3\nsupervisor = []"

    assert problems(text) == [
        "expected a table, got the number 1 @ child[0], line 1",
        (
            "a child needs one of component, actor, supervisor, got none of them @ "
            "child[0], line 1"
        ),
        "expected a list, got the number 2 @ message, line 2",
        "expected a string, got the number 3 @ name, line 3",
        "expected a table, got a list @ supervisor, line 4",
    ]


def test_a_tree_that_is_nested_too_deeply_is_refused() -> None:
    text = "".join(f"[[{'.'.join(['child'] * depth)}]]\n" for depth in range(1, 290))

    assert problems(text) == ["it is nested too deeply"]


# --- the schema -------------------------------------------------------------------


def valid(text: str) -> bool:
    schema: Any = tree_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    return bool(validator.is_valid(tomllib.loads(text)))


def test_the_json_schema_takes_a_tree_and_refuses_unknown_words() -> None:
    assert valid(TREE)
    assert valid("")
    assert not valid(TREE.replace("rest_for_one", "rest_for_on"))
    assert not valid(TREE.replace("demo:last", "demo.last"))
    assert not valid(TREE.replace('id = "plain"', 'idd = "plain"'))
