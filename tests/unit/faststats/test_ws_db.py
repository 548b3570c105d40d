"""WS_DB: every job is claimed once, its command is read with suspicion, its end is written once."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from sqlalchemy import DateTime, Table, column, delete, event, insert, select, table, update

from bench.pollers import race
from shared.broadcast import State, job_key
from shared.config.channels import Channels
from shared.database.connections import Database
from shared.errors import ChannelUnknown, DatabaseUnavailable, JobCommandInvalid
from shared.faststats.job_command import Job, read_job_command
from shared.faststats.schema_map.names import SchemaMap, WsDbSchema
from shared.faststats.ws_db import MAX_CLAIMED, WsDb
from tests.clocks import MovableClock
from tests.databases import ZONE

from .conftest import NOW
from .job_commands import LAUGHS_COMMAND, command
from .test_rs_db import BROADCAST

ROOT = Path(__file__).parents[3]
AddJob = Callable[..., int]


def rows(database: Database, table: Any) -> list[dict[str, Any]]:
    with database.reading() as connection:
        return [{column.key: row._mapping[column] for column in table.c} for row in connection.execute(select(table))]


def queue(database: Database, schema: WsDbSchema, job_id: int) -> dict[str, Any]:
    (row,) = [row for row in rows(database, schema.job_queue) if row["job_id"] == job_id]
    return row


def claim_one(ws_db: WsDb) -> Job | None:
    return next(iter(ws_db.claim()), None)


def orphans(ws_db: WsDb, *, after: int = -1, claimed_before: datetime = NOW + timedelta(seconds=1)) -> list[int]:
    return [one.id for one in ws_db.orphans(after=after, claimed_before=claimed_before)]


def mapped(schema: WsDbSchema, key: str) -> Table:
    return schema.tables[key]


# The claim


def test_a_claimed_job_comes_with_its_command(ws_db: WsDb, add_job: AddJob) -> None:
    job_id = add_job(command=command(), age=5, system_name="Other")
    claimed = claim_one(ws_db)
    assert claimed is not None
    assert (claimed.id, claimed.system, claimed.command) == (job_id, "Other", command())
    assert claimed.key == job_key("Other", job_id, claimed.time_added)


def test_a_claim_marks_the_job_as_taken_by_this_bridge(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id, other = add_job(), add_job(age=-1)
    ws_db.claim()
    row = queue(ws_database, ws_schema, job_id)
    assert (row["state"], row["server"], row["time_sent"]) == ("incomplete", "this bridge (claiming)", NOW)
    assert queue(ws_database, ws_schema, other)["state"] == "unassigned"


def test_jobs_are_claimed_by_priority_then_age_then_number(ws_db: WsDb, add_job: AddJob) -> None:
    late = add_job(priority=20, age=99)
    young, old = add_job(age=1), add_job(age=5)
    first, second = add_job(age=3), add_job(age=3)
    urgent = add_job(priority=1)
    claimed = [one.id for one in iter(lambda: claim_one(ws_db), None)]
    assert claimed == [urgent, old, first, second, young, late]


@pytest.mark.parametrize(
    "columns",
    [
        {"cancel_requested": 1},
        {"job_type": "Cube"},
        {"job_type": "broadcast of another kind"},
        {"state": "inserting"},
        {"state": "incomplete", "server": "FastStats Service"},
        {"state": "incomplete", "server": "this bridge"},
        {"state": "done"},
        {"state": "cancel"},
    ],
    ids=str,
)
def test_a_job_that_does_not_wait_for_a_broadcaster_is_left_alone(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema, columns: dict[str, object]
) -> None:
    add_job(**columns)
    before = rows(ws_database, ws_schema.job_queue)
    assert ws_db.claim() == []
    assert rows(ws_database, ws_schema.job_queue) == before


def test_a_job_that_cannot_be_claimed_does_not_stand_in_the_way(ws_db: WsDb, add_job: AddJob) -> None:
    add_job(priority=1, cancel_requested=1)
    add_job(priority=1, job_type="Cube")
    wanted = add_job()
    claimed = claim_one(ws_db)
    assert claimed is not None
    assert claimed.id == wanted


def test_an_empty_queue_gives_none(ws_db: WsDb) -> None:
    assert ws_db.claim() == []


def test_a_job_without_a_command_is_claimed_all_the_same(ws_db: WsDb, add_job: AddJob) -> None:
    add_job(command=None)
    claimed = claim_one(ws_db)
    assert claimed is not None
    assert claimed.command is None


def test_twenty_jobs_go_to_eight_pollers_each_job_to_one_in_order(
    ws_url: str,
    ws_schema: WsDbSchema,
    add_job: AddJob,
    open_database: Callable[[str], Database],
) -> None:
    order = [
        (add_job(priority=priority, age=age), (priority, -age)) for priority in (5, 1, 3, 2) for age in (1, 4, 2, 5, 3)
    ]
    wanted = [job_id for job_id, _ in sorted(order, key=lambda one: one[1])]
    start, said = threading.Barrier(8), threading.Lock()
    claimed: list[int] = []

    def poll(number: int) -> list[int]:
        ws_db = WsDb(open_database(ws_url), ws_schema, server=f"bridge {number}", clock=MovableClock(NOW))
        own: list[int] = []
        start.wait()
        while True:
            with said:  # claiming and saying so is one thing, or the order could not be known
                one = claim_one(ws_db)
                claimed.extend([one.id] if one else [])
            if one is None:
                return own
            own.append(one.id)

    with ThreadPoolExecutor(8) as threads:
        shares = list(threads.map(poll, range(8)))
    assert claimed == wanted
    assert sorted(job_id for share in shares for job_id in share) == sorted(wanted)


def test_pollers_that_claim_at_the_same_moment_get_every_job_once(
    ws_url: str, ws_schema: WsDbSchema, ws_database: Database, add_job: AddJob, open_database: Callable[[str], Database]
) -> None:
    wanted = [add_job(priority=number % 3, age=number) for number in range(20)]
    skipped = [add_job(priority=0, cancel_requested=1), add_job(priority=0, job_type="Cube")]
    start = threading.Barrier(8)

    def poll(number: int) -> list[int]:
        ws_db = WsDb(open_database(ws_url), ws_schema, server=f"bridge {number}", clock=MovableClock(NOW))
        start.wait()
        return [one.id for one in iter(lambda: claim_one(ws_db), None)]

    with ThreadPoolExecutor(8) as threads:
        shares = list(threads.map(poll, range(8)))
    assert sorted(job_id for share in shares for job_id in share) == sorted(wanted)
    for number, share in enumerate(shares):
        order = [(queue(ws_database, ws_schema, job_id)["priority"], -job_id) for job_id in share]
        assert order == sorted(order), "each poller gets its jobs in order"
        for job_id in share:
            assert queue(ws_database, ws_schema, job_id)["server"] == f"bridge {number} (claiming)"
    for job_id in skipped:
        assert queue(ws_database, ws_schema, job_id)["state"] == "unassigned"


@pytest.mark.slow
def test_ten_processes_share_the_jobs_and_each_job_goes_to_one(ws_url: str) -> None:
    """As `bench/pollers.py` with 10,000 jobs."""
    run = race(ws_url, pollers=10, jobs=1000)
    assert run.violations() == []


def test_what_a_process_had_claimed_when_it_was_killed_is_found_by_the_next(
    ws_url: str, ws_schema: WsDbSchema, ws_database: Database, add_job: AddJob
) -> None:
    for _ in range(100):
        add_job()
    poller = subprocess.Popen(
        [sys.executable, str(ROOT / "bench" / "pollers.py"), "--poll", "this bridge"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "POLLERS_WS_DB": ws_url},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with poller:
        assert poller.stdin
        assert poller.stdout
        assert poller.stdout.readline() == "ready\n"
        poller.stdin.write("go\n")
        poller.stdin.flush()
        assert poller.stdout.readline().strip().isdigit()
        poller.kill()
    later = datetime.now(UTC) + timedelta(hours=1)
    heir = WsDb(ws_database, ws_schema, server="this bridge", clock=MovableClock(later))
    claimed = [row["job_id"] for row in rows(ws_database, ws_schema.job_queue) if row["state"] == "incomplete"]
    found: list[int] = []
    while page := orphans(heir, after=found[-1] if found else -1, claimed_before=later):
        found += page
    assert found == sorted(claimed)
    assert found


@pytest.mark.sqlite
def test_a_claim_is_one_statement_that_is_right_by_its_condition_alone(
    ws_db: WsDb, add_job: AddJob, ws_database: Database
) -> None:
    add_job()
    statements: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(ws_database.engine, "before_cursor_execute", listen)
    ws_db.claim()
    (claim,) = [statement for statement in statements if "UPDATE" in statement]
    # Where writers do not wait for each other as in SQLite, two can choose the same job: the state is asked once more.
    chosen, asked_again = re.split(r"LIMIT \?.*\)", claim, flags=re.DOTALL)
    assert '"State" = ?' in chosen.partition("SELECT")[2]
    assert '"State" = ?' in asked_again


def test_a_claimed_job_is_an_orphan_until_it_is_in_the_ledger_or_ended(ws_db: WsDb, add_job: AddJob) -> None:
    ids = [add_job(age=number) for number in range(5)]
    add_job(state="incomplete", server="other bridge")
    add_job(state="incomplete", server="other bridge (claiming)")
    assert sorted(one.id for one in ws_db.claim(10)) == ids
    assert orphans(ws_db) == ids
    assert orphans(ws_db, after=ids[1]) == ids[2:]
    ws_db.clear_claim_marks([ids[0], ids[3]])
    ws_db.finish(ids[2], {})
    assert orphans(ws_db) == [ids[1], ids[4]]


def test_a_fresh_claim_is_no_orphan(ws_db: WsDb, add_job: AddJob) -> None:
    add_job()
    ws_db.claim()
    assert orphans(ws_db, claimed_before=NOW) == []


def test_orphans_are_found_by_any_poller_of_the_bridge_page_by_page(
    add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    for _ in range(MAX_CLAIMED + 1):
        add_job(state="incomplete", server="this bridge (claiming)", time_sent=None)
    later = NOW + timedelta(hours=1)
    other = WsDb(ws_database, ws_schema, server="this bridge", clock=MovableClock(later))
    first = orphans(other)
    assert len(first) == MAX_CLAIMED
    assert len(orphans(other, after=first[-1])) == 1


def test_no_mark_is_taken_off_the_job_of_another_bridge(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job(state="incomplete", server="other bridge (claiming)")
    ws_db.clear_claim_marks([job_id])
    assert queue(ws_database, ws_schema, job_id)["server"] == "other bridge (claiming)"


def test_a_job_has_the_same_key_each_time_it_is_read(ws_db: WsDb, add_job: AddJob) -> None:
    # In Berlin this time exists twice.
    add_job(time_added=datetime(2026, 10, 25, 1, 30, tzinfo=UTC))
    (claimed,) = ws_db.claim()
    (again,) = ws_db.orphans(after=-1, claimed_before=NOW + timedelta(days=1))
    assert again.key == claimed.key


@pytest.mark.parametrize("added", [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59)])  # noqa: DTZ001 - wall times
def test_a_job_added_at_any_wall_time_is_claimed(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema, added: datetime
) -> None:
    """In no zone but its own could these times be expressed."""
    job_id, its_queue = add_job(), ws_schema.job_queue
    as_it_is = table(its_queue.name, column(its_queue.c.time_added.name, DateTime), schema=its_queue.schema)
    with ws_database.writing() as connection:
        connection.execute(update(as_it_is).values({as_it_is.c[its_queue.c.time_added.name]: added}))
    (claimed,) = ws_db.claim()
    assert (claimed.id, claimed.time_added) == (job_id, added.replace(tzinfo=UTC))
    assert claimed.key == job_key("Holidays", job_id, claimed.time_added)


def test_a_job_that_comes_back_is_the_same_broadcast(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    add_job()
    (claimed,) = ws_db.claim()
    with ws_database.writing() as connection:
        connection.execute(update(ws_schema.job_queue).values(state="unassigned", server=None, time_sent=None))
    (again,) = ws_db.claim()
    assert again.key == claimed.key


@pytest.mark.parametrize("most", [1, 3, 7])
def test_several_jobs_are_claimed_at_once_in_order(ws_db: WsDb, add_job: AddJob, most: int) -> None:
    young, old, urgent = add_job(age=1), add_job(age=5), add_job(priority=1)
    assert [one.id for one in ws_db.claim(most)] == [urgent, old, young][:most]


def test_no_more_jobs_are_claimed_at_once_than_memory_has_room_for(ws_db: WsDb, add_job: AddJob) -> None:
    for _ in range(MAX_CLAIMED + 1):
        add_job()
    assert len(ws_db.claim(1000)) == MAX_CLAIMED


def choose_stale(ws_db: WsDb, monkeypatch: pytest.MonkeyPatch, stale: list[int], times: int) -> None:
    """Let the next choices be of jobs that another poller has meanwhile: on SQLite alone that never happens."""
    fresh, left = ws_db._chosen, iter(range(times))

    def chosen(most: int, *, cancelled: bool, hint: str = "") -> Any:
        if hint and next(left, None) is not None:
            queue = ws_db.schema.job_queue
            return select(queue.c.job_id).where(queue.c.job_id.in_(stale))
        return fresh(most, cancelled=cancelled, hint=hint)

    monkeypatch.setattr(ws_db, "_chosen", chosen)


def test_what_another_poller_took_meanwhile_is_not_claimed_and_the_next_is(
    ws_db: WsDb,
    add_job: AddJob,
    ws_database: Database,
    ws_schema: WsDbSchema,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    taken, wanted = add_job(state="incomplete", server="other (claiming)"), add_job()
    choose_stale(ws_db, monkeypatch, [taken], times=2)
    assert [one.id for one in ws_db.claim(5)] == [wanted]
    assert queue(ws_database, ws_schema, taken)["server"] == "other (claiming)"


def test_a_poller_that_loses_every_race_comes_back_in_its_next_run(
    ws_db: WsDb, add_job: AddJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, wanted = add_job(state="incomplete", server="other (claiming)"), add_job()
    with monkeypatch.context() as patched:
        choose_stale(ws_db, patched, [taken], times=1000)
        assert ws_db.claim() == []
    assert [one.id for one in ws_db.claim()] == [wanted]


@pytest.mark.parametrize(
    "columns",
    [
        {"time_added": None},
        {"system_name": None},
        {"priority": None},
        {"cancel_requested": None},
    ],
    ids=str,
)
def test_a_job_that_lacks_what_jobs_have_stops_no_other(
    open_database: Callable[[str], Database], tmp_path: Path, columns: dict[str, object]
) -> None:
    schema = WsDbSchema(ZONE)
    for each in schema.job_queue.c:
        each.nullable = True
    database = open_database(f"sqlite:///{tmp_path / 'loose.sqlite'}")
    good = {
        "time_added": NOW,
        "priority": 5,
        "state": "unassigned",
        "cancel_requested": 0,
        "system_name": "Holidays",
        "job_type": "Broadcast",
    }
    with database.writing() as connection:
        schema.metadata.create_all(connection)
        for row in (good | columns, good):
            connection.execute(insert(schema.job_queue).values(row))
    ws_db = WsDb(database, schema, server="b", system="Set", clock=MovableClock(NOW))
    claimed = ws_db.claim(5)
    assert sorted(one.id for one in claimed) == [1, 2]
    assert len({one.key for one in claimed}) == 2
    assert {one.system for one in claimed} <= {"Set", "Holidays"}


def test_a_time_that_no_zone_can_show_stops_nothing(ws_db: WsDb, add_job: AddJob, ws_database: Database) -> None:
    add_job()
    with ws_database.writing() as connection:  # what .NET writes for no time
        connection.exec_driver_sql("UPDATE JobQueue SET TimeAdded = '0001-01-01 00:00:00.000000'")
    (claimed,) = ws_db.claim()
    assert claimed.key


# The job that was cancelled while it waited


def test_a_job_that_was_cancelled_while_it_waited_is_ended(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    cancelled, waiting, cube = add_job(cancel_requested=1), add_job(), add_job(cancel_requested=1, job_type="Cube")
    assert ws_db.end_cancelled() == 1
    row = queue(ws_database, ws_schema, cancelled)
    assert (row["state"], row["time_finished"]) == ("cancel", NOW)
    assert [result["job_id"] for result in rows(ws_database, mapped(ws_schema, "results"))] == [cancelled]
    (line,) = rows(ws_database, mapped(ws_schema, "delivery_job_summary"))
    assert (line["job_id"], line["message"]) == (cancelled, "It was cancelled before it was claimed.")
    assert {queue(ws_database, ws_schema, one)["state"] for one in (waiting, cube)} == {"unassigned"}
    assert ws_db.end_cancelled() == 0


@pytest.mark.parametrize("state", ["incomplete", "done", "cancel", "inserting"])
def test_a_cancelled_job_that_does_not_wait_is_left_to_whoever_has_it(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema, state: str
) -> None:
    add_job(cancel_requested=1, state=state)
    before = rows(ws_database, ws_schema.job_queue)
    assert ws_db.end_cancelled() == 0
    assert rows(ws_database, ws_schema.job_queue) == before


def test_a_job_that_faststats_cancels_by_itself_counts_as_asked_for(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job()
    ws_db.claim()
    with ws_database.writing() as connection:
        connection.execute(update(ws_schema.job_queue).values(state="cancel"))
    assert ws_db.cancel_requested(job_id)


# The end


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        pytest.param(
            "<a>" + "x" * 50_000_000 + "</a>", "it is longer than 1000000 characters", marks=pytest.mark.sqlite
        ),
        ("<a>" + "x" * 1_000_000 + "</a>", "it is longer than 1000000 characters"),
        (LAUGHS_COMMAND, "it is not well-formed XML"),
        (None, "it has none"),
    ],
    ids=["fifty megabytes", "one megabyte", "a bomb", "NULL"],
)
def test_a_command_that_nobody_should_read_is_not_read_whole_and_its_job_refused(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema, text: str | None, reason: str
) -> None:
    bad, good = add_job(age=5, command=text), add_job(command=command())
    jobs = ws_db.claim(5)
    assert [one.id for one in jobs] == [bad, good]
    assert len(jobs[0].command or "") <= 1_000_001
    with pytest.raises(JobCommandInvalid, match=reason) as caught:
        read_job_command(jobs[0], ws_db.schema, Channels())
    ws_db.refuse(jobs[0], caught.value)
    assert queue(ws_database, ws_schema, bad)["state"] == "done"
    assert read_job_command(jobs[1], ws_db.schema, Channels()).list_name == "Newsletter"


def test_a_job_with_several_commands_is_refused(open_database: Callable[[str], Database], tmp_path: Path) -> None:
    schema = WsDbSchema(ZONE)
    database = open_database(f"sqlite:///{tmp_path / 'several.sqlite'}")
    with database.writing() as connection:
        schema.job_queue.create(connection)
        connection.exec_driver_sql('CREATE TABLE "JobQueueCommands" ("JobId" INTEGER, "Command" TEXT)')
        mapped(schema, "results").create(connection)
        mapped(schema, "delivery_job_summary").create(connection)
        row = {"time_added": NOW, "priority": 5, "state": "unassigned", "system_name": "S", "job_type": "Broadcast"}
        connection.execute(insert(schema.job_queue).values(row))
        connection.execute(insert(schema.commands), [{"job_id": 1, "command": command()} for _ in range(2)])
    ws_db = WsDb(database, schema, server="b", clock=MovableClock(NOW))
    (claimed,) = ws_db.claim(5)
    with pytest.raises(JobCommandInvalid, match="it has several"):
        read_job_command(claimed, ws_db.schema, Channels())


def test_a_refused_job_says_why_and_what_to_do(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job()
    (claimed,) = ws_db.claim()
    error = ChannelUnknown(channel="x")
    ws_db.refuse(claimed, error)
    row = queue(ws_database, ws_schema, job_id)
    assert (row["state"], row["server"], row["time_finished"]) == ("done", "this bridge", NOW)
    (result,) = rows(ws_database, mapped(ws_schema, "results"))
    assert "<ErrorCode>channel-unknown</ErrorCode>" in result["results"]
    assert error.remedy in result["results"]
    (line,) = rows(ws_database, mapped(ws_schema, "delivery_job_summary"))
    assert line["message"] == str(error)


def test_the_end_of_a_broadcast_shows_its_list_counts_reasons_campaign_and_error(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job()
    ws_db.claim()
    broadcast = replace(
        BROADCAST,
        request=replace(BROADCAST.request, job_id=job_id),
        state=State.FAILED,
        imported=6,
        sent=5,
        error_code="some-code",
        error="It broke. Mend it.",
    )
    ws_db.report(broadcast, {"address-invalid": 2, "duplicate": 1})
    (result,) = rows(ws_database, mapped(ws_schema, "results"))
    reported = {one.tag: one.text for one in fromstring(result["results"])}
    assert reported == {
        "BroadcastKey": broadcast.key,
        "State": "failed",
        "ListName": "Newsletter",
        "MessageName": "Spring",
        "ErrorCode": "some-code",
        "Error": "It broke. Mend it.",
        "CampaignId": "500",
        "MailingId": "900",
        "RowsRead": "10",
        "RecipientsUploaded": "6",
        "RecipientsRejected": "2",
        "Duplicates": "1",
        "Suppressed": "1",
        "RejectReasons": "address-invalid=2;duplicate=1",
        "RecipientsImported": "6",
        "RecipientsBroadcast": "5",
    }
    (line,) = rows(ws_database, mapped(ws_schema, "delivery_job_summary"))
    assert line["message"] == (
        f"Broadcast {broadcast.key} is failed. 6 of 10 rows for the list. Not uploaded: 2 address-invalid, "
        "1 duplicate. Sent to 5 recipients by Smart Campaign 500. It broke. Mend it. [some-code]"
    )


def test_a_parked_broadcast_leaves_its_job_open_and_says_what_to_do(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job()
    ws_db.claim()
    parked = replace(
        BROADCAST,
        request=replace(BROADCAST.request, job_id=job_id),
        state=State.NEEDS_OPERATOR,
        error_code="some-code",
        error="Look.",
    )
    ws_db.report(parked, {})
    assert queue(ws_database, ws_schema, job_id)["state"] == "incomplete"
    (line,) = rows(ws_database, mapped(ws_schema, "delivery_job_summary"))
    assert line["message"].endswith("Look. [some-code]")


@pytest.mark.sqlite
def test_state_results_and_line_stand_or_fall_together(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job()
    ws_db.claim()
    with ws_database.writing() as connection:
        connection.exec_driver_sql('ALTER TABLE "DeliveryJobSummary" RENAME TO "Gone"')
    with pytest.raises(DatabaseUnavailable):
        ws_db.finish(job_id, {"State": "closed"}, line="line")
    assert queue(ws_database, ws_schema, job_id)["state"] == "incomplete"
    assert rows(ws_database, mapped(ws_schema, "results")) == []


def test_a_line_has_no_more_characters_than_its_column(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job()
    ws_db.claim()
    ws_db.add_summary_line(job_id, "ä" * 1000)
    ws_db.add_summary_line(job_id, "ä" * 1001)
    lines = [line["message"] for line in rows(ws_database, mapped(ws_schema, "delivery_job_summary"))]
    assert lines == ["ä" * 1000, "ä" * 999 + "…"]


def test_results_are_xml_whatever_is_in_them(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job()
    ws_db.claim()
    ws_db.finish(job_id, {"Error": "a\x00b\x0b\ud800<&>\uffff😀"})
    (result,) = rows(ws_database, mapped(ws_schema, "results"))
    assert fromstring(result["results"]).findtext("Error") == "a\ufffdb\ufffd\ufffd<&>\ufffd😀"


def test_a_state_of_its_own_for_failed_jobs_is_used(
    ws_database: Database, add_job: AddJob, ws_schema: WsDbSchema
) -> None:
    schema = WsDbSchema(ZONE, SchemaMap({"ws_db.states.failed": "broken"}))
    ws_db = WsDb(ws_database, schema, server="b", clock=MovableClock(NOW))
    job_id = add_job()
    ws_db.claim()
    ws_db.finish(job_id, {}, state=State.FAILED)
    assert queue(ws_database, ws_schema, job_id)["state"] == "broken"


def test_states_and_types_can_be_numbers(open_database: Callable[[str], Database], tmp_path: Path) -> None:
    states = {f"ws_db.states.{key}": number for number, key in enumerate(("waiting", "claimed", "done", "cancelled"))}
    names = SchemaMap(states | {"ws_db.states.failed": 9, "ws_db.job_types.broadcast": 17})
    schema = WsDbSchema(ZONE, names)
    database = open_database(f"sqlite:///{tmp_path / 'numbers.sqlite'}")
    row = {"time_added": NOW, "priority": 5, "state": 0, "cancel_requested": 0, "system_name": "S"}
    with database.writing() as connection:
        schema.metadata.create_all(connection)
        connection.execute(insert(schema.job_queue).values(**row, job_type=16))
        connection.execute(insert(schema.job_queue).values(**row, job_type=17))
    ws_db = WsDb(database, schema, server="b", clock=MovableClock(NOW))
    (claimed,) = ws_db.claim(5)
    assert claimed.id == 2
    assert queue(database, schema, 2)["state"] == 1
    ws_db.finish(2, {}, state=State.CANCELLED)
    assert queue(database, schema, 2)["state"] == 3


def test_a_finished_job_has_its_results(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job()
    ws_db.claim()
    ws_db.finish(job_id, {"State": "closed", "Error": 'a < b & "c"', "BroadcastId": None, "RowsRead": 0})
    row = queue(ws_database, ws_schema, job_id)
    assert (row["state"], row["time_finished"]) == ("done", NOW)
    (result,) = rows(ws_database, mapped(ws_schema, "results"))
    assert result == {
        "job_id": job_id,
        "results": '<BroadcastResults><State>closed</State><Error>a &lt; b &amp; "c"</Error>'
        "<RowsRead>0</RowsRead></BroadcastResults>",
    }


def test_a_job_that_is_finished_twice_has_the_last_results(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job()
    ws_db.claim()
    ws_db.finish(job_id, {"State": "failed"})
    ws_db.finish(job_id, {"State": "closed"})
    (result,) = rows(ws_database, mapped(ws_schema, "results"))
    assert result["results"] == "<BroadcastResults><State>closed</State></BroadcastResults>"


def test_a_cancelled_job_says_so(ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema) -> None:
    job_id = add_job()
    ws_db.claim()
    ws_db.finish(job_id, {"State": "cancelled"}, state=State.CANCELLED)
    assert queue(ws_database, ws_schema, job_id)["state"] == "cancel"


@pytest.mark.parametrize("columns", [{"server": "other", "state": "incomplete"}, {"state": "unassigned"}], ids=str)
def test_the_job_of_another_server_is_not_touched(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema, columns: dict[str, object]
) -> None:
    job_id = add_job(**columns)
    with ws_database.writing() as connection:
        connection.execute(insert(mapped(ws_schema, "results")).values(job_id=job_id, results="theirs"))
    before = [rows(ws_database, table) for table in ws_schema.metadata.sorted_tables]
    ws_db.finish(job_id, {"State": "closed"})
    ws_db.finish(job_id, {"State": "cancelled"}, state=State.CANCELLED)
    ws_db.add_summary_line(job_id, "line")
    assert [rows(ws_database, table) for table in ws_schema.metadata.sorted_tables] == before


def test_a_job_that_was_cleared_away_does_no_harm(ws_db: WsDb, ws_database: Database, ws_schema: WsDbSchema) -> None:
    ws_db.finish(99, {"State": "closed"})
    ws_db.add_summary_line(99, "line")
    assert rows(ws_database, mapped(ws_schema, "results")) == []
    assert rows(ws_database, mapped(ws_schema, "delivery_job_summary")) == []
    assert not ws_db.cancel_requested(99)


def test_finishing_one_job_leaves_the_others(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    first, second = add_job(age=2), add_job(age=1)
    ws_db.claim()
    ws_db.claim()
    ws_db.finish(first, {"State": "closed"})
    assert queue(ws_database, ws_schema, second)["state"] == "incomplete"
    assert orphans(ws_db) == [second]


def test_a_cancel_is_seen_when_the_client_asks_for_it(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id, other = add_job(), add_job()
    assert not ws_db.cancel_requested(job_id)
    with ws_database.writing() as connection:
        connection.execute(
            update(ws_schema.job_queue).where(ws_schema.job_queue.c.job_id == job_id).values(cancel_requested=1)
        )
    assert ws_db.cancel_requested(job_id)
    assert not ws_db.cancel_requested(other)


def test_lines_for_the_client_are_added_each_with_its_time(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job()
    ws_db.claim()
    ws_db.add_summary_line(job_id, "one")
    ws_db.add_summary_line(job_id, "two; 'quoted' ä")
    lines = rows(ws_database, mapped(ws_schema, "delivery_job_summary"))
    assert [(line["job_id"], line["time_added"], line["message"]) for line in lines] == [
        (job_id, NOW, "one"),
        (job_id, NOW, "two; 'quoted' ä"),
    ]


def test_times_in_the_queue_are_those_of_its_server(ws_db: WsDb, add_job: AddJob, ws_database: Database) -> None:
    job_id = add_job()
    ws_db.claim()
    ws_db.add_summary_line(job_id, "line")
    with ws_database.reading() as connection:
        sent, noted = (
            connection.execute(select(column(name, DateTime())).select_from(table(of))).scalar_one()
            for name, of in (("TimeSent", "JobQueue"), ("TimeAdded", "DeliveryJobSummary"))
        )
    assert sent == noted == datetime(2026, 3, 1, 13)  # noqa: DTZ001 - as it is in the column


def test_the_clean_up_of_faststats_is_not_hindered(
    ws_db: WsDb, add_job: AddJob, ws_database: Database, ws_schema: WsDbSchema
) -> None:
    job_id = add_job()
    ws_db.claim()
    ws_db.finish(job_id, {"State": "closed"})
    with ws_database.writing() as connection:
        for cleared in (mapped(ws_schema, "results"), ws_schema.commands, ws_schema.job_queue):
            connection.execute(delete(cleared))
    assert orphans(ws_db) == []


def test_a_claimed_job_stays_the_same_broadcast_when_the_zone_setting_changes(
    ws_database: Database, add_job: AddJob
) -> None:
    add_job(state="incomplete", server="ours (claiming)")
    keys = set()
    for zone in ("UTC", "Europe/Berlin", "America/New_York"):
        ws_db = WsDb(ws_database, WsDbSchema(zone), server="ours", clock=MovableClock(NOW))
        (job,) = ws_db.orphans(after=0, claimed_before=NOW)
        keys.add(job.key)
    assert len(keys) == 1
