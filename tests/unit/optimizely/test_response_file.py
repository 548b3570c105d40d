"""Response files are read row by row, and every row is accounted for."""

from collections import Counter
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ResponseFileLayout
from shared.optimizely.response_file import ResponseLayout, ResponseReader
from shared.rejects import RejectReason
from shared.response import Response

LAYOUT = ResponseLayout(delimiter=";", encoding="utf-8-sig", date_format="dd.MM.yyyy HH:mm", time_zone="Europe/Berlin")
HEADER = (
    "Email;Urn;CommunicationKey;MessageType;DeliveryDate;ClickUrl;ClickDate;EventTriggeredDate;MailingId;"
    "BroadcastKey;BounceType\r\n"
)
GOOD = "a@example.org;1;k1;Open;02.02.2026 09:00;;;02.02.2026 10:30;77;J1-00000000;\r\n"


def read(
    content: str | bytes, layout: ResponseLayout = LAYOUT, *, size: int = 7
) -> tuple[list[Response], Counter[RejectReason]]:
    raw = content.encode() if isinstance(content, str) else content
    reader = ResponseReader((raw[at : at + size] for at in range(0, len(raw), size)), layout, name="Responses_1.csv")
    rows = [response for _line, response in reader]
    assert reader.rows_read == reader.rows_good + reader.rejects.total()
    assert reader.rows_good == len(rows)
    return rows, reader.rejects


def test_a_row_becomes_a_response_in_utc() -> None:
    ((response,), rejects) = read(HEADER + GOOD)
    assert response == Response(
        message_type="Open",
        event_time=datetime(2026, 2, 2, 9, 30, tzinfo=UTC),
        email="a@example.org",
        urn="1",
        communication_key="k1",
        broadcast_key="J1-00000000",
        mailing_id="77",
        delivery_date=datetime(2026, 2, 2, 8, 0, tzinfo=UTC),
    )
    assert not rejects


def test_unknown_columns_become_details_and_unknown_types_stay() -> None:
    ((response,), _) = read("MessageType;EventTriggeredDate;Urn;Browser;Geo\nSeen;02.02.2026 10:30;1;Fox;\n")
    assert response.message_type == "Seen"
    assert response.details == {"Browser": "Fox"}


@pytest.mark.parametrize(
    "header",
    ["communication key;MESSAGETYPE;Event_Triggered_Date\n", "\ufeffCommunicationKey;MessageType;EventTriggeredDate\n"],
)
def test_column_names_may_have_other_capitals_and_blanks(header: str) -> None:
    ((response,), _) = read(header + "k;Open;02.02.2026 10:30\n")
    assert response.communication_key == "k"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("too;few\n", RejectReason.WRONG_FIELD_COUNT),
        (GOOD.replace("02.02.2026 10:30", ""), RejectReason.DATE_INVALID),
        (GOOD.replace("02.02.2026 10:30", "2026-02-02 10:30"), RejectReason.DATE_INVALID),
        (GOOD.replace("02.02.2026 10:30", "02.02.2026 10:30:00"), RejectReason.DATE_INVALID),
        (GOOD.replace("02.02.2026 10:30", "02.13.2026 10:30"), RejectReason.DATE_INVALID),
        (GOOD.replace("02.02.2026 10:30", "31.02.2026 10:30"), RejectReason.DATE_INVALID),
        (GOOD.replace("02.02.2026 10:30", "2.2.2026 10:30"), RejectReason.DATE_INVALID),
        (GOOD.replace("02.02.2026 09:00", "soon"), RejectReason.DATE_INVALID),
        (GOOD.replace("Open", ""), RejectReason.TYPE_MISSING),
        (GOOD.replace("a@example.org;1;k1", ";;"), RejectReason.RECIPIENT_MISSING),
        (GOOD.replace("77", '"77'), RejectReason.BROKEN_QUOTE),
        (GOOD.replace("77", 'a"7"7'), None),
        (GOOD.replace("77", "7\x007"), RejectReason.CONTROL_CHARACTER),
        (GOOD.replace("77", "x" * 4001), RejectReason.VALUE_TOO_LONG),
        (GOOD.replace("77", "x" * 2_000_000), RejectReason.VALUE_TOO_LONG),
    ],
)
def test_a_row_that_does_not_fit_is_rejected_with_a_reason(row: str, reason: RejectReason | None) -> None:
    rows, rejects = read(HEADER + row, size=100_000)
    assert rejects == (Counter([reason]) if reason else Counter())
    assert len(rows) == (0 if reason else 1)


def test_bytes_that_are_no_text_reject_their_row_only() -> None:
    rows, rejects = read(HEADER.encode() + GOOD.replace("77", "\xff").encode("latin-1") + GOOD.encode())
    assert (len(rows), rejects) == (1, Counter([RejectReason.NOT_TEXT]))


def test_a_quote_that_is_never_closed_does_not_swallow_the_file() -> None:
    rows, rejects = read(HEADER + GOOD.replace("77", '"77') + GOOD * 300, size=4096)
    assert rejects == Counter([RejectReason.BROKEN_QUOTE])
    assert len(rows) > 190


def test_quoted_values_may_hold_delimiters_quotes_and_line_ends() -> None:
    row = GOOD.replace(";;;", ';"https://x.example/?a=1;b=""2""\nc";02.02.2026 10:30;')
    ((response,), _) = read(HEADER + row)
    assert response.click_url == 'https://x.example/?a=1;b="2"\nc'


@pytest.mark.parametrize(
    "content",
    ["", "\n", "Email;Urn\n", "MessageType;Urn\n", "EventTriggeredDate;Urn\n", '"MessageType;EventTriggeredDate\n'],
)
def test_a_file_without_the_header_it_needs_is_refused(content: str) -> None:
    with pytest.raises(ResponseFileLayout, match=r"Responses_1\.csv"):
        read(content)


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("29.03.2026 01:59", datetime(2026, 3, 29, 0, 59, tzinfo=UTC)),
        ("29.03.2026 02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # does not exist: moved on by the hour
        ("29.03.2026 03:00", datetime(2026, 3, 29, 1, 0, tzinfo=UTC)),
        ("25.10.2026 02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # exists twice: the first
        ("25.10.2026 03:00", datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
    ],
)
def test_the_hours_in_which_the_clock_changes_are_read_the_same_every_time(local: str, utc: datetime) -> None:
    ((response,), _) = read(HEADER + GOOD.replace("02.02.2026 10:30", local))
    assert response.event_time == utc


def test_other_formats_zones_and_encodings_are_settings() -> None:
    layout = ResponseLayout(delimiter="\t", encoding="cp1252", date_format="yyyy-MM-dd HH:mm:ss", time_zone="UTC")
    content = "Urn\tMessageType\tEventTriggeredDate\tCity\n1\tOpen\t2026-02-02 10:30:15\tKöln\n".encode("cp1252")
    ((response,), _) = read(content, layout)
    assert response.event_time == datetime(2026, 2, 2, 10, 30, 15, tzinfo=UTC)
    assert response.details == {"City": "Köln"}


@given(st.integers(1, 5000), st.integers(0, 40))
def test_where_the_pieces_are_cut_changes_nothing(size: int, rows: int) -> None:
    content = HEADER + GOOD * rows
    assert read(content, size=size) == read(content, size=10**6)
