"""A tour through all that the code does with its databases: every statement is sent, in its large form too.

What a flow reaches is reached by a flow; the rest is called one by one.
"""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert

from shared.broadcast import Broadcast, State
from shared.config.channels import DEFAULT
from shared.database.bulk.load import BulkLoad
from shared.database.facts import facts_of_database, facts_of_table
from shared.errors import Held, ResponseFileVanished
from shared.faststats.ferg_file import FergFiles
from shared.ledger import erasures, person_rows, recipients, removals, repeats, tables
from shared.ledger.alerts import AlertKind
from shared.ledger.dropped_files import UnreadFile
from shared.ledger.effects import Kind, forget_effects
from shared.ledger.leases import LeaseName, Leases
from shared.ledger.migrations import Migration
from shared.ledger.person import GivenBy, Person
from shared.ledger.recipients import key_hash
from shared.ledger.responses import counts as response_counts
from shared.ledger.responses import ferg_files
from shared.ledger.responses import staging as responses
from shared.ledger.responses.files import record_load
from shared.ledger.responses.move import move
from shared.ledger.schema import Schema
from shared.ledger.suppressions import Entry, address_hash
from shared.ledger.test_sends import TestMails
from shared.ledger.unfinished_lines import count_unfinished, find_unfinished, get_rejects, withdraw_reject
from shared.operations import responses as operations
from shared.operations.broadcasts import cancel
from shared.operations.erasure.erase import erase
from shared.operations.responses import load_again
from shared.rejects import RejectReason
from shared.response import Response
from shared.response_file import FileState, LoadCounts, ResponseFile
from shared.steps.chores.check_response_arrival import check_response_arrival
from shared.steps.chores.deliver_ferg_files import deliver_ferg_files
from shared.steps.chores.match_responses import match_responses
from shared.steps.chores.remove_expired import remove_expired
from shared.steps.housekeeping import housekeeping
from shared.steps.sync_suppressions import sync_suppressions
from shared.web.status import status
from tests.flow.harness import Flow, change_job, channel, until
from tests.response_files import OWNER, add_file, gather_file

#: More than one statement takes.
_MANY = 2_500


def tour(flow: Flow) -> None:
    """Send every statement."""
    flow.use(channel(suppress=True, repeats="allow"))
    sync_suppressions(flow.bridge)
    broadcast = flow.run(flow.order(recipients=300))
    assert broadcast.state is State.CLOSED, broadcast.error
    flow.collect_responses()
    sync_suppressions(flow.bridge)
    _ask_about(flow, broadcast)
    _come_again(flow, broadcast)
    _stop_another(flow)
    _hold(flow, broadcast)
    _send_a_test(flow)
    _have_jobs_of_every_kind(flow)
    _have_bad_days(flow)
    _upload_anew(flow, broadcast)
    _match_later(flow)
    _leave_in_files(flow)
    _suppress_many(flow)
    _alert(flow)
    _load_again(flow)
    _state_otherwise(flow)
    _be_refused(flow)
    _examine(flow)
    _archive(flow)
    _compare(flow, broadcast)
    _erase(flow)
    _remove_expired(flow)
    housekeeping(flow.bridge)
    _migrate(flow)


def _ask_about(flow: Flow, broadcast: Broadcast) -> None:
    broadcasts = flow.bridge.ledger.broadcasts
    status(flow.bridge)
    assert broadcasts.history(broadcast)
    assert broadcasts.rejects(broadcast)
    assert flow.bridge.ledger.effects.of(broadcast)
    with flow.bridge.rs_database.reading() as connection:
        assert flow.bridge.rs_db.count_by_type(connection)


