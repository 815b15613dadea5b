from __future__ import annotations

from itertools import pairwise

import pytest
from attrs import define, field
from hypothesis import given
from hypothesis import strategies as st

from airssys.core.errors import AskCycle, QuotaExceeded
from airssys.core.message import (
    HOST,
    AskGraph,
    Message,
    Overflow,
    PendingRequests,
    check_topic,
)

ACTORS = st.sampled_from("abcdef")


@define
class Given:
    """An `Answer` that keeps what it was given."""

    id: str = "a:1"
    is_open: bool = True
    is_answered: bool = False
    replies: list[bytes | str] = field(factory=list)

    async def reply(self, payload: bytes | str) -> None:
        self.replies.append(payload)

    def refuse(self, error: Exception) -> None:
        raise error


# --- Message ----------------------------------------------------------------------


def test_a_message_is_from_the_host_unless_it_says_otherwise() -> None:
    message = Message("grüß".encode())

    assert message.sender == HOST
    assert message.text == "grüß"
    assert message.request_id is None


async def test_an_asked_message_passes_its_reply_on() -> None:
    answer = Given()
    message = Message(b"?", "a", None, answer)

    await message.reply("done")

    assert answer.replies == ["done"]
    assert message.request_id == "a:1"


async def test_a_reply_to_a_message_that_was_only_sent_is_dropped() -> None:
    await Message(b"!", "a").reply(b"done")


# --- Overflow ---------------------------------------------------------------------


def test_only_where_the_rule_is_to_wait_do_senders_wait() -> None:
    waiting = [rule for rule in Overflow if rule.holds_up_senders]

    assert waiting == [Overflow.WAIT]


# --- AskGraph ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("waits", "asker", "target", "cycle"),
    [
        ((), "a", "a", "aa"),
        (("ab",), "b", "a", "bab"),
        (("ab", "bc"), "c", "a", "cabc"),
        (("ab", "bc", "ac"), "c", "a", "cac"),
        (("ab", "ac", "cd", "bx", "xd"), "d", "a", "dacd"),
        (("ab",), "a", "b", ""),
        (("ab",), "a", "c", ""),
        (("ab", "bc", "bd", "cd"), "x", "a", ""),
    ],
)
def test_a_wait_that_would_close_a_cycle_is_found(
    waits: tuple[str, ...], asker: str, target: str, cycle: str
) -> None:
    graph = AskGraph()
    for wait in waits:
        graph.wait(wait[0], wait[1])

    assert graph.cycle(asker, target) == tuple(cycle)


def test_a_cycle_is_refused_by_name_and_leaves_no_trace() -> None:
    graph = AskGraph()
    graph.wait("a", "b")

    with pytest.raises(AskCycle, match="b -> a -> b"):
        graph.wait("b", "a")

    assert graph.cycle("a", "b") == ()


def test_a_wait_counts_until_each_of_its_asks_is_done() -> None:
    graph = AskGraph()
    graph.wait("a", "b")
    graph.wait("a", "b")
    graph.wait("a", "c")

    graph.done("a", "b")
    assert graph.cycle("b", "a") == ("b", "a", "b")
    assert graph.cycle("c", "a") == ("c", "a", "c")
    graph.done("a", "b")
    assert graph.cycle("b", "a") == ()
    assert graph.cycle("c", "a") == ("c", "a", "c")
    graph.done("a", "c")
    assert graph.cycle("c", "a") == ()

    graph.wait("b", "a")


@given(st.lists(st.tuples(ACTORS, ACTORS), max_size=30))
def test_the_waits_that_are_let_in_never_form_a_cycle(
    asks: list[tuple[str, str]],
) -> None:
    graph = AskGraph()
    edges: set[tuple[str, str]] = set()
    for asker, target in asks:
        try:
            graph.wait(asker, target)
        except AskCycle:
            cycle = graph.cycle(asker, target)
            steps = set(pairwise(cycle))
            assert cycle[0] == cycle[-1] == asker
            assert steps - edges == {(asker, target)}
        else:
            edges.add((asker, target))

    # What has no cycle can be taken apart by removing who waits for nobody.
    while edges:
        waiting = {asker for asker, _ in edges}
        rest = {edge for edge in edges if edge[1] in waiting}
        assert rest != edges
        edges = rest


