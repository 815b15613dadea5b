from __future__ import annotations

from typing import Any

import jsonschema  # type: ignore[import-untyped]

from airssys.core.limits import MIB
from airssys.core.manifests.host import HostConfig, Profile, host_schema

GOOD = {
    "profile": "strict",
    "memory": "8MiB",
    "slices": {"inline": 1000, "quantum": "10ms"},
    "audit": {"file": "log/audit.jsonl", "grants": True, "rotate": "1MiB"},
    "capabilities": {"network": {"outbound": ["10.0.0.0/8:*"]}},
    "forbidden": {"filesystem": {"read": ["/etc/**"]}},
}


def test_a_profile_sets_the_ceiling_unless_memory_does() -> None:
    assert HostConfig(profile=Profile.STRICT).ceiling == 4 * MIB
    assert HostConfig(profile=Profile.STRICT, memory=5 * MIB).ceiling == 5 * MIB


def test_the_json_schema_takes_a_good_file_and_refuses_a_bad_one() -> None:
    schema: Any = host_schema()
    validator = jsonschema.Draft202012Validator(schema)

    assert validator.is_valid(GOOD)
    assert not validator.is_valid({"memory": "1Mib"})
    assert not validator.is_valid({"nam": "x"})
    assert not validator.is_valid({"capabilities": {"network": {"outbond": []}}})
    assert not validator.is_valid({"forbidden": {"expires": {}}})
    assert not validator.is_valid({"audit": {"keep": 0}})