def _stop_another(flow: Flow) -> None:
    job_id = flow.order()
    flow.poll()
    assert flow.bridge.ws_db is not None
    flow.bridge.ws_db.add_summary_line(job_id, "a line for the client")
    waiting = flow.broadcast(job_id)
    with flow.bridge.ledger.leases.held(LeaseName.for_broadcast(waiting.key), "tourist") as lease:
        assert lease is not None
        flow.bridge.ledger.effects.intend(waiting, Kind.COPY, "a name", lease)
    with flow.bridge.rs_database.writing() as connection:
        forget_effects(connection, waiting, (Kind.COPY,))
    cancel(flow.bridge, waiting.key, owner="operator")
    assert flow.run(job_id).state is State.CANCELLED


def _hold(flow: Flow, broadcast: Broadcast) -> None:
    """A hold, placed and lifted; the mark of the ledger; what holds what."""
    ledger, mark = flow.bridge.ledger, flow.bridge.mark
    placed = ledger.hold.add("a tour", by="tourist")
    with pytest.raises(Held):
        ledger.hold.check()
    assert ledger.hold.newest(1) == [placed]
    assert [hold.id for hold in ledger.hold.lift(by="tourist")] == [placed.id]
    mark.grow()
    mark.accept()
    mark._create()  # by another process, which was slower
    assert ledger.hold.in_force() == []
    assert ledger.leases.held_by(broadcast.key) == {}
    assert ledger.broadcasts.waiting_for_lease_of(broadcast) == []


def _send_a_test(flow: Flow) -> None:
    """A test send that is repeated, and one that is refused."""
    sends, request_id, refused = flow.bridge.ledger.test_sends, UUID(int=1), UUID(int=2)
    for send in (request_id, refused):
        assert sends.begin(send, channel=DEFAULT, message_name="Spring Newsletter")
    sends.forget(refused)
    sends.finish(request_id, TestMails(mailing_id=1, valid=2, without_address=0, blocklisted=0))
    assert sends.find(request_id) is not None
    assert sends.find(refused) is None


def _have_jobs_of_every_kind(flow: Flow) -> None:
    """A job that was cancelled while it waited, one that nobody can read, and one whose claimer died."""
    ws_db, ps_db = flow.bridge.ws_db, flow.bridge.ps_db
    assert ws_db is not None
    assert ps_db is not None
    cancelled, unread, orphan = flow.order(), flow.order(command="nothing"), flow.order()
    change_job(flow, cancelled, cancel_requested=1)
    assert ws_db.end_cancelled() == 1
    assert [job.id for job in ws_db.claim(10)] == [unread, orphan]
    assert [job.id for job in ws_db.orphans(after=-1, claimed_before=flow.clock.now() + timedelta(days=1))] == [
        unread,
        orphan,
    ]
    assert ws_db.claim() == []
    change_job(flow, unread, state="unassigned")
    flow.poll()
    assert flow.job(unread)[0] == "done"
    assert ps_db.find_delivery(UUID(int=1)) is None


def _come_again(flow: Flow, broadcast: Broadcast) -> None:
    """Its file comes again: in another job, and dropped."""
    flow.use(channel(suppress=True))
    repeat = flow.run(flow.order(recipients=300))
    flow.use(channel(suppress=True, repeats="allow"))
    assert repeat.repeats_key == broadcast.key
    database, since = flow.bridge.ledger.database, flow.clock.now() - timedelta(days=1)
    compared = repeats.compare_keys(database, repeat, since=since, check=lambda: None)
    assert compared.keys == compared.repeated > 0
    files = flow.bridge.ledger.dropped_files
    assert files.known([broadcast.key, "J0-00000000"]) == {broadcast.key}
    assert files.known([]) == set()
    assert files.find(DEFAULT, b"0" * 32) is None
    assert files.unread(DEFAULT) == []
    assert [files.add("F0", broadcast) for _ in range(2)] == [True, False]
    files.set_digest(UnreadFile(broadcast_id=broadcast.id, key=broadcast.key, name=""), b"0" * 32)


