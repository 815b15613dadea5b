from __future__ import annotations

import pytest

from airssys.cli.offering import Terms, open_offer
from airssys.core.grants.grants import Grants
from airssys.core.grants.sections import StorageGrants
from airssys.core.manifests.host import HostConfig
from airssys.testing import Recorder

from ..relay import relay

pytestmark = pytest.mark.guest

OWN = "component:self/**"
USED = ("wasi:keyvalue/store@0.2.0-draft2", "airssys:core/storage@1.0.0")


async def test_what_is_kept_by_wasi_is_kept_by_airssys() -> None:
    terms = Terms(
        grants=Grants(storage=StorageGrants(read=[OWN], write=[OWN], delete=[OWN]))
    )
    async with open_offer(terms, HostConfig(), Recorder(), actor="a") as offer:
        chosen = [each for each in offer.imports if each.name in USED]
        async with relay(chosen, grants=offer.standing, guard=offer.gate) as guest:
            users = await guest("store#open", "users")
            await guest("store#[method]bucket.set", users, "ada", b"1")

            assert await guest("storage#get", "users/ada") == b"1"
            usage = await guest("storage#usage")
            budget = offer.standing.budget
            assert budget is not None
            assert budget.held("storage") == usage.used_bytes
