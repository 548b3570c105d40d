"""Responses leave as files that FERG reads: every event once, whatever happens in between."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from shared.broadcast import Broadcast
from shared.config.response_layouts import ResponseLayout
from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from shared.errors import SettingsInvalid, StorageUnavailable
from shared.faststats.ferg_file import FergFiles
from shared.faststats.rs_db import RsDb
from shared.ledger import Ledger, tables
from shared.ledger.leases import LeaseName
from shared.ledger.responses import ferg_files
from shared.ledger.responses import staging as responses
from shared.ledger.responses.files import record_load
from shared.ledger.responses.move import move
from shared.optimizely.responses.reader import ResponseReader
from shared.response import Response
from shared.response_file import LoadCounts, ResponseFile
from shared.steps.chores.deliver_ferg_files import deliver_ferg_files

from .loading import SCHEMA, ZONE, gathered

AT = datetime(2026, 7, 1, 10, 30, 15, tzinfo=UTC)
OPEN = Response(message_type="Open", event_time=AT, email="ann@example.com", urn="1", communication_key="K1")
HEADER = (
    '"Email"\t"Urn"\t"CommunicationKey"\t"MessageType"\t"DeliveryDate"\t"ClickUrl"\t"ClickDate"'
    '\t"EventTriggeredDate"\t"MailingId"'
)


class Kept:
    """Keeps what is put, and all that ever was."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.puts: list[tuple[str, bytes]] = []

    def put(self, name: str, chunks: Iterable[bytes]) -> None:
        content = b"".join(chunks)
        self.files[name] = content
        self.puts.append((name, content))


def ferg(place: Kept, **parameters: str) -> FergFiles:
    usual = {"delimiter": "TAB", "encloser": "DOUBLEQUOTE", "date_format": "dd.MM.yyyy HH:mm:ss", "zone": ZONE.key}
    return FergFiles(place.put, **usual | parameters)


def load(
    database: Database,
    file: ResponseFile,
    rows: Sequence[Response],
    *,
    tables_too: bool = False,
    before_commit: Callable[[], None] = lambda: None,
) -> None:
    """Load a response file whose new rows leave in a file."""
    responses.clear(database, file)
    load_id = str(uuid4())
    if rows:
        responses.stage(BulkLoad(database), file, load_id, list(enumerate(rows, start=2)), ZONE)
    columns = list(dict.fromkeys(name for one in rows for name in one.details))
    with database.writing() as connection:
        new = sum(one.rows for one in move(connection, load_id, RsDb(SCHEMA) if tables_too else None, now=AT))
        counts = LoadCounts(read=len(rows), loaded=new, known=len(rows) - new, rejected=0, unmatched=0)
        if new:
            ferg_files.make(connection, file, load_id, columns=columns, rows=new, now=AT)
        record_load(connection, file, counts, {}, owner="loader", keep_new=new > 0, now=AT)
        before_commit()


def read(content: bytes, layout: ResponseLayout) -> list[Response]:
    return [response for _, response in ResponseReader([content], layout, name="Response1")]


LAYOUT = ResponseLayout.model_validate({"DELIMITER": "TAB", "LOCALTIMEZONE": ZONE.key})


# What is in a file


def test_a_file_has_fergs_documented_columns_in_local_times(ledger: Ledger) -> None:
    place = Kept()
    click = replace(
        OPEN,
        message_type="Click",
        delivery_date=AT - timedelta(days=180),
        click_url='https://example.com/?a="b"\tc',
        click_date=AT,
        mailing_id="77",
        details={"BounceType": "Hard\r\nBounce"},
    )
    load(ledger.database, gathered(ledger.database, "Response1"), [OPEN, click])
    assert deliver_ferg_files(ledger, ferg(place)) == 1
    (content,) = place.files.values()
    clicked = '"ann@example.com"\t"1"\t"K1"\t"Click"\t"02.01.2026 11:30:15"\t"https://example.com/?a=""b""\tc"'
    assert content.decode().split("\r\n") == [
        f'{HEADER}\t"BounceType"',
        '"ann@example.com"\t"1"\t"K1"\t"Open"\t""\t""\t""\t"01.07.2026 12:30:15"\t""\t""',
        f'{clicked}\t"01.07.2026 12:30:15"\t"01.07.2026 12:30:15"\t"77"\t"Hard Bounce"',
        "",
    ]