def _have_bad_days(flow: Flow) -> None:
    """A lease with heartbeats, and response files that cannot be loaded as they are."""
    ledger = flow.bridge.ledger
    with Leases(ledger.database, seconds=0.3, clock=flow.clock).held(LeaseName.for_chore("tour"), "tourist") as lease:
        assert lease is not None
        first = lease._ends
        until(lambda: lease._ends > first, "a heartbeat")
        assert ledger.leases.find_owner(LeaseName.for_chore("tour")) == "tourist"
    file = _gathered(flow, "bad.csv")
    files = ledger.response_files
    file = files.update(file, due_at=flow.clock.now())
    files.fail(file, ResponseFileVanished(file=file.name), owner=OWNER)
    none = LoadCounts(read=1, loaded=0, known=0, rejected=1, unmatched=0)
    gone = _seen(flow, "gone.csv")
    assert files.count_left_round(gone, code="some-code") == 1
    assert gone.id in {file.id for file in files.seen()}
    gone = files.advance(gone, FileState.FAILED, owner=OWNER, note="vanished")
    gone = files.advance(gone, FileState.SEEN, owner=OWNER, note="there again")
    assert len(files.history(gone)) == 3
    assert files.add(gone.name, 2, gone.modified, layout="default", owner=OWNER, note="grown") == 2
    with ledger.database.writing() as connection:
        record_load(
            connection,
            _gathered(flow, "rejected.csv"),
            none,
            {RejectReason.LINE_UNFINISHED: 1},
            owner=OWNER,
            now=flow.clock.now(),
        )
    half = files.get(*find_unfinished(ledger.database, "rejected.csv"))
    assert get_rejects(ledger.database, half) == {RejectReason.LINE_UNFINISHED: 1}
    assert count_unfinished(ledger.database, since=half.seen_at)[0] == {"default": 1}
    with ledger.database.writing() as connection:
        withdraw_reject(connection, half, note="complete", owner=OWNER, now=flow.clock.now(), refused=None)


def _seen(flow: Flow, name: str) -> ResponseFile:
    return add_file(flow.bridge.ledger.response_files, name, 1, flow.clock.now())


def _gathered(flow: Flow, name: str) -> ResponseFile:
    return gather_file(flow.bridge.ledger.response_files, _seen(flow, name), due_at=flow.clock.now())


def _archive(flow: Flow) -> None:
    files = flow.bridge.ledger.response_files
    for file in files.to_archive(["default"], 1):
        files.record(file, "archived", owner=OWNER, put_away_at=flow.clock.now())
    assert check_response_arrival(flow.bridge) == []


def _compare(flow: Flow, broadcast: Broadcast) -> None:
    database = flow.bridge.ledger.database
    for day in range(2):
        with database.writing() as connection:
            response_counts.add(connection, [(broadcast.id, "Complaint", 1)], now=flow.clock.now())
        (at,) = [at for one, at in response_counts.due(database, 99, now=flow.clock.now()) if one == broadcast.id]
        response_counts.compared(
            database, broadcast.id, {"Complaint": 9}, due_at=at, now=flow.clock.now() + timedelta(days=day, hours=day)
        )
    response_counts.compared(database, broadcast.id, {"Complaint": 9}, due_at=at, now=flow.clock.now())
    assert response_counts.types_ever_loaded(database)
    response_counts.not_compared(database, broadcast.id, code="some-code", again_at=None)
    assert flow.bridge.ledger.broadcasts.get_by_id(broadcast.id).key == broadcast.key


