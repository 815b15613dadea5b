from __future__ import annotations

import pytest

from airssys.core.errors import ManifestError
from airssys.core.grants.admission import admit, admitting
from airssys.core.grants.capabilities import Messaging, Network
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import (
    CustomGrant,
    FilesystemGrants,
    MessagingGrants,
    NetworkGrants,
    Sections,
    StorageGrants,
)

NOTHING = Sections()
WANTED = Grants(
    filesystem=FilesystemGrants(read=["/srv/**"]),
    network=NetworkGrants(outbound=["a.com:443"], inbound=[8080]),
    messaging=MessagingGrants(send=["acme/*"]),
    custom={"acme:kv/store": ["k"]},
    expires={"network": 10.0},
)


def test_a_host_that_says_nothing_takes_grants_as_they_are() -> None:
    assert admit(WANTED, NOTHING, NOTHING) == WANTED
    assert Grants.of(NOTHING) == Grants()


def test_a_section_without_a_ceiling_is_not_held_down() -> None:
    ceiling = Sections(network=NetworkGrants(outbound=["*.com:*"], inbound=["*"]))
    wanted = Grants(
        filesystem=WANTED.filesystem, network=NetworkGrants(outbound=["a.com:1"])
    )

    assert admit(wanted, ceiling, NOTHING) == wanted


def test_all_that_is_above_the_ceiling_is_reported() -> None:
    ceiling = Sections(
        filesystem=FilesystemGrants(read=["/srv/img/**"]),
        network=NetworkGrants(outbound=["a.com:443"]),
        messaging=MessagingGrants(send=["**"]),
        custom=(CustomGrant("acme:kv/other"),),
    )

    with pytest.raises(ManifestError) as caught:
        admit(WANTED, ceiling, NOTHING, source="x/Component.toml")

    assert caught.value.source == "x/Component.toml"
    assert list(caught.value.problems) == [
        f"may not {words}: the host's ceiling does not cover it @ capabilities.{place}"
        for words, place in (
            ("read '/srv/**'", "filesystem"),
            ("listen on '8080'", "network"),
            ("use 'acme:kv/store' on 'k'", "custom"),
            ("use 'acme:kv/store'", "custom"),
        )
    ]


def test_an_empty_section_is_a_ceiling_of_nothing() -> None:
    with pytest.raises(ManifestError, match="may not use 'acme:kv/store'"):
        admit(WANTED, Sections(custom=()), NOTHING)


def test_what_the_host_forbids_is_no_ceiling_but_a_rule_at_each_use() -> None:
    forbidden = Sections(network=NetworkGrants(outbound=["a.com:*"]))

    admitted = admit(WANTED, NOTHING, forbidden)

    denial = admitted.check(Network("outbound", "a.com:443"), 0.0)
    assert denial is not None
    assert denial.reason == "the host forbids it"
    assert admitted.check(Messaging("send", "acme/x")) is None
    assert admitted.expires == WANTED.expires


def test_admission_is_done_in_pieces() -> None:
    most = [f"{{**a{n},**b{n}}}" + "?" * 12 for n in range(4)]
    wanted = Grants(storage=StorageGrants(read=["[ab]" * 60 + str(n) for n in "0123"]))
    ceiling = Sections(storage=StorageGrants(read=most))
    steps = []

    with pytest.raises(ManifestError, match="ceiling does not cover"):
        for taken in admitting(wanted, ceiling, NOTHING):
            steps.append(taken)  # noqa: PERF402 - until it raises

    assert sum(steps) > 4000
    assert max(steps) < 1000
