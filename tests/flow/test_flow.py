"""The flow through all six steps, over real parts."""

from sqlalchemy import select, update

from shared.broadcast import State
from shared.faststats.schema_map.names import RsDbSchema, WsDbSchema
from shared.steps.load_responses import load_responses
from shared.steps.monitor_import import monitor_import
from shared.steps.poll_jobs import poll_jobs
from shared.steps.upload_list import upload_list
from tests.databases import ZONE
from tests.flow.harness import Flow


def test_a_broadcast_goes_out_and_every_response_comes_back(alone: Flow) -> None:
    flow = alone
    broadcast = flow.run(flow.order(recipients=400))
    assert broadcast.state is State.CLOSED
    assert broadcast.rows is not None
    assert broadcast.rows.read == broadcast.rows.accounted
    flow.collect_responses()

    campaign = flow.campaign(broadcast)
    assert campaign["distinct_recipients_mailed"] == broadcast.imported == broadcast.sent
    assert campaign["mailed_more_than_once"] == 0
    with flow.bridge.rs_database.reading() as connection:
        in_rs_db = flow.bridge.rs_db.count_by_type(connection)
    assert in_rs_db == campaign["events_by_type"]
    totals = flow.bridge.ledger.response_files.totals()
    assert totals["rows_known"] > 0, "response files overlap, or this test shows little"
    assert totals["rows_rejected"] == totals["rows_unmatched"] == 0


def test_rs_db_records_the_broadcast_as_faststats_does(flow: Flow) -> None:
    broadcast = flow.run(flow.order())
    schema = RsDbSchema(ZONE)
    with flow.bridge.rs_database.reading() as connection:
        stored = connection.execute(select(schema.broadcasts)).one()
        details = connection.execute(select(schema.broadcasts_detail).order_by(schema.broadcasts_detail.c.id)).all()
    assert (stored.broadcaster, stored.list_name, stored.run) == ("Optimizely", "Customers", 1)
    assert [(detail.action_type, detail.status) for detail in details] == [
        ("Prepared", "Completed"),
        ("Delivered", "Completed"),
    ]
    assert broadcast.rows is not None
    assert details[0].recipients_uploaded == broadcast.rows.uploaded
    assert details[1].broadcaster_transaction_id == str(broadcast.mailing_id)
    assert details[1].recipients_broadcast == broadcast.sent


def test_the_job_is_done_and_its_results_say_what_happened(flow: Flow) -> None:
    job_id = flow.order()
    broadcast = flow.run(job_id)
    state, results = flow.job(job_id)
    assert state == "done"
    assert results["State"] == "closed"
    assert broadcast.rows is not None
    assert int(results["RecipientsUploaded"]) == broadcast.rows.uploaded
    assert int(results["RecipientsBroadcast"]) == broadcast.sent


def test_upload_only_ends_with_the_import_and_mails_nobody(flow: Flow) -> None:
    broadcast = flow.run(flow.order(upload_only=True, message_name=""))
    assert broadcast.state is State.CLOSED
    assert broadcast.imported
    assert flow.copies(broadcast) == []


def test_two_broadcasts_to_one_list_take_turns(flow: Flow) -> None:
    jobs = [flow.order(recipients=60, seed=1), flow.order(recipients=40, seed=2)]
    broadcasts = [flow.run(job) for job in jobs]
    assert [broadcast.state for broadcast in broadcasts] == [State.CLOSED, State.CLOSED]
    for broadcast in broadcasts:
        campaign = flow.campaign(broadcast)
        assert campaign["distinct_recipients_mailed"] == broadcast.imported
        assert campaign["mailed_more_than_once"] == 0


def test_a_message_delivered_twice_or_too_late_changes_nothing(alone: Flow) -> None:
    flow = alone
    broadcast = flow.run(flow.order())
    flow.collect_responses()
    history = flow.bridge.ledger.broadcasts.history(broadcast)
    totals = flow.bridge.ledger.response_files.totals()
    for version in range(1, broadcast.version + 1):
        monitor_import(flow.bridge, broadcast.key, version)
    for file in flow.bridge.ledger.response_files.newest(100):
        assert load_responses(flow.bridge, file.id) is None
    assert poll_jobs(flow.bridge) == 0
    assert flow.bridge.ledger.broadcasts.history(broadcast) == history
    assert flow.bridge.ledger.response_files.totals() == totals


def test_however_many_messages_a_broadcast_has_one_goes_on(flow: Flow) -> None:
    job_id = flow.order()
    poll_jobs(flow.bridge)
    broadcast = flow.broadcast(job_id)
    for _ in range(5):
        flow.bridge.send_on(broadcast)
    copies = flow.take(flow.bridge.settings.upload_list_queue)
    assert len(copies) == 6
    for message in copies:
        upload_list(flow.bridge, message["broadcast"], message["version"])
    assert flow.broadcast(job_id).state is State.UPLOADED
    assert len(flow.take(flow.bridge.settings.monitor_import_queue)) == 1
    assert flow.sweep_until_at_rest(job_id).state is State.CLOSED


def test_a_job_cancelled_before_its_start_mails_nobody(flow: Flow) -> None:
    job_id = flow.order()
    poll_jobs(flow.bridge)
    queue = WsDbSchema(ZONE).job_queue
    with flow.ws_database.writing() as connection:
        connection.execute(update(queue).where(queue.c.job_id == job_id).values(cancel_requested=1))
    broadcast = flow.run(job_id)
    assert broadcast.state is State.CANCELLED
    assert flow.job(job_id)[0] == "cancel"
    assert all(campaign["mails_sent"] == 0 for campaign in flow.copies(broadcast))