def _erase(flow: Flow) -> None:
    """Persons by every key; one whose Communication Key only the ledger knows, one who is interrupted."""
    for how in ("keep", "anonymise", "delete"):
        path = Path(flow.folder, f"Response-{how}.csv")
        row = f"E1;e1@example.org;{how};01.03.2026 12:00\n"
        path.write_text(f"Urn;Email;MessageType;EventTriggeredDate\n{row}", "utf-8")
        load_again(flow.bridge, operations.add_file(flow.bridge, path).id)
        flow.set(erase_responses=how)
        for by, given in zip(GivenBy, ("e1@example.org", "E1", "K1"), strict=True):
            receipt = erase(flow.bridge, by, given, operator="operator")
            assert receipt in erasures.receipts(flow.bridge.ledger.database)
    person = Person(GivenBy.URN, "E1")
    person.learn_hashes(None, b"0" * 16)
    database = flow.bridge.ledger.database
    with database.reading() as connection:
        assert all(row[2] != "E1" for row in flow.bridge.rs_db.every_response(connection))
    for _ in range(2):
        erasures.begin(database, person, {"responses": 0}, operator="operator", now=flow.clock.now())
    assert person_rows.files_waiting_with(database, person) == 0
    assert person_rows.count_recipients(database, person) == 0
    assert flow.bridge.ledger.broadcasts.count(State.CLAIMED) >= 0
    # As many as more than one statement takes.
    many = Person(GivenBy.URN, "E2")
    for number in range(_MANY):
        many.take(address=f"e{number}@example.org", urn="E2", communication_key=f"E2-{number}")
    assert person_rows.remove_recipients(database, many) == 0


def _remove_expired(flow: Flow) -> None:
    """Everything that is over, as if years had passed."""
    database, later = flow.bridge.ledger.database, flow.clock.now() + timedelta(days=3000)
    keys = {one.key for one in flow.bridge.ledger.broadcasts.newest(100)}
    # Whether a broadcast is still under way by now is a matter of timing, so each side is asked at a time of its own.
    assert set() < removals.old_broadcasts(database, keys, before=later) <= keys
    assert removals.old_broadcasts(database, keys, before=flow.clock.now() - timedelta(days=3000)) == set()
    removals.remove_unmatched(database, before=later)
    assert removals.remove_recipients(database, before=later, limit=100, rows=100) > (0, False)
    assert removals.remove_history(database, before=later, limit=100) > 0
    for file in flow.bridge.ledger.response_files.expired(before=later, limit=2):
        flow.bridge.ledger.response_files.record(file, "removed", owner=OWNER, removed_at=flow.clock.now())
    for _ in range(2):
        removals.record(database, "some-kind", 1, looked_at=flow.clock.now())
    assert "some-kind" in {one.kind for one in removals.removals(database)}
    assert remove_expired(flow.bridge) == {}


def _upload_anew(flow: Flow, broadcast: Broadcast) -> None:
    database = flow.bridge.rs_database
    recipients.remove(database, broadcast.id)
    with recipients.remembering(BulkLoad(database), broadcast.id) as remembered:
        remembered.add(recipients.row(line, f"K{line}", f"U{line}") for line in range(_MANY))
    with database.writing() as connection:
        assert flow.bridge.rs_db.record_prepared(connection, broadcast) == broadcast.rs_broadcast_id
        assert flow.bridge.rs_db.find_broadcast(connection, broadcast) == broadcast.rs_broadcast_id


def _match_later(flow: Flow) -> None:
    """Responses that come before their broadcast, and some whose broadcast never comes."""
    database = flow.bridge.rs_database
    job_id = flow.order()
    flow.poll()
    key = flow.broadcast(job_id).key
    rows = [
        Response(message_type="Open", event_time=flow.clock.now(), urn="0", broadcast_key=one) for one in (key, "J0-0")
    ]
    file = _gathered(flow, "early.csv")
    for load_id in ("left behind", "early"):
        responses.clear(database, file)
        responses.stage(BulkLoad(database), file, load_id, list(enumerate(rows)), ZoneInfo("UTC"))
    with database.writing() as connection:
        move(connection, "early", flow.bridge.rs_db, now=flow.clock.now())
        both = LoadCounts(read=2, loaded=2, known=0, rejected=0, unmatched=2)
        record_load(connection, file, both, {}, owner=OWNER, now=flow.clock.now())
    match_responses(flow.bridge.ledger, flow.bridge.rs_db)
    assert flow.run(job_id).state is State.CLOSED
    match_responses(flow.bridge.ledger, flow.bridge.rs_db)
    found = flow.bridge.ledger.response_files.get(file.id)
    assert found is not None
    assert found.counts is not None
    assert found.counts.unmatched == 1


