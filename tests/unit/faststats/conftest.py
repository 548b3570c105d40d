"""The job queue of WS_DB, and jobs for it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from shared.database.connections import Database
from shared.faststats.schema_map.names import RsDbSchema, WsDbSchema
from shared.faststats.ws_db import WsDb
from tests.clocks import MovableClock
from tests.databases import ZONE, Databases

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def ws_url(databases: Databases) -> str:
    return databases.ws


@pytest.fixture
def open_database(opened: Callable[[str, str], Database]) -> Callable[[str], Database]:
    return lambda url: opened(url, "TEST")


@pytest.fixture
def ws_schema() -> WsDbSchema:
    return WsDbSchema(ZONE)


@pytest.fixture
def ws_db(ws_database: Database, ws_schema: WsDbSchema) -> WsDb:
    return WsDb(ws_database, ws_schema, server="this bridge", clock=MovableClock(NOW))


@pytest.fixture
def add_job(ws_database: Database, ws_schema: WsDbSchema) -> Callable[..., int]:
    """Adds a job as the wizard does; ages are in minutes."""

    def add(*, age: float = 0, command: str | None = "<DeliveryCommand/>", **columns: object) -> int:
        row = {
            "time_added": NOW - timedelta(minutes=age),
            "priority": 10,
            "state": ws_schema.states["waiting"],
            "cancel_requested": 0,
            "system_name": "Holidays",
            "job_type": ws_schema.broadcast_job_type,
            **columns,
        }
        with ws_database.writing() as connection:
            job_id = connection.execute(
                insert(ws_schema.job_queue).values(**row).returning(ws_schema.job_queue.c.job_id)
            ).scalar_one()
            if command is not None:
                connection.execute(insert(ws_schema.commands).values(job_id=job_id, command=command))
        return int(job_id)

    return add


@pytest.fixture
def rs_schema() -> RsDbSchema:
    return RsDbSchema(ZONE)