@pytest.mark.parametrize(
    ("parameters", "layout"),
    [
        ({}, {"DELIMITER": "TAB"}),
        ({"delimiter": ";"}, {"DELIMITER": ";"}),
        ({"delimiter": "PIPE", "encloser": "NONE"}, {"DELIMITER": "PIPE", "ENCLOSER": "NONE"}),
        ({"date_format": "yyyy-MM-dd'T'HH:mm"}, None),
        ({"date_format": "yyyyMMdd HH:mm:ss"}, {"DELIMITER": "TAB", "DATEFORMAT": "yyyyMMdd HH:mm:ss"}),
    ],
)
def test_what_is_written_is_read_again_by_the_same_parameters(
    ledger: Ledger, parameters: dict[str, str], layout: dict[str, str] | None
) -> None:
    if layout is None:
        with pytest.raises(SettingsInvalid, match="FERG_DATE_FORMAT"):
            ferg(Kept(), **parameters)
        return
    place = Kept()
    events = [replace(OPEN, urn=f"ü{number}", mailing_id="9", details={"Geo": "ö"}) for number in range(2500)]
    load(ledger.database, gathered(ledger.database, "Response1"), events)
    deliver_ferg_files(ledger, ferg(place, **parameters))
    (content,) = place.files.values()
    assert read(content, ResponseLayout.model_validate(layout | {"LOCALTIMEZONE": ZONE.key})) == events


@pytest.mark.parametrize("date_format", ["UnixTimeStamp", "ISO8601", "dd.MM.yy", ""])
def test_a_date_format_that_cannot_be_written_is_refused(date_format: str) -> None:
    with pytest.raises(SettingsInvalid, match="FERG_DATE_FORMAT"):
        ferg(Kept(), date_format=date_format)


def test_a_value_without_quotes_around_it_holds_no_delimiter(ledger: Ledger) -> None:
    place = Kept()
    load(
        ledger.database, gathered(ledger.database, "Response1"), [replace(OPEN, click_url="a;b", details={"x": "1\n2"})]
    )
    deliver_ferg_files(ledger, ferg(place, delimiter=";", encloser="NONE"))
    (content,) = place.files.values()
    assert content.decode().split("\r\n")[1].split(";")[5] == "a b"
    assert content.decode().split("\r\n")[1].split(";")[-1] == "1 2"


def test_a_row_has_the_mailing_under_which_its_broadcast_was_delivered(
    ledger: Ledger, take_in: Callable[..., Broadcast]
) -> None:
    place = Kept()
    broadcast = take_in(1, mailing_id=None, campaign_id=500)
    with ledger.database.writing() as connection:
        rs_id = RsDb(SCHEMA).record_prepared(connection, broadcast)
        connection.execute(update(tables.broadcast).values(rs_broadcast_id=rs_id))
    event = replace(OPEN, broadcast_key="J1-00000000", mailing_id="77")
    load(ledger.database, gathered(ledger.database, "Response1"), [event, OPEN])
    deliver_ferg_files(ledger, ferg(place))
    (content,) = place.files.values()
    assert [one.mailing_id for one in read(content, LAYOUT)] == ["500", ""]


# Each event once


def test_files_that_overlap_leave_every_event_once(ledger: Ledger) -> None:
    place = Kept()
    events = [replace(OPEN, urn=str(number), communication_key="") for number in range(40)]
    for start in range(0, 40, 5):
        load(ledger.database, gathered(ledger.database, f"Response{start}"), events[start : start + 20] * 2)
        deliver_ferg_files(ledger, ferg(place))
    left = Counter(one.urn for content in place.files.values() for one in read(content, LAYOUT))
    assert left == Counter({str(number): 2 for number in range(40)})
    assert all(name.startswith("Response_") for name in place.files)
    with ledger.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(tables.response_staging)) == 0


