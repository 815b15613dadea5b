"""A quota is a field of `Quota`; this names the places that have to know it as well."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
from attrs import NOTHING, evolve, fields, resolve_types

import airssys
from airssys.core.limits import (
    QUOTAS,
    Holding,
    Limits,
    Quota,
    QuotaKey,
    QuotaKind,
    Rate,
    SharedQuota,
)
from airssys.core.manifests.resources import (
    LIMIT_KEYS,
    MAILBOX_KEYS,
    Resources,
    ResourcesOverride,
)

PACKAGE = Path(airssys.__file__).parent
USES = {
    QuotaKind.RATE: r"budget\.(take|charge)\(\s*\"{}\"",
    QuotaKind.HOLDING: r"budget\.hold\(\s*\"{}\"",
    QuotaKind.SINGLE: r"quota\.{}\b",
}
"""How a quota is used up, in a module outside of the core."""
SHARED = {word for word, row in QUOTAS.items() if row.kind is not QuotaKind.SINGLE}


def types(schema: type[Any]) -> dict[str, object]:
    """Return the type of each key, without None."""
    keys = fields(resolve_types(schema, include_extras=True))
    return {key.name: _without_none(key.type) for key in keys}


def _without_none(type_: Any) -> object:
    inner = [one for one in get_args(type_) if one is not type(None)]
    return inner[0] if len(inner) == 1 else type_


def of_kind(kind: QuotaKind) -> set[str]:
    return {word for word, row in QUOTAS.items() if row.kind is kind}


def outside_of_the_core() -> str:
    return "".join(
        path.read_text("utf-8")
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] != "core"
    )


def test_every_field_of_a_quota_has_a_kind_and_a_phrase() -> None:
    bare = [key.name for key in fields(Quota) if QuotaKey not in key.metadata]

    assert not bare, f"core.limits.Quota: give {bare} a _row() as metadata"


@pytest.mark.parametrize(
    ("place", "spelled", "table"),
    [
        ("core.limits.Rate", set(get_args(Rate)), of_kind(QuotaKind.RATE)),
        ("core.limits.Holding", set(get_args(Holding)), of_kind(QuotaKind.HOLDING)),
        ("core.limits.SharedQuota", set(types(SharedQuota)), SHARED),
    ],
)
def test_a_quota_is_in_every_list_that_the_type_checker_needs(
    place: str, spelled: set[str], table: set[str]
) -> None:
    missing, unknown = sorted(table - spelled), sorted(spelled - table)

    assert not missing, f"{place} lacks {missing}, which core.limits.Quota has"
    assert not unknown, f"{place} has {unknown}, which core.limits.Quota lacks"


def test_every_quota_is_a_key_of_a_manifest_with_the_same_default() -> None:
    keys = {key.name: key for key in fields(Resources)}
    missing = sorted(set(QUOTAS) - set(keys))

    assert not missing, f"core.manifests.resources.Resources lacks the quotas {missing}"
    assert {word: keys[word].default for word in QUOTAS} == {
        key.name: key.default for key in fields(Quota)
    }


def test_every_key_of_resources_goes_somewhere() -> None:
    taken = {*LIMIT_KEYS, *MAILBOX_KEYS, *QUOTAS}
    idle = sorted(set(types(Resources)) - taken)
    unknown = sorted(taken - set(types(Resources)))

    assert not idle, (
        f"nothing takes the keys {idle} of core.manifests.resources.Resources: make "
        "each a field of core.limits.Quota, or name it in LIMIT_KEYS or MAILBOX_KEYS"
    )
    assert not unknown, f"core.manifests.resources.Resources lacks {unknown}"
    limits = set(LIMIT_KEYS.values())
    assert not limits - set(types(Limits)), "core.limits.Limits lacks some"


def test_every_key_of_the_mailbox_is_taken_by_something() -> None:
    source = outside_of_the_core()
    idle = [word for word in MAILBOX_KEYS if not re.search(rf"terms\.{word}\b", source)]

    assert not idle, f"no module takes {idle} of core.manifests.resources.MAILBOX_KEYS"


def test_the_engine_holds_every_limit() -> None:
    source = "".join(file.read_text() for file in PACKAGE.glob("engine/*.py"))
    idle = [
        key.name
        for key in fields(Limits)
        if not re.search(rf"limits\.{key.name}\b", source)
    ]

    assert not idle, f"no module of the engine takes {idle} of core.limits.Limits"


def test_a_limit_is_the_same_where_a_manifest_says_nothing() -> None:
    limits = {key.name: key.default for key in fields(Limits)}
    given = {key.name: key.default for key in fields(Resources)}
    free = [key for key in LIMIT_KEYS if given[key] not in {NOTHING, None}]

    assert {key: given[key] for key in free} == {
        key: limits[LIMIT_KEYS[key]] for key in free
    }


def test_a_tree_file_can_override_every_key_of_resources() -> None:
    missing = sorted(set(types(Resources)) - set(types(ResourcesOverride)))
    unknown = sorted(set(types(ResourcesOverride)) - set(types(Resources)))
    required = [key.name for key in fields(ResourcesOverride) if key.default is NOTHING]

    assert not missing, f"core.manifests.resources.ResourcesOverride lacks {missing}"
    assert not unknown, f"core.manifests.resources.Resources lacks {unknown}"
    assert not required, f"core.manifests.resources.ResourcesOverride needs {required}"


@pytest.mark.parametrize("schema", [SharedQuota, Resources, ResourcesOverride])
def test_a_quota_is_written_alike_wherever_it_is_a_key(schema: type[Any]) -> None:
    table, here = types(Quota), types(schema)
    other = sorted(word for word in table if here.get(word, table[word]) != table[word])

    assert not other, (
        f"{schema.__name__} types {other} otherwise than core.limits.Quota"
    )


def test_a_key_is_written_alike_in_manifests_and_tree_files() -> None:
    here, there = types(Resources), types(ResourcesOverride)
    other = sorted(key for key in here if there.get(key, here[key]) != here[key])

    assert not other, f"ResourcesOverride has another type for {other} than Resources"


def test_every_quota_is_used_up_by_something() -> None:
    source = outside_of_the_core()
    idle = [
        word
        for word, row in QUOTAS.items()
        if not re.search(USES[row.kind].format(word), source)
    ]

    assert not idle, f"no module takes of the quotas {idle} (see USES in this test)"


def test_values_may_be_half_as_large_as_the_memory_and_at_least_a_mebibyte() -> None:
    assert Limits().values == Limits().memory // 2
    assert Limits(memory=2**16).values == 2**20
    assert Limits(memory=2**30, values=5).values == 5
    with pytest.raises(ValueError, match="values"):
        Limits(values=0)


def test_what_follows_from_the_memory_is_left_to_the_limits() -> None:
    plain = Resources(memory=2**24, fuel=1, timeout=1.0)

    assert plain.limits.values == 2**23
    assert evolve(plain, values=5).limits.values == 5
    assert evolve(plain, resource_handles=7).limits.handles == 7
