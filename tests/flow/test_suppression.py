"""Suppressions are drawn from Optimizely, and who is suppressed is taken out before the upload and counted."""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest
from sqlalchemy import insert, update

from shared.bridge import Bridge
from shared.broadcast import State
from shared.clock import Clock, SystemClock
from shared.config.channels import Channel, Channels
from shared.database.connections import Database
from shared.errors import BridgeError, LeaseLost, OptimizelyRefused, OptimizelyUnavailable
from shared.ledger import Ledger, tables
from shared.ledger.leases import LeaseName
from shared.ledger.suppressions import KINDS, Suppressions
from shared.optimizely.rest.answers import BlacklistEntry, ResponseItem, ResponseItems, Unsubscribe
from shared.rejects import RejectReason
from shared.steps import sync_suppressions as step
from shared.steps.sync_suppressions import sync_suppressions
from tests.flow.harness import Flow, channel, until

UNSUBSCRIBED, BLOCKLISTED, BOUNCED_OUT = (
    RejectReason.UNSUBSCRIBED,
    RejectReason.BLOCKLISTED,
    RejectReason.BOUNCED_OUT,
)
LIST = 40_291_413_820
START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _fails(_: object) -> None:
    """A connection that dies."""
    raise OptimizelyUnavailable(operation="selectUnsubscribes", reason="ConnectionError")


@dataclass
class PlayedRest:
    """Stands in for the REST API where an answer must break off or change between two draws; counts the questions."""

    unsubscribed: list[Unsubscribe] = field(default_factory=list)
    blocklist: list[BlacklistEntry] = field(default_factory=list)
    bounced: dict[int, list[str]] = field(default_factory=dict)
    out: set[str] = field(default_factory=set)
    #: Called with each element or question before it is answered.
    unsubscribe_breaks: Callable[[Unsubscribe], None] = lambda _: None
    question_breaks: Callable[[str], None] = lambda _: None
    #: Unsubscribes read, bounces and questions asked for.
    read: list[str] = field(default_factory=list)
    mailings: list[int] = field(default_factory=list)
    questions: list[str] = field(default_factory=list)

    def select_unsubscribes(self, *, newest_first: bool = False) -> Iterator[Unsubscribe]:
        for one in sorted(self.unsubscribed, key=lambda one: one.created or START, reverse=newest_first):
            self.unsubscribe_breaks(one)
            self.read.append(one.recipient_id)
            yield one

    def find_all_blacklist_entries(self, *, newest_first: bool = False) -> Iterator[BlacklistEntry]:
        del newest_first
        yield from self.blocklist

    def select_responses(self, category: str, *, mailing_id: int) -> ResponseItems:
        assert category == "hardbounce"
        self.mailings.append(mailing_id)
        if mailing_id not in self.bounced:
            raise OptimizelyRefused(operation="selectResponses", status=404)
        return ResponseItems(
            items=tuple(ResponseItem(recipient_id=one) for one in self.bounced[mailing_id]), complete=True
        )

    def is_bounce_counter_threshold_exceeded(self, recipient_id: str) -> bool:
        self.question_breaks(recipient_id)
        self.questions.append(recipient_id)
        return recipient_id in self.out


@dataclass
class Parts:
    """As much of a bridge as the step needs."""

    channels: Channels
    ledger: Ledger
    rest: PlayedRest

    def draw(self) -> dict[RejectReason, int]:
        return sync_suppressions(cast("Bridge", self))

    @property
    def clock(self) -> Clock:
        return self.ledger.clock

    @property
    def suppressions(self) -> Suppressions:
        return self.ledger.suppressions

    def suppressed(self, *addresses: str) -> set[str]:
        return set(self.suppressions.among(LIST, addresses))

    def a_day_passes(self) -> None:
        """The last draw of everything was yesterday."""
        source = tables.suppression_source
        with self.ledger.database.writing() as connection:
            for kind in (UNSUBSCRIBED, BLOCKLISTED, BOUNCED_OUT):
                whole_at = self.suppressions.source(kind).whole_at
                if whole_at is not None:
                    connection.execute(
                        update(source).where(source.c.kind == kind).values(whole_at=whole_at - timedelta(days=1))
                    )

    def sent(self, *mailing_ids: int, days_ago: float = 0) -> None:
        """Broadcasts that sent these mailings."""
        changed_at = datetime.now(UTC) - timedelta(days=days_ago)
        texts = [
            column.name
            for column in tables.broadcast.c
            if not column.nullable and column.type.python_type is str and column.name not in {"key", "state"}
        ]
        with self.ledger.database.writing() as connection:
            connection.execute(
                insert(tables.broadcast),
                [
                    {
                        **dict.fromkeys(texts, ""),
                        **dict.fromkeys(("created_at", "changed_at", "due_at"), changed_at),
                        "key": f"J{mailing_id}",
                        "job_id": mailing_id,
                        "state": State.SENT,
                        "held": False,
                        "version": 1,
                        "attempts": 0,
                        "mailing_id": mailing_id,
                    }
                    for mailing_id in mailing_ids
                ],
            )