def test_a_file_without_new_events_makes_no_file(ledger: Ledger) -> None:
    place = Kept()
    for name in ("Response1", "Response2", "Response3"):
        load(ledger.database, gathered(ledger.database, name), [] if name == "Response3" else [OPEN])
    assert deliver_ferg_files(ledger, ferg(place)) == 1
    assert len(place.files) == 1


def test_a_load_that_is_rolled_back_leaves_no_file_and_takes_no_event_from_the_next(ledger: Ledger) -> None:
    place = Kept()

    def stop() -> None:
        raise ZeroDivisionError

    file = gathered(ledger.database, "Response1")
    with pytest.raises(ZeroDivisionError):
        load(ledger.database, file, [OPEN], before_commit=stop)
    assert deliver_ferg_files(ledger, ferg(place)) == 0
    load(ledger.database, gathered(ledger.database, "Response2"), [OPEN])
    load(ledger.database, file, [OPEN, replace(OPEN, urn="2", communication_key="")])
    deliver_ferg_files(ledger, ferg(place))
    assert Counter(one.urn for content in place.files.values() for one in read(content, LAYOUT)) == {"1": 1, "2": 1}


@pytest.mark.parametrize("moment", ["before it appears", "before it is recorded"])
def test_a_file_is_put_again_after_a_crash_with_the_same_name_and_content(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    place = Kept()
    events = [replace(OPEN, urn=str(number), communication_key="") for number in range(10)]
    load(ledger.database, gathered(ledger.database, "Response1"), events[:5])

    def stop(*_args: object, **_named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        target, name = (place, "put") if moment == "before it appears" else (ferg_files, "record_delivered")
        patch.setattr(target, name, stop)
        with pytest.raises(KeyboardInterrupt):
            deliver_ferg_files(ledger, ferg(place))
    # Another file with some of its events is loaded before it is tried again.
    load(ledger.database, gathered(ledger.database, "Response2"), events)
    assert deliver_ferg_files(ledger, ferg(place)) == 2
    assert deliver_ferg_files(ledger, ferg(place)) == 0
    left = Counter(one.urn for content in place.files.values() for one in read(content, LAYOUT))
    assert left == Counter(one.urn for one in events)
    for _, same in itertools.groupby(sorted(place.puts), key=lambda put: put[0]):
        assert len(set(same)) == 1


def test_a_place_that_does_not_take_a_file_gets_it_later(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    place = Kept()
    load(ledger.database, gathered(ledger.database, "Response1"), [OPEN])

    def refuse(*_args: object) -> None:
        raise StorageUnavailable(operation="put", reason="x")

    with monkeypatch.context() as patch:
        patch.setattr(place, "put", refuse)
        assert deliver_ferg_files(ledger, ferg(place)) == 0
    assert "is not delivered yet" in caplog.text
    assert deliver_ferg_files(ledger, ferg(place)) == 1


def test_a_file_that_somebody_else_is_putting_is_left_to_them(ledger: Ledger) -> None:
    place = Kept()
    file = gathered(ledger.database, "Response1")
    load(ledger.database, file, [OPEN])
    with ledger.leases.held(LeaseName.for_response_file(file.name), "another"):
        assert deliver_ferg_files(ledger, ferg(place)) == 0
    assert deliver_ferg_files(ledger, ferg(place)) == 1


def test_events_that_leave_in_files_only_are_recorded_and_written_to_no_table(ledger: Ledger) -> None:
    load(ledger.database, gathered(ledger.database, "Response1"), [OPEN])
    with ledger.database.reading() as connection:
        assert connection.execute(select(SCHEMA.response)).all() == []
        assert connection.scalars(select(tables.response_event.c.response_id)).all() == [0]
        assert connection.execute(select(tables.unmatched_response)).all() == []


def test_both_ways_show_the_same_events(ledger: Ledger) -> None:
    place = Kept()
    load(ledger.database, gathered(ledger.database, "Response1"), [OPEN, OPEN], tables_too=True)
    deliver_ferg_files(ledger, ferg(place))
    with ledger.database.reading() as connection:
        assert len(connection.execute(select(SCHEMA.response)).all()) == 2
    (content,) = place.files.values()
    assert len(read(content, LAYOUT)) == 2
