from __future__ import annotations

import pytest

from airssys.witmodel.agreement import meant

THERE = (
    "wasi:cli/run@0.2.0",
    "wasi:io/poll@0.3.1",
    "wasi:io/poll@1.4.0",
    "wasi:logging/logging@0.1.0-draft",
    "acme:deep/api@1.2.0#one",
    "acme:kv/store",
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("wasi:cli/run@0.2.3", ["wasi:cli/run@0.2.0"]),
        ("wasi:cli/run@0.3.0", []),
        ("wasi:cli/run", ["wasi:cli/run@0.2.0"]),
        ("wasi:io/poll@0.3.0", ["wasi:io/poll@0.3.1"]),
        ("wasi:io/poll@1.0.0", ["wasi:io/poll@1.4.0"]),
        ("wasi:io/poll@2.0.0", []),
        ("wasi:io/poll", ["wasi:io/poll@0.3.1", "wasi:io/poll@1.4.0"]),
        ("wasi:logging/logging@0.1.0-draft", ["wasi:logging/logging@0.1.0-draft"]),
        ("wasi:logging/logging@0.1.0-draft2", []),
        ("wasi:logging/logging@0.1.0", []),
        ("wasi:logging/logging", ["wasi:logging/logging@0.1.0-draft"]),
        ("acme:deep/api@1.0.0#one", ["acme:deep/api@1.2.0#one"]),
        ("acme:deep/api#one", ["acme:deep/api@1.2.0#one"]),
        ("acme:deep/api@1.0.0#two", []),
        ("acme:kv/store@1.0.0", []),
        ("cli/run", []),
    ],
)
def test_a_name_means_what_is_there_at_a_compatible_version(
    wanted: str, found: list[str]
) -> None:
    assert meant(wanted, THERE) == found