@pytest.fixture
def parts(rs_database: Database) -> Parts:
    ledger = Ledger.over(rs_database, lease_seconds=60, clock=SystemClock())
    return Parts(Channels({"Newsletter": Channel(suppress=True)}), ledger, PlayedRest())


def unsubscribes(*names: str, minutes: float = 0) -> list[Unsubscribe]:
    """Recipients who unsubscribed so long after the start, a second after each other."""
    return [
        Unsubscribe(recipient_id=f"{name}@example.org", created=START + timedelta(minutes=minutes, seconds=number))
        for number, name in enumerate(names)
    ]


def addresses(found: Sequence[Unsubscribe]) -> set[str]:
    return {one.recipient_id for one in found}


def test_nothing_is_synced_while_no_channel_takes_anybody_out(parts: Parts) -> None:
    parts.channels = Channels()
    parts.rest.unsubscribe_breaks = _fails
    assert parts.draw() == {}
    assert not parts.suppressions.complete()


def test_while_somebody_else_syncs_nothing_is_synced(parts: Parts) -> None:
    with parts.ledger.leases.held(LeaseName.for_chore("suppressions"), "somebody else"):
        assert parts.draw() == {}
    assert parts.draw() != {}


def test_a_first_sync_that_breaks_off_keeps_what_it_read_and_does_not_count_as_complete(parts: Parts) -> None:
    parts.rest.unsubscribed = unsubscribes(*(f"reader{number}" for number in range(12_000)))
    last = parts.rest.unsubscribed[-1]
    parts.rest.unsubscribe_breaks = lambda one: _fails(one) if one is last else None
    assert UNSUBSCRIBED not in parts.draw()
    kept = parts.suppressed(*addresses(parts.rest.unsubscribed))
    assert len(kept) == 10_000, "it is written in batches"
    source = parts.suppressions.source(UNSUBSCRIBED)
    assert (source.whole_at, source.newest, source.error_code) == (None, None, "optimizely-unavailable")
    assert not parts.suppressions.complete()

    parts.rest.unsubscribe_breaks = lambda _: None
    assert parts.draw()[UNSUBSCRIBED] == 2_000
    assert parts.suppressed(*addresses(parts.rest.unsubscribed)) == addresses(parts.rest.unsubscribed)
    assert parts.suppressions.complete()


def test_an_error_in_one_kind_stops_no_other_and_names_nobody(parts: Parts, caplog: pytest.LogCaptureFixture) -> None:
    def is_odd(one: Unsubscribe) -> None:
        raise ValueError(one.recipient_id)

    parts.rest.unsubscribed = unsubscribes("secret")
    parts.rest.unsubscribe_breaks = is_odd
    parts.rest.blocklist = [BlacklistEntry(pattern="*@blocked.example")]
    with caplog.at_level(logging.DEBUG):
        assert parts.draw() == {BLOCKLISTED: 1, BOUNCED_OUT: 0}
    assert parts.suppressions.source(UNSUBSCRIBED).error_code == "unexpected-error"
    assert parts.suppressed("a@blocked.example") == {"a@blocked.example"}
    assert "unexpected" in caplog.text
    assert "secret" not in caplog.text


def test_a_lost_lease_ends_the_sync(parts: Parts) -> None:
    def lose(_: Unsubscribe) -> None:
        with parts.ledger.database.writing() as connection:
            connection.execute(update(tables.lease).values(owner="somebody else"))
        raise LeaseLost(lease="suppressions")

    parts.rest.unsubscribed = unsubscribes("a")
    parts.rest.unsubscribe_breaks = lose
    with pytest.raises(LeaseLost):
        parts.draw()
    assert parts.suppressions.source(BLOCKLISTED).drawn_at is None


def test_a_later_sync_reads_what_is_new_and_an_hour_before_it(parts: Parts) -> None:
    old, recent = unsubscribes("old", "older", minutes=-90), unsubscribes("recent")
    parts.rest.unsubscribed = old + recent
    parts.draw()
    parts.rest.read.clear()
    late, new = unsubscribes("late", minutes=-30), unsubscribes("new", minutes=30)
    parts.rest.unsubscribed += late + new
    assert parts.draw()[UNSUBSCRIBED] == 2
    # The first one that is too old is looked at, and ends it.
    assert parts.rest.read == [*addresses(new), *addresses(recent), *addresses(late), "older@example.org"]
    assert parts.suppressions.source(UNSUBSCRIBED).newest == START + timedelta(minutes=30)


