"""Suppressions: found again by hash or pattern, kept as hashes, removed when two whole draws did not see them."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import product
from pathlib import Path

import pytest
from sqlalchemy import func, select

from shared.broadcast import Broadcast, State
from shared.database.connections import Database
from shared.ledger import Ledger, tables
from shared.ledger.suppressions import KINDS, Entry, Patterns, Suppressions, address_hash
from shared.rejects import RejectReason
from tests.clocks import MovableClock

UNSUBSCRIBED, BLOCKLISTED, BOUNCED_OUT = (
    RejectReason.UNSUBSCRIBED,
    RejectReason.BLOCKLISTED,
    RejectReason.BOUNCED_OUT,
)
LIST = 40_291_413_820
MOMENT = datetime(2026, 2, 1, 8, tzinfo=UTC)


@pytest.fixture
def suppressions(ledger: Ledger) -> Suppressions:
    return ledger.suppressions


def entries(*addresses: str, list_id: int = 0) -> list[Entry]:
    return [Entry(address=address, since=MOMENT, list_id=list_id) for address in addresses]


def draw_whole(suppressions: Suppressions, kind: RejectReason, found: list[Entry]) -> int:
    """A draw of the whole set; how many were removed."""
    source = suppressions.source(kind)
    suppressions.add(kind, found, sync=source.draws + 1)
    return suppressions.finish(source, full=True, newest=MOMENT)


def test_an_address_is_found_whatever_its_case_and_given_back_as_it_was_asked_for(suppressions: Suppressions) -> None:
    suppressions.add(UNSUBSCRIBED, entries(" Anna.Ash@Example.ORG "), sync=1)
    asked = ["anna.ash@example.org", "ANNA.ASH@example.org", "bert@example.org"]
    assert suppressions.among(LIST, asked) == dict.fromkeys(asked[:2], UNSUBSCRIBED)


def test_what_concerns_one_list_is_found_on_that_list_only(suppressions: Suppressions) -> None:
    suppressions.add(UNSUBSCRIBED, entries("one@example.org", list_id=LIST), sync=1)
    suppressions.add(UNSUBSCRIBED, entries("every@example.org"), sync=1)
    both = ["one@example.org", "every@example.org"]
    assert suppressions.among(LIST, both).keys() == set(both)
    assert suppressions.among(LIST + 1, both).keys() == {"every@example.org"}


def test_one_recipient_can_be_unsubscribed_from_several_lists(suppressions: Suppressions) -> None:
    found = entries("a@example.org", list_id=1) + entries("a@example.org", list_id=2) + entries("a@example.org")
    assert suppressions.add(UNSUBSCRIBED, found, sync=1) == 3
    assert suppressions.add(UNSUBSCRIBED, found, sync=1) == 0


def test_of_several_reasons_the_blocklist_comes_first_and_an_unsubscribe_last(suppressions: Suppressions) -> None:
    address = "a@example.org"
    for kind in (UNSUBSCRIBED, BOUNCED_OUT, BLOCKLISTED):
        suppressions.add(kind, entries(address), sync=1)
        assert suppressions.among(LIST, [address]) == {address: kind}


def test_more_addresses_than_a_statement_takes_are_added_and_found(suppressions: Suppressions) -> None:
    addresses = [f"reader{number}@example.org" for number in range(2500)]
    assert suppressions.add(UNSUBSCRIBED, entries(*addresses, addresses[0]), sync=1) == 2500
    others = [f"other{number}@example.org" for number in range(2500)]
    assert suppressions.among(LIST, others + addresses).keys() == set(addresses)


@pytest.mark.parametrize(
    ("pattern", "address", "meant"),
    [
        ("*@blocked.example", "anna@blocked.example", True),
        ("*@Blocked.Example", "ANNA@blocked.EXAMPLE", True),
        ("*@blocked.example", "anna@sub.blocked.example", False),
        ("*@*.blocked.example", "anna@sub.blocked.example", True),
        ("*@blocked.example", "anna@blockedxexample", False),
        ("info@*", "info@example.org", True),
        ("info@*", "my.info@example.org", False),
        ("j?hn@example.org", "john@example.org", True),
        ("j?hn@example.org", "joohn@example.org", False),
        ("[ab]*@example.org", "anna@example.org", False),
        ("[ab]*@example.org", "[ab]@example.org", True),
        ("*", "anna@example.org", True),
        ("**@**example.org", "anna@example.org", True),
    ],
)
def test_a_pattern_of_the_blocklist_means_what_its_wildcards_say(
    suppressions: Suppressions, pattern: str, address: str, *, meant: bool
) -> None:
    suppressions.add(BLOCKLISTED, entries(pattern, "somebody@else.example"), sync=1)
    assert suppressions.among(LIST, [address]) == ({address: BLOCKLISTED} if meant else {})


def test_short_patterns_mean_exactly_what_the_shell_means_by_them() -> None:
    texts = ["".join(letters) for length in (1, 2, 3, 4) for letters in product("ab@", repeat=length)]
    for letters in product("a*?@", repeat=4):
        pattern = "".join(letters)
        patterns = Patterns([pattern])
        assert {text for text in texts if patterns.match(text)} == {
            text for text in texts if fnmatchcase(text, pattern)
        }, pattern


def test_patterns_of_a_later_sync_are_read_and_those_removed_are_forgotten(
    suppressions: Suppressions, clock: MovableClock
) -> None:
    asked = ["a@old.example", "a@new.example"]
    draw_whole(suppressions, BLOCKLISTED, entries("*@old.example"))
    assert suppressions.among(LIST, asked).keys() == {"a@old.example"}
    clock.advance(hours=1)
    draw_whole(suppressions, BLOCKLISTED, entries("*@new.example"))
    assert suppressions.among(LIST, asked).keys() == set(asked)
    clock.advance(hours=1)
    draw_whole(suppressions, BLOCKLISTED, entries("*@new.example"))
    assert suppressions.among(LIST, asked).keys() == {"a@new.example"}


def test_wildcards_of_a_recipient_who_unsubscribed_are_letters_of_his_address(suppressions: Suppressions) -> None:
    suppressions.add(UNSUBSCRIBED, entries("who?@example.org", "*@example.org"), sync=1)
    assert suppressions.among(LIST, ["whom@example.org", "who?@example.org"]) == {"who?@example.org": UNSUBSCRIBED}


def test_blank_and_endless_entries_are_passed_over(suppressions: Suppressions) -> None:
    assert suppressions.add(BLOCKLISTED, entries("", "  ", "a" * 600 + "*"), sync=1) == 0


@pytest.mark.sqlite
def test_no_address_stands_in_the_database(suppressions: Suppressions, database: Database, url: str) -> None:
    suppressions.add(UNSUBSCRIBED, entries("secret.reader@example.org"), sync=1)
    suppressions.add(BLOCKLISTED, entries("hidden.reader@example.org", "*@shown.example"), sync=1)
    suppressions.record_answers(1, {address_hash("bounced.reader@example.org"): True})
    database.close()
    content = b"".join(file.read_bytes() for file in Path(url.removeprefix("sqlite:///")).parent.iterdir())
    assert b"shown.example" in content
    assert b"reader" not in content


def test_what_two_whole_syncs_in_a_row_did_not_see_is_removed(suppressions: Suppressions) -> None:
    both, one = entries("stays@example.org", "leaves@example.org"), entries("stays@example.org")
    among = ["stays@example.org", "leaves@example.org"]
    assert draw_whole(suppressions, UNSUBSCRIBED, both) == 0
    assert draw_whole(suppressions, UNSUBSCRIBED, one) == 0
    assert suppressions.among(LIST, among).keys() == set(among)
    assert draw_whole(suppressions, UNSUBSCRIBED, one) == 1
    assert suppressions.among(LIST, among).keys() == {"stays@example.org"}


def test_what_comes_back_before_the_second_whole_sync_stays(suppressions: Suppressions) -> None:
    for found in (entries("a@example.org"), [], entries("a@example.org"), []):
        assert draw_whole(suppressions, UNSUBSCRIBED, found) == 0
    assert suppressions.among(LIST, ["a@example.org"])


def test_an_unsubscribe_from_one_list_does_not_keep_that_from_another(suppressions: Suppressions) -> None:
    one, other = entries("a@example.org", list_id=1), entries("a@example.org", list_id=2)
    draw_whole(suppressions, UNSUBSCRIBED, one + other)
    draw_whole(suppressions, UNSUBSCRIBED, one)
    assert draw_whole(suppressions, UNSUBSCRIBED, one) == 1
    assert suppressions.among(1, ["a@example.org"])
    assert not suppressions.among(2, ["a@example.org"])


def test_patterns_and_addresses_are_removed_alike_and_other_kinds_stay(suppressions: Suppressions) -> None:
    suppressions.add(UNSUBSCRIBED, entries("u@example.org"), sync=1)
    suppressions.record_answers(1, {address_hash("b@example.org"): True})
    draw_whole(suppressions, BLOCKLISTED, entries("*@blocked.example", "x@example.org"))
    assert suppressions.source(BLOCKLISTED).entries == 2
    draw_whole(suppressions, BLOCKLISTED, [])
    assert draw_whole(suppressions, BLOCKLISTED, []) == 2
    found = suppressions.among(LIST, ["a@blocked.example", "x@example.org", "u@example.org", "b@example.org"])
    assert found == {"u@example.org": UNSUBSCRIBED, "b@example.org": BOUNCED_OUT}


def test_a_sync_of_what_is_new_removes_nothing(suppressions: Suppressions) -> None:
    draw_whole(suppressions, UNSUBSCRIBED, entries("a@example.org"))
    for _ in range(3):
        assert suppressions.finish(suppressions.source(UNSUBSCRIBED), full=False, newest=MOMENT) == 0
    assert suppressions.source(UNSUBSCRIBED).draws == 1
    assert suppressions.among(LIST, ["a@example.org"])


def test_they_are_complete_when_each_kind_was_synced_as_a_whole(suppressions: Suppressions) -> None:
    for kind in KINDS:
        assert not suppressions.complete()
        suppressions.add(kind, entries("a@example.org"), sync=1)
        suppressions.record_failure(kind, code="optimizely-unavailable")
        assert not suppressions.complete()
        draw_whole(suppressions, kind, [])
    assert suppressions.complete()
    suppressions.record_failure(KINDS[0], code="optimizely-unavailable")
    assert suppressions.complete()


def test_a_source_shows_its_last_sync_and_of_its_last_failure(suppressions: Suppressions, clock: MovableClock) -> None:
    first = clock.now()
    draw_whole(suppressions, UNSUBSCRIBED, entries("a@example.org", "b@example.org"))
    later = clock.advance(hours=1)
    suppressions.record_failure(UNSUBSCRIBED, code="optimizely-unavailable")
    source = suppressions.source(UNSUBSCRIBED)
    assert (source.whole_at, source.drawn_at, source.entries, source.newest) == (first, first, 2, MOMENT)
    assert (source.error_code, source.failed_at) == ("optimizely-unavailable", later)
    suppressions.finish(source, full=False, newest=later)
    source = suppressions.source(UNSUBSCRIBED)
    assert (source.whole_at, source.drawn_at, source.newest) == (first, later, later)
    assert (source.error_code, source.failed_at) == (None, None)
    assert [one.kind for one in suppressions.sources()] == list(KINDS)


def test_mailings_are_those_of_broadcasts_that_may_have_sent_lately(
    suppressions: Suppressions, take_in: Callable[..., Broadcast], clock: MovableClock
) -> None:
    since = clock.now()
    states = [State.SENDING, State.SENT, State.CLOSED, State.NEEDS_OPERATOR]
    for number, state in enumerate(states, start=1):
        take_in(number, state=state, mailing_id=100 + number)
    take_in(5, state=State.PREPARED, mailing_id=105)
    take_in(6, state=State.CLOSED)
    take_in(7, state=State.CLOSED, mailing_id=107, changed_at=since - timedelta(days=1))
    take_in(8, state=State.CLOSED, mailing_id=101)
    assert suppressions.mailings(since=since) == [101, 104, 103, 102]


def test_after_a_hard_bounce_it_is_asked_once_and_the_answer_decides(suppressions: Suppressions) -> None:
    hashes = {name: address_hash(f"{name}@example.org") for name in ("out", "in", "new")}
    answers = {hashes["out"]: True, hashes["in"]: False}
    suppressions.record_answers(1, answers)
    assert suppressions.unasked(1, list(hashes.values())) == [hashes["new"]]
    assert suppressions.unasked(2, list(hashes.values())) == list(hashes.values())
    assert suppressions.among(LIST, [f"{name}@example.org" for name in hashes]) == {"out@example.org": BOUNCED_OUT}


def test_who_is_not_bounced_out_any_more_is_taken_off(suppressions: Suppressions) -> None:
    one = address_hash("a@example.org")
    suppressions.record_answers(1, {one: True})
    suppressions.record_answers(2, {one: True})
    assert suppressions.among(LIST, ["a@example.org"])
    suppressions.record_answers(3, {one: False})
    assert not suppressions.among(LIST, ["a@example.org"])


def test_bounces_are_forgotten_and_who_is_out_is_not(
    suppressions: Suppressions, database: Database, clock: MovableClock
) -> None:
    one = address_hash("a@example.org")
    suppressions.record_answers(1, {one: True})
    suppressions.forget_bounces(before=clock.now())
    assert suppressions.unasked(1, [one]) == []
    suppressions.forget_bounces(before=clock.advance(days=30))
    with database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.suppression_bounce)) == 0
    assert draw_whole(suppressions, BOUNCED_OUT, []) == 0
    assert suppressions.among(LIST, ["a@example.org"])


def test_who_was_not_confirmed_as_bounced_out_for_half_a_year_is_removed(
    suppressions: Suppressions, clock: MovableClock
) -> None:
    suppressions.record_answers(1, {address_hash("old@example.org"): True, address_hash("both@example.org"): True})
    clock.advance(days=100)
    suppressions.record_answers(2, {address_hash("both@example.org"): True})
    for _ in range(3):
        suppressions.finish(suppressions.source(BOUNCED_OUT), full=True)
    assert suppressions.source(BOUNCED_OUT).entries == 2
    clock.advance(days=81)
    suppressions.finish(suppressions.source(BOUNCED_OUT), full=True)
    assert suppressions.among(LIST, ["old@example.org", "both@example.org"]) == {"both@example.org": BOUNCED_OUT}
