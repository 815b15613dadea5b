from __future__ import annotations

import random
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.names import ActorId, ComponentName, Digest, Version

words = st.from_regex(r"[a-z0-9]{1,8}(-[a-z0-9]{1,8}){0,2}", fullmatch=True)


@given(namespace=st.just("") | words, name=words)
def test_a_component_name_reads_what_it_prints(namespace: str, name: str) -> None:
    component = ComponentName(namespace, name)

    assert ComponentName.parse(str(component)) == component


@given(namespace=st.just("") | words, name=words, instance=st.just("") | words)
def test_an_actor_id_reads_what_it_prints(
    namespace: str, name: str, instance: str
) -> None:
    actor = ActorId(namespace, name, instance)

    assert ActorId.parse(str(actor)) == actor


@pytest.mark.parametrize(
    ("text", "namespace", "name", "instance"),
    [
        ("worker", "", "worker", ""),
        ("worker#2", "", "worker", "2"),
        ("acme/counter", "acme", "counter", ""),
        ("acme/counter#left-1", "acme", "counter", "left-1"),
    ],
)
def test_an_actor_id_has_up_to_three_parts(
    text: str, namespace: str, name: str, instance: str
) -> None:
    assert ActorId.parse(text) == ActorId(namespace, name, instance)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "name '' is not allowed: use lowercase letters"),
        ("Acme/counter", "namespace 'Acme' is not allowed: use lowercase letters"),
        ("acme/", "name '' is not allowed"),
        ("/counter", "nothing before its '/'"),
        ("a/b/c", "namespace 'a/b' is not allowed"),
        ("a--b", "single hyphens"),
        ("-a", "single hyphens"),
        ("a b", "is not allowed"),
        ("a\n", "is not allowed"),
        ("ä", "is not allowed"),
        ("a" * 65, "at most 64 characters"),
    ],
)
def test_what_is_no_name_is_refused_and_says_what_is_allowed(
    text: str, reason: str
) -> None:
    for parse in (ComponentName.parse, ActorId.parse):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - see the next line
            parse(text)
        assert reason in str(caught.value)


def test_an_actor_id_with_an_empty_instance_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing after its '#'"):
        ActorId.parse("worker#")


def test_instances_are_in_the_order_of_their_numbers() -> None:
    texts = ["worker", "worker#2", "worker#10", "acme/worker"]

    ids = sorted(map(ActorId.parse, reversed(texts)))

    assert [str(one) for one in ids] == texts


# The example of SemVer 2.0, section 11, and what it says of numbers.
PRECEDENCE = [
    "1.0.0-0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.0.1",
    "1.2.0",
    "1.10.0",
    "2.0.0-a",
    "2.0.0",
]


def test_versions_are_in_the_order_of_semver() -> None:
    shuffled = PRECEDENCE.copy()
    random.Random(1).shuffle(shuffled)

    ordered = sorted(map(Version.parse, shuffled))

    assert [str(version) for version in ordered] == PRECEDENCE


def test_build_metadata_does_not_count() -> None:
    one, other = Version.parse("1.0.0+linux.1"), Version.parse("1.0.0")

    assert one == other
    assert hash(one) == hash(other)
    assert str(one) == "1.0.0+linux.1"


identifiers = st.text(string.ascii_letters + "-", min_size=1, max_size=5) | st.integers(
    0, 10**6
).map(str)


@given(
    numbers=st.tuples(*[st.integers(0, 10**9)] * 3),
    prerelease=st.lists(identifiers, max_size=3),
    build=st.lists(identifiers, max_size=3),
)
def test_a_version_reads_what_it_prints(
    numbers: tuple[int, int, int], prerelease: list[str], build: list[str]
) -> None:
    version = Version(*numbers, tuple(prerelease), tuple(build))

    read = Version.parse(str(version))

    assert read == version
    assert read.build == version.build


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2",
        "1.2.3.4",
        "01.2.3",
        "1.2.3-",
        "1.2.3-01",
        "1.2.3+",
        "v1.2.3",
        "1.2.3-a..b",
        "1.2.3 ",
        "1.2.3\n",
        "-1.2.3",
        "\uff11.2.3",
    ],
)
def test_what_is_no_semantic_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not semantic: use major"):
        Version.parse(text)


@given(st.binary())
def test_a_digest_reads_what_it_prints(content: bytes) -> None:
    digest = Digest.of(content)

    assert Digest.parse(str(digest)) == digest


def test_a_digest_is_sha256() -> None:
    assert str(Digest.of(b"")) == (
        "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a" * 64, "use 'sha256:'"),
        ("md5:" + "a" * 64, "use 'sha256:'"),
        ("sha256:" + "a" * 63, "64 lowercase hexadecimal digits"),
        ("sha256:" + "A" * 64, "64 lowercase hexadecimal digits"),
        ("sha256:" + "g" * 64, "64 lowercase hexadecimal digits"),
    ],
)
def test_what_is_no_digest_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Digest.parse(text)
