"""Jobs of WS_DB as their client sees them: cancelled in any state, released again, and with their progress."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from shared.broadcast import RouteKind, SendMode, State
from shared.errors import SchemaMapMismatch
from shared.faststats.schema_map.names import WsDbSchema
from shared.steps.load_responses import load_responses
from shared.steps.poll_jobs import poll_jobs
from tests.databases import ZONE
from tests.flow.harness import Flow, change_job, channel, until

SCHEMA = WsDbSchema(ZONE)


def lines(flow: Flow, job_id: int) -> list[str]:
    """The delivery job summary of a job."""
    summary = SCHEMA.delivery_job_summary
    assert summary is not None
    with flow.ws_database.reading() as connection:
        return list(connection.scalars(select(summary.c.message).where(summary.c.job_id == job_id)))


# A cancel request at every state up to the start


def test_a_job_cancelled_while_it_waits_is_ended_and_makes_no_broadcast(flow: Flow) -> None:
    job_id = flow.order()
    change_job(flow, job_id, cancel_requested=1)
    assert poll_jobs(flow.bridge) == 0
    state, results = flow.job(job_id)
    assert (state, results) == ("cancel", {"State": "cancelled"})
    assert flow.bridge.ledger.broadcasts.newest(1) == []


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        (State.CLAIMED, {"cancel_requested": 1}),
        (State.STAGED, {"cancel_requested": 1}),
        (State.PREPARED, {"cancel_requested": 1}),
        (State.UPLOADED, {"cancel_requested": 1}),
        (State.STAGED, {"state": "cancel"}),  # FastStats acts on the request by itself
    ],
)
def test_a_job_cancelled_before_its_import_mails_nobody(
    slow_flow: Flow, state: State, asked: dict[str, object]
) -> None:
    flow = slow_flow
    job_id = flow.order()
    flow.poll()
    flow.stop_at(job_id, state)
    change_job(flow, job_id, **asked)
    ended = flow.run(job_id)
    assert ended.state is State.CANCELLED
    assert flow.job(job_id)[0] == "cancel"
    flow.set_clock(speed=21600)
    assert flow.run(flow.order()).state is State.CLOSED, "its list is free for the next broadcast"
    assert all(copy["mails_sent"] == 0 for copy in flow.copies(ended))


def test_a_job_cancelled_between_import_and_start_mails_nobody(flow: Flow) -> None:
    flow.use(channel(RouteKind.IMPORT_JOB))
    late = flow.simulated_time() + timedelta(days=3000)
    job_id = flow.order(parameters=f"SendAt={late.isoformat()}")
    flow.poll()
    until(lambda: flow.broadcast(job_id).state is State.IMPORTED, "it is imported", between=flow.deliver)
    assert flow.broadcast(job_id).request.send_mode is SendMode.AT_TIME
    change_job(flow, job_id, cancel_requested=1)
    ended = flow.run(job_id)
    assert ended.state is State.CANCELLED
    assert flow.job(job_id)[0] == "cancel"
    assert all(copy["mails_sent"] == 0 for copy in flow.copies(ended))


def test_a_job_cancelled_after_its_start_is_sent_and_says_so(slow_flow: Flow) -> None:
    flow = slow_flow
    job_id = flow.order()
    flow.poll()
    until(lambda: flow.broadcast(job_id).state is State.SENDING, "it is sent", between=flow.live)
    change_job(flow, job_id, cancel_requested=1)
    flow.set_clock(speed=21600)
    assert flow.run(job_id).state is State.CLOSED
    assert flow.job(job_id)[0] == "done"


# A job that comes back


def test_a_job_that_faststats_releases_while_its_broadcast_is_under_way_goes_on(flow: Flow) -> None:
    job_id = flow.order()
    flow.poll()
    change_job(flow, job_id, state="unassigned", server=None)
    assert poll_jobs(flow.bridge) == 0
    ended = flow.run(job_id)
    assert ended.state is State.CLOSED
    assert flow.job(job_id)[0] == "done"
    assert flow.campaign(ended)["mails_sent"] == ended.sent


@pytest.mark.parametrize("job", [{}, {"file_path": "Optimizely_Missing_1.txt"}], ids=["closed", "failed"])
def test_a_job_that_comes_back_after_its_end_gets_its_results_again_and_nobody_is_mailed_twice(
    flow: Flow, job: dict[str, Any]
) -> None:
    job_id = flow.order(**job)
    ended = flow.run(job_id)
    assert ended.state is (State.FAILED if job else State.CLOSED)
    results = flow.job(job_id)
    change_job(flow, job_id, state="unassigned", server=None, time_finished=None)
    assert poll_jobs(flow.bridge) == 0
    assert flow.job(job_id) == results
    flow.deliver()
    assert flow.broadcast(job_id).state is ended.state
    assert sum(copy["mails_sent"] for copy in flow.copies(ended)) == (ended.sent or 0)


# What the client reads


def test_the_client_reads_how_far_its_job_is_and_how_it_ended(flow: Flow) -> None:
    job_id = flow.order()
    ended = flow.run(job_id)
    assert ended.rows is not None
    summary = lines(flow, job_id)
    states = [State.STAGED, State.PREPARED, State.UPLOADED, State.IMPORTED, State.SENDING, State.SENT, State.CLOSED]
    assert [state for state in states if any(f"{ended.key} is {state}." in line for line in summary)] == states
    assert summary[-1].startswith(f"Broadcast {ended.key} is closed. {ended.rows.uploaded} of {ended.rows.read} rows")
    assert f"Sent to {ended.sent} recipients by Smart Campaign {ended.campaign_id}." in summary[-1]
    _, results = flow.job(job_id)
    reasons = dict(part.split("=") for part in results["RejectReasons"].split(";"))
    assert sum(map(int, reasons.values())) == ended.rows.read - ended.rows.uploaded
    assert (results["ListName"], results["CampaignId"]) == ("Customers", str(ended.campaign_id))


# A schema map that does not fit. Columns are renamed in SQLite files, for others use the databases of a server.


def rename(flow: Flow, table: str, column: str, to: str) -> None:
    for database in (flow.ws_database, flow.bridge.rs_database):
        with database.writing() as connection:
            if connection.dialect.has_table(connection, table):
                connection.exec_driver_sql(f'ALTER TABLE "{table}" RENAME COLUMN "{column}" TO "{to}"')


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("table", "column"), [("JobQueue", "Priority"), ("BroadcastsDetail", "ActionType")], ids=["WS_DB", "RS_DB"]
)
def test_no_job_is_claimed_while_a_database_is_not_as_the_schema_map_says(flow: Flow, table: str, column: str) -> None:
    job_id = flow.order()
    rename(flow, table, column, "Renamed")
    with pytest.raises(SchemaMapMismatch, match=f"{table} has no column {column}"):
        poll_jobs(flow.bridge)
    rename(flow, table, "Renamed", column)
    assert flow.job(job_id)[0] == "unassigned"
    assert flow.run(job_id).state is State.CLOSED, "without a restart"


@pytest.mark.sqlite
def test_responses_are_loaded_while_ws_db_does_not_fit(flow: Flow) -> None:
    rename(flow, "JobQueue", "Priority", "Renamed")
    with pytest.raises(SchemaMapMismatch):
        poll_jobs(flow.bridge)
    assert load_responses(flow.bridge, 4711) is None


@pytest.mark.sqlite
def test_responses_wait_while_rs_db_does_not_fit(flow: Flow) -> None:
    rename(flow, "Response", "Email", "Renamed")
    with pytest.raises(SchemaMapMismatch, match="Response has no column Email"):
        load_responses(flow.bridge, 4711)