def _leave_in_files(flow: Flow) -> None:
    ledger, file = flow.bridge.ledger, _gathered(flow, "ferg.csv")
    row = Response(message_type="Bounce", event_time=flow.clock.now(), urn="0", details={"BounceType": "HardBounce"})
    responses.stage(BulkLoad(ledger.database), file, "ferg", [(2, row)], ZoneInfo("UTC"))
    with ledger.database.writing() as connection:
        move(connection, "ferg", None, now=flow.clock.now())
        ferg_files.make(connection, file, "ferg", columns=["BounceType"], rows=1, now=flow.clock.now())
        one = LoadCounts(read=1, loaded=1, known=0, rejected=0, unmatched=1)
        record_load(connection, file, one, {}, owner=OWNER, keep_new=True, now=flow.clock.now())
    left: dict[str, bytes] = {}
    usual = {"delimiter": "TAB", "encloser": "DOUBLEQUOTE", "date_format": "dd.MM.yyyy HH:mm:ss", "zone": "UTC"}
    ferg = FergFiles(lambda name, chunks: left.update({name: b"".join(chunks)}), **usual)
    assert deliver_ferg_files(ledger, ferg) == 1
    assert b"HardBounce" in left[ferg_files.name_of(file, "ferg")]


def _suppress_many(flow: Flow) -> None:
    suppressions = flow.bridge.ledger.suppressions
    addresses = [f"reader{number}@example.org" for number in range(_MANY)]
    for kind, pattern in ((RejectReason.UNSUBSCRIBED, "{}"), (RejectReason.BLOCKLISTED, "*{}")):
        entries = [Entry(address=pattern.format(address)) for address in addresses]
        for _ in range(2):  # the second time they are there
            suppressions.add(kind, entries, sync=suppressions.source(kind).draws + 1)
        suppressions.finish(suppressions.source(kind), full=True)
        suppressions.record_failure(kind, code="some-code")
    assert len(suppressions.among(1, addresses)) == _MANY
    hashes = [address_hash(address) for address in addresses]
    assert suppressions.unasked(1, hashes) == hashes
    suppressions.record_answers(1, dict.fromkeys(hashes[:1000], True))
    suppressions.forget_bounces(before=flow.clock.now() + timedelta(days=1))


def _alert(flow: Flow) -> None:
    alerts, kind = flow.bridge.ledger.alerts, AlertKind.NO_RESPONSE_FILE
    for _ in range(2):
        assert alerts.report(kind, "default", "No response file came.")
        assert not alerts.report(kind, "default", "No response file came.")
        assert [one.subject for one in alerts.active()] == ["default"]
        assert alerts.clear(kind, "default")


def _load_again(flow: Flow) -> None:
    path = flow.folder / "Response-tour.csv"
    path.write_text("Urn;MessageType;EventTriggeredDate\n1;Open;01.03.2026 12:30\n")
    files, file = flow.bridge.ledger.response_files, operations.add_file(flow.bridge, path)
    assert load_again(flow.bridge, file.id).loaded == 1
    assert load_again(flow.bridge, file.id).known == 1
    assert [one.id for one in files.named(path.name)] == [file.id]
    assert file.id in {one.id for one in files.gathered_since(flow.clock.now() - timedelta(hours=1))}