# --- PendingRequests --------------------------------------------------------------


def test_requests_expire_in_the_order_of_their_deadlines() -> None:
    pending = PendingRequests("a")
    late = pending.open("b", 3.0)
    soon = pending.open("c", 1.0)
    between = pending.open("d", 2.0)

    assert pending.next_deadline() == 1.0
    assert pending.expired(0.9) == ()
    assert pending.expired(2.0) == (soon, between)
    assert pending.next_deadline() == 3.0
    assert len(pending) == 1
    assert pending.close(late.id) is late
    assert pending.next_deadline() is None


def test_a_closed_request_neither_expires_nor_closes_again() -> None:
    pending = PendingRequests("a")
    request = pending.open("b", 1.0)

    assert pending.close(request.id) is request
    assert pending.close(request.id) is None
    assert pending.expired(9.0) == ()


def test_ids_are_not_used_again_after_all_was_forgotten() -> None:
    pending = PendingRequests("a")
    before = pending.open("b", 1.0)
    pending.clear()

    after = pending.open("b", 1.0)

    assert pending.close(before.id) is None
    assert pending.close(after.id) is after


def test_too_many_open_requests_are_refused_and_nothing_is_lost() -> None:
    pending = PendingRequests("a", limit=2)
    kept = [pending.open("b", 1.0), pending.open("b", 2.0)]

    with pytest.raises(QuotaExceeded, match=r"actor 'a' .* pending requests .*: 2\)"):
        pending.open("b", 3.0)

    assert pending.expired(9.0) == tuple(kept)


def test_requests_that_were_answered_early_do_not_pile_up() -> None:
    pending = PendingRequests("a", limit=4)
    kept = pending.open("b", 1000.0)

    for number in range(500):
        pending.close(pending.open("b", 2000.0 + number).id)

    assert len(pending._deadlines) <= 10
    assert pending.next_deadline() == kept.deadline


@given(
    st.lists(st.one_of(st.floats(0, 100), st.integers(0, 20), st.none()), max_size=60)
)
def test_pending_requests_behave_as_a_plain_list_would(
    steps: list[float | int | None],
) -> None:
    """A float opens with that deadline, an int closes one, None lets time pass."""
    pending = PendingRequests("a", limit=5)
    plain: dict[str, float] = {}
    ids: list[str] = []
    for now, step in enumerate(steps):
        match step:
            case float() if len(plain) < 5:
                request = pending.open("b", step)
                plain[request.id] = step
                ids.append(request.id)
            case int() if step < len(ids):
                closed = pending.close(ids[step])
                assert (closed is None) == (ids[step] not in plain)
                plain.pop(ids[step], None)
            case None:
                found = {request.id for request in pending.expired(now)}
                assert found == {id_ for id_, due in plain.items() if due <= now}
                plain = {id_: due for id_, due in plain.items() if due > now}
            case _:
                pass  # one request too many, or none of that number yet
        assert pending.next_deadline() == min(plain.values(), default=None)
        assert len(pending) == len(plain)


# --- topics -----------------------------------------------------------------------


@pytest.mark.parametrize("topic", ["orders", "orders.created", "a.b.c", "1.ä"])
def test_a_topic_is_segments_between_dots(topic: str) -> None:
    check_topic(topic)


@pytest.mark.parametrize(
    "topic", ["", ".", "a..b", ".a", "a.", "a.*", "#", "a.b#", "a\n.b", "x" * 256]
)
def test_what_is_no_topic_is_refused_with_what_is_allowed(topic: str) -> None:
    with pytest.raises(ValueError, match="topic"):
        check_topic(topic)