def test_a_later_sync_that_breaks_off_is_done_again_from_its_beginning(parts: Parts) -> None:
    parts.rest.unsubscribed = unsubscribes("first")
    parts.draw()
    parts.rest.unsubscribed += unsubscribes("missed", "seen", minutes=60 * 24)
    parts.rest.unsubscribe_breaks = lambda one: _fails(one) if one.recipient_id.startswith("missed") else None
    assert UNSUBSCRIBED not in parts.draw()
    assert parts.suppressions.source(UNSUBSCRIBED).newest == START
    parts.rest.unsubscribe_breaks = lambda _: None
    parts.draw()
    assert parts.suppressed("missed@example.org", "seen@example.org") == {"missed@example.org", "seen@example.org"}


def test_a_time_in_the_future_hides_nobody(parts: Parts) -> None:
    parts.rest.unsubscribed = unsubscribes("future", minutes=60 * 24 * 365 * 50)
    parts.draw()
    parts.rest.unsubscribed += [Unsubscribe(recipient_id="now@example.org", created=datetime.now(UTC))]
    assert parts.draw()[UNSUBSCRIBED] == 1


def test_who_subscribes_again_or_leaves_the_blocklist_is_mailed_again_after_two_daily_syncs(parts: Parts) -> None:
    back, stays = unsubscribes("back"), unsubscribes("stays", minutes=1)
    parts.rest.unsubscribed = back + stays
    parts.rest.blocklist = [
        BlacklistEntry(pattern="*@blocked.example", created=START),
        BlacklistEntry(pattern="one@example.org", created=START),
    ]
    everybody = ["back@example.org", "stays@example.org", "a@blocked.example", "one@example.org"]
    parts.draw()
    assert parts.suppressed(*everybody) == set(everybody)
    parts.rest.unsubscribed, parts.rest.blocklist = stays, []
    for _ in range(3):
        parts.draw()
    assert parts.suppressed(*everybody) == set(everybody)
    for _ in range(2):
        parts.a_day_passes()
        parts.draw()
    assert parts.suppressed(*everybody) == {"stays@example.org"}


def test_an_unsubscribe_from_one_list_concerns_that_list(parts: Parts) -> None:
    parts.rest.unsubscribed = [
        Unsubscribe(recipient_id="here@example.org", recipient_list_id=LIST, created=START),
        Unsubscribe(recipient_id="there@example.org", recipient_list_id=LIST + 1, created=START),
    ]
    parts.draw()
    assert parts.suppressed("here@example.org", "there@example.org") == {"here@example.org"}


def test_international_domains_are_compared_as_mail_is_sent_to_them(parts: Parts) -> None:
    parts.rest.unsubscribed = [Unsubscribe(recipient_id="anna@bücher.example", created=START)]
    parts.rest.blocklist = [BlacklistEntry(pattern="*@größe.example"), BlacklistEntry(pattern="*ü*@*.ü.example")]
    parts.draw()
    asked = ["anna@xn--bcher-kva.example", "anna@xn--gre-6ka8i.example", "anna@bucher.example"]
    assert parts.suppressed(*asked) == set(asked[:2])


def test_after_hard_bounces_each_recipient_is_asked_for_once(parts: Parts) -> None:
    parts.sent(1, 2)
    parts.rest.bounced = {1: ["out@example.org", "Once@example.org"], 2: ["OUT@example.org"]}
    parts.rest.out = {"out@example.org", "OUT@example.org"}
    assert parts.draw()[BOUNCED_OUT] == 1
    assert parts.suppressed("out@example.org", "once@example.org") == {"out@example.org"}
    assert sorted(one.lower() for one in parts.rest.questions) == ["once@example.org", "out@example.org"]
    parts.draw()
    assert len(parts.rest.questions) == 2
    parts.rest.bounced[2].append("once@example.org")
    parts.rest.out.add("once@example.org")
    assert parts.draw()[BOUNCED_OUT] == 1
    assert parts.suppressed("once@example.org")


def test_hard_bounces_of_the_last_days_are_read_in_every_sync_and_older_ones_once_a_day(parts: Parts) -> None:
    parts.sent(1)
    parts.sent(2, days_ago=10)
    parts.sent(3, days_ago=31)
    parts.rest.bounced = {1: [], 2: [], 3: []}
    for expected in ([2, 1], [1]):
        parts.draw()
        assert parts.rest.mailings == expected
        parts.rest.mailings.clear()
    parts.a_day_passes()
    parts.draw()
    assert parts.rest.mailings == [2, 1]


