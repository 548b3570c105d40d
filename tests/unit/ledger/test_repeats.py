"""Which broadcasts sent the message of another one, and which Communication Keys the two have in common."""

from collections.abc import Callable, Iterable
from datetime import timedelta

import pytest

from shared.broadcast import Broadcast, SendMode, State
from shared.database.bulk.load import BulkLoad
from shared.ledger import Ledger, recipients, repeats
from shared.ledger.repeats import KeyRepeats
from tests.builders import NOON

type TakeIn = Callable[..., Broadcast]

_DIGEST = b"d" * 32
_WEEK = timedelta(days=7)


@pytest.fixture
def listed(ledger: Ledger, take_in: TakeIn) -> TakeIn:
    """Adds the n-th broadcast, with these Communication Keys on its list."""

    def add(job_id: int, keys: Iterable[str], *, state: State = State.CLOSED, **columns: object) -> Broadcast:
        broadcast = take_in(job_id, state=state, **columns)
        with recipients.remembering(BulkLoad(ledger.database), broadcast.id) as remembered:
            remembered.add([recipients.row(line, key, f"U{line}") for line, key in enumerate(keys, 2)])
        return broadcast

    return add


@pytest.fixture
def compare(ledger: Ledger) -> Callable[[Broadcast], KeyRepeats]:
    """Compares the keys of a broadcast with those of the last week."""
    return lambda broadcast: repeats.compare_keys(ledger.database, broadcast, since=NOON - _WEEK, check=lambda: None)


def earlier(ledger: Ledger, broadcast: Broadcast) -> set[int]:
    with ledger.database.reading() as connection:
        return {broadcast_id for broadcast_id, _ in repeats.earlier(connection, broadcast)}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("compared", [False, True])
def test_a_broadcast_counts_from_when_it_was_compared_unless_it_mailed_nobody(
    ledger: Ledger, take_in: TakeIn, state: State, *, compared: bool
) -> None:
    other = take_in(1, state=state, compared_at=NOON if compared else None)
    mine = take_in(2, state=State.STAGED)
    waiting, over = {State.CLAIMED, State.STAGED}, {State.FAILED, State.CANCELLED}
    counts = state not in over and (compared or state not in waiting)
    assert earlier(ledger, mine) == ({other.id} if counts else set())
    assert earlier(ledger, other) == set(), "mine is not compared yet"


def test_a_message_is_the_same_by_its_name_or_by_its_mailing(ledger: Ledger, take_in: TakeIn) -> None:
    by_name = take_in(1, state=State.SENT, source_mailing_id=7)
    by_mailing = take_in(2, state=State.SENT, message_name="Renamed", source_mailing_id=8)
    take_in(3, state=State.SENT, message_name="Another", source_mailing_id=9)
    take_in(4, state=State.SENT, message_name="Unknown")
    take_in(5, state=State.CLOSED, send_mode=SendMode.UPLOAD_ONLY)
    assert earlier(ledger, take_in(6, source_mailing_id=8)) == {by_name.id, by_mailing.id}
    assert earlier(ledger, take_in(7)) == {by_name.id}


def test_an_upload_only_is_the_same_by_list_and_channel(ledger: Ledger, take_in: TakeIn) -> None:
    only = {"send_mode": SendMode.UPLOAD_ONLY}
    same = take_in(1, state=State.CLOSED, **only)
    take_in(2, state=State.CLOSED, list_name="Other", **only)
    take_in(3, state=State.CLOSED, channel="other", **only)
    take_in(4, state=State.CLOSED)
    assert earlier(ledger, take_in(5, **only)) == {same.id}


def test_the_newest_with_the_same_bytes_is_found_however_old_it_is(ledger: Ledger, take_in: TakeIn) -> None:
    long_ago = NOON - timedelta(days=3650)
    take_in(1, state=State.CLOSED, content_digest=_DIGEST, changed_at=long_ago)
    second = take_in(2, state=State.CLOSED, content_digest=_DIGEST, changed_at=long_ago)
    take_in(3, state=State.CLOSED, content_digest=b"e" * 32)
    take_in(4, state=State.CLOSED)
    found = repeats.find_same_file(ledger.database, take_in(5, content_digest=_DIGEST))
    assert found is not None
    assert (found.key, found.state) == (second.key, State.CLOSED)
    assert repeats.find_same_file(ledger.database, take_in(6, content_digest=b"f" * 32)) is None
    assert repeats.find_same_file(ledger.database, take_in(7)) is None, "its file is unknown, as is that of the fourth"


def test_one_that_is_staged_again_is_found(ledger: Ledger, take_in: TakeIn) -> None:
    mine = take_in(1, state=State.STAGED)
    take_in(2, state=State.CLAIMED)
    assert repeats.find_unstaged(ledger.database, mine) is None
    again = take_in(3, state=State.CLAIMED, compared_at=NOON)
    found = repeats.find_unstaged(ledger.database, mine)
    assert found is not None
    assert found.key == again.key


def test_keys_are_compared_over_all_earlier_broadcasts(
    listed: TakeIn, compare: Callable[[Broadcast], KeyRepeats], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "_LINES", 3)
    listed(1, ["a", "b"])
    most = listed(2, ["B ", "c", "d", "x"])
    listed(3, ["e", "f"], message_name="Another", source_mailing_id=9)
    listed(4, ["e"], state=State.FAILED)
    found = compare(listed(5, ["a", "b", "c", "d", "e", "f", "g", ""], state=State.STAGED))
    assert found.most is not None
    assert (found.keys, found.repeated, found.most.key) == (7, 4, most.key)


def test_keys_of_before_count_for_a_time_unless_their_broadcast_has_not_ended(
    listed: TakeIn, compare: Callable[[Broadcast], KeyRepeats]
) -> None:
    just = listed(1, ["a"], changed_at=NOON - _WEEK)
    listed(2, ["b"], changed_at=NOON - _WEEK - timedelta(seconds=1))
    parked = listed(3, ["c", "d"], state=State.NEEDS_OPERATOR, changed_at=NOON - 2 * _WEEK)
    found = compare(listed(4, ["a", "b", "c", "d"], state=State.STAGED))
    assert found.most is not None
    assert (found.repeated, found.most.key) == (3, parked.key)
    assert compare(listed(5, ["a"], state=State.STAGED)).most == repeats.Earlier(key=just.key, state=State.CLOSED)


def test_a_list_without_keys_has_nothing_to_compare(listed: TakeIn, compare: Callable[[Broadcast], KeyRepeats]) -> None:
    listed(1, ["a", ""])
    assert compare(listed(2, ["", ""], state=State.STAGED)) == KeyRepeats(keys=0, repeated=0, most=None)
    assert compare(listed(3, [], state=State.STAGED)) == KeyRepeats(keys=0, repeated=0, most=None)