def _state_otherwise(flow: Flow) -> None:
    """Load events that are known by other columns, some of them completed, in tables and in files alone."""
    broadcast, database = flow.bridge.ledger.broadcasts.newest(50)[-1], flow.bridge.rs_database
    with database.writing() as connection:
        hashes = {"communication_key_hash": key_hash("tour key"), "urn_hash": key_hash("tour urn")}
        connection.execute(insert(tables.recipient).values(broadcast_id=broadcast.id, line=1_000_000, **hashes))
    plain = Response(message_type="seen", type_in_file="seen", event_time=flow.clock.now(), urn="tour urn")
    named, other = replace(plain, broadcast_key=broadcast.key), replace(plain, mailing_id="9")
    full = replace(named, message_type="Open", email="a@example.org", urn="", communication_key="tour key")
    for number, (rows, table, new) in enumerate(
        [
            ([plain], flow.bridge.rs_db, 1),
            ([plain, other], flow.bridge.rs_db, 1),
            ([named, named], flow.bridge.rs_db, 0),
            ([full], flow.bridge.rs_db, 0),
            ([replace(plain, urn="tour")], None, 1),
            ([replace(named, urn="tour")], None, 0),
        ]
    ):
        file, load_id = _gathered(flow, f"otherwise-{number}.csv"), f"otherwise {number}"
        responses.stage(BulkLoad(database), file, load_id, list(enumerate(rows, start=2)), ZoneInfo("UTC"))
        with database.writing() as connection:
            moved = move(connection, load_id, table, now=flow.clock.now())
            assert sum(of_type.rows for of_type in moved) == new, number
            counts = LoadCounts(read=len(rows), loaded=new, known=len(rows) - new, rejected=0, unmatched=0)
            record_load(connection, file, counts, {}, owner=OWNER, now=flow.clock.now())


def _be_refused(flow: Flow) -> None:
    """Load rows that rules of the customer refuse: a unique index, a trigger, then both of them changed."""
    with closing(sqlite3.connect(flow.folder / "RS_Test.sqlite")) as server:
        server.execute("CREATE UNIQUE INDEX ux_tour ON Response (CommunicationKey) WHERE CommunicationKey LIKE 'tour%'")
        server.execute(
            "CREATE TRIGGER trg_tour BEFORE INSERT ON Response WHEN NEW.Urn = 'tour 3' "
            "BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
        rows = [f"tour {number};tour-{number // 2};Open;01.03.2026 12:30;x\n" for number in (1, 3, 5, 8, 9)]
        path = flow.folder / "Response-refused.csv"
        path.write_text("".join(["Urn;CommunicationKey;MessageType;EventTriggeredDate;Browser\n", *rows]))
        file = operations.add_file(flow.bridge, path)
        counts = load_again(flow.bridge, file.id)
        assert (counts.loaded, counts.rejected) == (3, 2)
        error = str(flow.bridge.ledger.response_files.get(file.id).error)
        assert "trigger trg_tour of Response" in error
        assert "constraint" in error
        server.execute("DROP INDEX ux_tour")
        server.execute("DROP TRIGGER trg_tour")
    counts = load_again(flow.bridge, file.id)
    assert (counts.loaded, counts.known, counts.rejected) == (2, 3, 0)


def _examine(flow: Flow) -> None:
    """What the doctor reads of a server."""
    with flow.bridge.rs_database.reading() as connection:
        database = "\n".join(fact.text for fact in facts_of_database(connection))
        table = [fact.text for fact in facts_of_table(connection, flow.bridge.rs_db.response, {"Urn"})]
    assert "READ_COMMITTED_SNAPSHOT is off" in database
    assert "compatibility level 160" in database
    assert "Latin1_General_BIN2: upper and lower case differ" in database
    assert "the bridge's tables have the collation Latin1_General_CI_AS" in database
    assert "384 of 512 MiB of the log are free" in database
    assert [text.partition(":")[0] for text in table] == ["Response is a view", "Response has the trigger trg_theirs"]


def _migrate(flow: Flow) -> None:
    extra = "CREATE TABLE bridge.extra (id INTEGER NOT NULL)"
    later = Migration(number=9999, name="later", checksum="0" * 64, breaking=False, statements=(extra,))
    assert Schema(flow.bridge.rs_database, [later]).migrate() == [later]