def test_a_message_that_was_deleted_at_optimizely_does_not_stop_the_others(parts: Parts) -> None:
    parts.sent(1, 2)
    parts.rest.bounced, parts.rest.out = {1: ["out@example.org"]}, {"out@example.org"}
    assert parts.draw()[BOUNCED_OUT] == 1
    assert parts.suppressions.complete()


def test_a_mailing_whose_bounces_are_refused_stops_no_other_and_the_sync_is_not_complete(parts: Parts) -> None:
    parts.sent(1, 2)
    parts.rest.bounced, parts.rest.out = {1: ["out@example.org"], 2: []}, {"out@example.org"}
    select = parts.rest.select_responses

    def refuse(category: str, *, mailing_id: int) -> ResponseItems:
        if mailing_id == 2:
            raise OptimizelyRefused(operation="selectResponses", status=400)
        return select(category, mailing_id=mailing_id)

    parts.rest.select_responses = refuse  # type: ignore[method-assign]
    assert BOUNCED_OUT not in parts.draw()
    assert parts.suppressed("out@example.org") == {"out@example.org"}
    assert not parts.suppressions.complete()
    assert parts.suppressions.source(BOUNCED_OUT).error_code == "optimizely-refused"


def test_a_sync_asks_for_so_many_recipients_and_the_next_goes_on(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(step, "_QUESTION_LIMIT", 100)
    parts.sent(1)
    parts.rest.bounced[1] = [f"reader{number}@example.org" for number in range(130)]
    parts.rest.out = set(parts.rest.bounced[1])
    assert BOUNCED_OUT not in parts.draw()
    assert not parts.suppressions.complete()
    assert parts.draw()[BOUNCED_OUT] == 30
    assert len(parts.rest.questions) == 130
    assert parts.suppressed(*parts.rest.out) == parts.rest.out


def test_answers_before_a_broken_connection_are_kept(parts: Parts) -> None:
    parts.sent(1)
    parts.rest.bounced[1] = ["first@example.org", "second@example.org"]
    parts.rest.out = set(parts.rest.bounced[1])
    parts.rest.question_breaks = lambda one: _fails(one) if one.startswith("second") else None
    assert BOUNCED_OUT not in parts.draw()
    assert parts.suppressed(*parts.rest.out) == {"first@example.org"}
    parts.rest.question_breaks = lambda _: None
    parts.draw()
    assert parts.rest.questions == ["first@example.org", "second@example.org"]


def test_a_recipient_whom_optimizely_does_not_know_stops_no_other(parts: Parts) -> None:
    def refuse(recipient_id: str) -> None:
        if recipient_id == "odd":
            error: BridgeError = OptimizelyRefused(operation="isBounceCounterThresholdExceeded", status=400)
            raise error

    parts.sent(1)
    parts.rest.bounced[1], parts.rest.out = ["odd", "out@example.org"], {"out@example.org"}
    parts.rest.question_breaks = refuse
    assert parts.draw()[BOUNCED_OUT] == 1


def test_suppressed_recipients_are_taken_out_before_the_upload_and_counted_by_reason(alone: Flow) -> None:
    alone.use(channel(suppress=True, repeats="allow"))
    suppressions = alone.bridge.ledger.suppressions
    skipped, rejects = [], []
    # The same recipients each time: who bounces does so again, and is bounced out after the third time.
    for _ in range(4):
        sync_suppressions(alone.bridge)
        assert suppressions.complete()
        broadcast = alone.run(alone.order(recipients=2_000))
        assert broadcast.state is State.CLOSED
        skipped.append(alone.simulator()["imports"][-1]["skipped"])
        rejects.append(alone.bridge.ledger.broadcasts.rejects(broadcast))
        assert broadcast.rows is not None
        assert broadcast.rows.accounted == broadcast.rows.read
        assert broadcast.rows.suppressed == sum(rejects[-1].get(kind, 0) for kind in KINDS)
        alone.pass_time(days=4)
        until(lambda: bool(alone.simulator()["idle"]), "every reaction is known")
    first, last = rejects[0], rejects[-1]
    assert first.keys() & set(KINDS) == {BLOCKLISTED}
    assert last.keys() & set(KINDS) == set(KINDS)
    assert last[BLOCKLISTED] == first[BLOCKLISTED]
    # Nobody is left to Optimizely's own check but those whom it reports to nobody.
    assert skipped[-1] == skipped[0]
    assert skipped[0].keys() == {"unsubscribed"}
