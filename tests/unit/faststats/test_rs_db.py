"""RS_DB: what the bridge writes for FastStats to read."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, DateTime, column, insert, select, table

from shared.broadcast import RowCounts, State
from shared.database.connections import Database
from shared.faststats.rs_db import RsDb
from shared.faststats.schema_map.names import RsDbSchema
from shared.ledger import tables
from shared.ledger.responses import staging as responses
from shared.ledger.schema import Schema
from shared.response import Response
from tests.builders import make_broadcast, make_request
from tests.databases import ZONE
from tests.response_files import make_response_file

from .conftest import NOW

BROADCAST = make_broadcast(
    State.PREPARED,
    request=make_request(7, step_id=12, run=3, parameters="a=b;c=d"),
    version=3,
    created_at=NOW,
    changed_at=NOW,
    due_at=NOW,
    rows=RowCounts(read=10, uploaded=6, rejected=2, duplicates=1, suppressed=1),
    campaign_id=500,
    mailing_id=900,
)
FILES = (make_response_file(id=number) for number in count(1))
OPEN = Response(message_type="Open", event_time=NOW, email="ann@example.com", urn="1", communication_key="K1")


@pytest.fixture
def rs_db(rs_schema: RsDbSchema, rs_database: Database) -> RsDb:
    Schema(rs_database).migrate()
    return RsDb(rs_schema)


def rows(database: Database, table: Any) -> list[dict[str, Any]]:
    with database.reading() as connection:
        return [
            {column.key: row._mapping[column] for column in table.c}
            for row in connection.execute(select(table).order_by(*table.primary_key.columns))
        ]


def add(rs_db: RsDb, connection: Connection, rows: Sequence[Response]) -> list[int]:
    """Write responses as a load does; their ids."""
    load_id, file = uuid4().hex, next(FILES)
    staged = (responses._staging_row(file, line, one, ZoneInfo(ZONE)) for line, one in enumerate(rows))
    connection.execute(
        insert(tables.response_staging),
        [{"load_id": load_id, **dict(zip(responses._STAGED, one, strict=True))} for one in staged],
    )
    responses.number_new(connection, load_id)
    ids: list[int] = []
    for batch in responses.batches(connection, load_id):
        ids += rs_db.add_responses(connection, batch)
    return ids


def test_an_upload_is_recorded_as_faststats_records_its_own(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    with rs_database.writing() as connection:
        broadcast_id = rs_db.record_prepared(connection, BROADCAST)
    assert rows(rs_database, rs_schema.broadcasts) == [
        {
            "id": broadcast_id,
            "broadcaster": "Optimizely",
            "list_name": "Newsletter",
            "step_id": 12,
            "run": 3,
            "parameters": "a=b;c=d",
        }
    ]
    (detail,) = rows(rs_database, rs_schema.broadcasts_detail)
    assert detail == {
        "id": detail["id"],
        "broadcast_id": broadcast_id,
        "action_type": "Prepared",
        "status": "Completed",
        "parameters": "BroadcastKey=J7-00000000;CampaignId=500;MailingId=900;",
        "broadcaster_transaction_id": "J7-00000000",
        "recipients_uploaded": 6,
        "recipients_rejected": 4,
        "recipients_broadcast": None,
    }


def test_what_was_sent_is_recorded_with_the_mailing_that_responses_carry(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    with rs_database.writing() as connection:
        broadcast_id = rs_db.record_prepared(connection, BROADCAST)
        rs_db.record_delivered(connection, replace(BROADCAST, rs_broadcast_id=broadcast_id, sent=5))
    delivered = rows(rs_database, rs_schema.broadcasts_detail)[-1]
    assert (delivered["action_type"], delivered["status"]) == ("Delivered", "Completed")
    assert delivered["parameters"] == "BroadcastKey=J7-00000000;CampaignId=500;MailingId=900;"
    assert (delivered["broadcaster_transaction_id"], delivered["recipients_broadcast"]) == ("900", 5)
    assert (delivered["recipients_uploaded"], delivered["recipients_rejected"]) == (6, 1)
    assert delivered["broadcast_id"] == broadcast_id


def test_what_was_sent_is_counted_against_what_optimizely_had_on_the_list(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    with rs_database.writing() as connection:
        broadcast_id = rs_db.record_prepared(connection, BROADCAST)
        rs_db.record_delivered(connection, replace(BROADCAST, rs_broadcast_id=broadcast_id, imported=5, sent=3))
    delivered = rows(rs_database, rs_schema.broadcasts_detail)[-1]
    counts = [delivered[f"recipients_{what}"] for what in ("uploaded", "rejected", "broadcast")]
    assert counts == [5, 2, 3]


def test_an_upload_by_sending_batch_is_known_by_its_batch(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    with rs_database.writing() as connection:
        rs_db.record_prepared(connection, replace(BROADCAST, batch_id=77))
    (prepared,) = rows(rs_database, rs_schema.broadcasts_detail)
    assert prepared["broadcaster_transaction_id"] == "77"
    assert prepared["parameters"].endswith("BatchId=77;")


def test_a_broadcast_that_is_uploaded_anew_has_one_prepared_row_that_shows_its_last_upload(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    with rs_database.writing() as connection:
        broadcast_id = rs_db.record_prepared(connection, BROADCAST)
        other = rs_db.record_prepared(connection, replace(BROADCAST, id=2))
    again = replace(
        BROADCAST,
        rs_broadcast_id=broadcast_id,
        rows=RowCounts(read=10, uploaded=5, rejected=2, duplicates=1, suppressed=2),
    )
    with rs_database.writing() as connection:
        assert rs_db.record_prepared(connection, again) == broadcast_id
    assert len(rows(rs_database, rs_schema.broadcasts)) == 2
    details = rows(rs_database, rs_schema.broadcasts_detail)
    assert [(one["broadcast_id"], one["recipients_uploaded"], one["recipients_rejected"]) for one in details] == [
        (broadcast_id, 5, 5),
        (other, 6, 4),
    ]


def test_a_campaign_with_several_mailings_is_recorded_by_its_own_id(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    with rs_database.writing() as connection:
        broadcast_id = rs_db.record_prepared(connection, BROADCAST)
        rs_db.record_delivered(connection, replace(BROADCAST, rs_broadcast_id=broadcast_id, mailing_id=None))
    assert rows(rs_database, rs_schema.broadcasts_detail)[-1]["broadcaster_transaction_id"] == "500"


def test_an_upload_without_a_campaign_or_counts_is_recorded_too(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    with rs_database.writing() as connection:
        rs_db.record_prepared(connection, replace(BROADCAST, campaign_id=None, mailing_id=None, rows=None))
    (detail,) = rows(rs_database, rs_schema.broadcasts_detail)
    assert detail["parameters"] == "BroadcastKey=J7-00000000;"
    assert (detail["recipients_uploaded"], detail["recipients_rejected"]) == (None, None)


def test_no_delivery_is_recorded_for_a_broadcast_that_rs_db_does_not_have(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    with rs_database.writing() as connection:
        rs_db.record_delivered(connection, BROADCAST)
    assert rows(rs_database, rs_schema.broadcasts_detail) == []


def test_everything_stands_or_falls_with_the_transaction_of_the_caller(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    def write_then_fail() -> None:
        with rs_database.writing() as connection:
            rs_db.record_prepared(connection, BROADCAST)
            add(rs_db, connection, [OPEN])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_then_fail()
    for one in rs_schema.metadata.sorted_tables:
        assert rows(rs_database, one) == []


def test_ids_come_back_in_the_order_of_the_responses(rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema) -> None:
    many = [
        replace(OPEN, urn=str(number), communication_key=str(number), details={"Number": str(number)})
        for number in range(2500)
    ]
    with rs_database.writing() as connection:
        ids = add(rs_db, connection, many)
    assert len(set(ids)) == 2500
    urns = {row["id"]: row["urn"] for row in rows(rs_database, rs_schema.response)}
    assert [urns[response_id] for response_id in ids] == [one.urn for one in many]
    details = {row["id"]: row["value"] for row in rows(rs_database, rs_schema.response_details)}
    assert details == urns


def test_a_response_has_no_address_of_a_click_that_was_none(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    with rs_database.writing() as connection:
        add(rs_db, connection, [OPEN, replace(OPEN, click_url="https://example.com/")])
    assert [row["click_url"] for row in rows(rs_database, rs_schema.response)] == [None, "https://example.com/"]


def test_the_details_of_a_response_are_rows_of_their_own(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    with rs_database.writing() as connection:
        plain, result = add(rs_db, connection, [OPEN, replace(OPEN, details={"Browser": "X", "Geo": "ö"})])
    found = [(row["id"], row["name"], row["value"]) for row in rows(rs_database, rs_schema.response_details)]
    assert found == [(result, "Browser", "X"), (result, "Geo", "ö")]
    assert plain != result


def test_times_are_those_of_the_server_of_the_database(
    rs_db: RsDb, rs_database: Database, rs_schema: RsDbSchema
) -> None:
    summer = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)
    response = replace(OPEN, event_time=summer, delivery_date=summer - timedelta(hours=1), click_date=summer)
    with rs_database.writing() as connection:
        add(rs_db, connection, [response])
    names = ("EventTriggeredDate", "DeliveryDate", "ClickDate")
    with rs_database.reading() as connection:
        walls = connection.execute(
            select(*(column(name, DateTime()) for name in names)).select_from(table("Response"))
        ).one()
    half_past_midnight = datetime(2026, 7, 2, 0, 30)  # noqa: DTZ001 - as it is in the columns
    assert tuple(walls) == (half_past_midnight, half_past_midnight - timedelta(hours=1), half_past_midnight)
    (row,) = rows(rs_database, rs_schema.response)
    assert row["event_triggered_date"] == summer


def test_responses_are_counted_by_type(rs_db: RsDb, rs_database: Database) -> None:
    with rs_database.writing() as connection:
        assert rs_db.count_by_type(connection) == {}
        add(rs_db, connection, [OPEN, OPEN, replace(OPEN, message_type="Seen")])
        assert rs_db.count_by_type(connection) == {"Open": 2, "Seen": 1}
