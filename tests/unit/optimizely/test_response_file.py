"""Response files: every row is a response or is rejected with a reason, wherever the pieces are cut."""

import csv
import io
import tracemalloc
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ResponseFileLayout
from shared.optimizely.response_file import ResponseLayout, ResponseReader
from shared.rejects import RejectReason
from shared.response import Response

HEADER = (
    "Email",
    "Urn",
    "CommunicationKey",
    "MessageType",
    "DeliveryDate",
    "ClickUrl",
    "ClickDate",
    "EventTriggeredDate",
    "BroadcastKey",
    "MailingId",
)
TIME = "01.02.2026 10:00"
GOOD = ("a@example.org", "1", "K1", "Open", "", "", "", TIME, "J7-0123abcd", "77")
#: A value as it comes back: no control characters, no blanks around it.
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20).map(str.strip)


def layout(
    delimiter: str = ";",
    encoding: str = "utf-8-sig",
    date_format: str = "dd.MM.yyyy HH:mm",
    time_zone: str = "Europe/Berlin",
) -> ResponseLayout:
    return ResponseLayout(delimiter=delimiter, encoding=encoding, date_format=date_format, time_zone=time_zone)


def written(*rows: Sequence[str], delimiter: str = ";") -> bytes:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerows((HEADER, *rows))
    return text.getvalue().encode()


def changed(**cells: str) -> tuple[str, ...]:
    return tuple(cells.get(name, cell) for name, cell in zip(HEADER, GOOD, strict=True))


def read(
    content: bytes, how: ResponseLayout | None = None
) -> tuple[list[tuple[int, Response]], dict[RejectReason, int]]:
    reader = ResponseReader([content], how or layout(), name="Response1.csv")
    rows = list(reader)
    assert reader.rows_good == len(rows)
    assert reader.rows_read == reader.rows_good + reader.rejects.total()
    return rows, dict(reader.rejects)


def test_a_row_becomes_a_response() -> None:
    row = changed(
        MessageType="Click", DeliveryDate="31.01.2026 09:15", ClickUrl="https://x.example/?a=1;b", ClickDate=TIME
    )
    assert read(written(row)) == (
        [
            (
                2,
                Response(
                    message_type="Click",
                    event_time=datetime(2026, 2, 1, 9, 0, tzinfo=UTC),
                    email="a@example.org",
                    urn="1",
                    communication_key="K1",
                    broadcast_key="J7-0123abcd",
                    mailing_id="77",
                    delivery_date=datetime(2026, 1, 31, 8, 15, tzinfo=UTC),
                    click_url="https://x.example/?a=1;b",
                    click_date=datetime(2026, 2, 1, 9, 0, tzinfo=UTC),
                ),
            )
        ],
        {},
    )


def test_columns_are_found_whatever_their_spelling_and_order() -> None:
    content = f'eventtriggereddate;"Communication Key";MESSAGE TYPE;Device;Note\n{TIME};K1;Open;Phone;\n'.encode()
    ((_number, response),), _rejects = read(content)
    assert (response.communication_key, response.message_type) == ("K1", "Open")
    assert response.details == {"Device": "Phone"}


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_marks_and_line_ends_make_no_difference(end: bytes, bom: bytes, last: bool) -> None:
    content = bom + written(GOOD, GOOD).replace(b"\r\n", end)
    rows, rejects = read(content if last else content.removesuffix(end))
    assert [number for number, _response in rows] == [2, 3]
    assert rejects == {}


@given(st.lists(st.tuples(VALUES, VALUES), max_size=20), st.sampled_from(";,\t|"))
def test_what_was_written_is_read(values: Sequence[tuple[str, str]], delimiter: str) -> None:
    rows, rejects = read(
        written(*(changed(Urn=urn, ClickUrl=url) for urn, url in values), delimiter=delimiter),
        layout(delimiter=delimiter),
    )
    assert [(response.urn, response.click_url) for _number, response in rows] == list(values)
    assert rejects == {}


def test_a_quoted_value_can_have_lines() -> None:
    rows, rejects = read(written(changed(ClickUrl="one\ntwo\r\nthree"), GOOD))
    assert [(number, response.click_url) for number, response in rows] == [(2, "one\ntwo\r\nthree"), (5, "")]
    assert rejects == {}


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"\x89PNG\r\n\x1a\n\x00\x00", b'"open\n' * 300])
def test_a_file_without_header_is_refused(content: bytes) -> None:
    with pytest.raises(ResponseFileLayout) as raised:
        read(content)
    assert raised.value.facts["file"] == "Response1.csv"


@pytest.mark.parametrize("missing", ["MessageType", "EventTriggeredDate"])
def test_a_column_that_is_needed_and_missing_is_named(missing: str) -> None:
    with pytest.raises(ResponseFileLayout, match=missing):
        read(written(GOOD).replace(missing.encode(), b"Other"))


def test_no_data_is_in_the_text_of_an_error() -> None:
    with pytest.raises(ResponseFileLayout) as raised:
        read(b"secret@example.org;Open;" + TIME.encode())
    assert "secret" not in str(raised.value)
    assert raised.value.__cause__ is None


def test_a_header_alone_has_no_rows() -> None:
    assert read(written()) == ([], {})


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (GOOD[:-1], RejectReason.WRONG_FIELD_COUNT),
        ((*GOOD, ""), RejectReason.WRONG_FIELD_COUNT),
        (changed(MessageType=" "), RejectReason.TYPE_MISSING),
        (changed(Email="", Urn=" ", CommunicationKey=""), RejectReason.RECIPIENT_MISSING),
        (changed(Urn="nu\x00ll"), RejectReason.CONTROL_CHARACTER),
        (changed(ClickUrl="x" * 4001), RejectReason.VALUE_TOO_LONG),
        (changed(ClickUrl="x" * 2_000_000), RejectReason.VALUE_TOO_LONG),
        *[
            (changed(EventTriggeredDate=text), RejectReason.DATE_INVALID)
            for text in ("", "2026-02-01 10:00", "1.2.2026 10:00", "01.02.2026", "30.02.2026 10:00", "01.02.2026 24:00")
        ],
        (changed(EventTriggeredDate="\u0660\u0661.02.2026 10:00"), RejectReason.DATE_INVALID),
        (changed(EventTriggeredDate="01.02.2026 10:00:00"), RejectReason.DATE_INVALID),
        (changed(EventTriggeredDate="01.01.0001 00:00"), RejectReason.DATE_INVALID),
        (changed(DeliveryDate="yesterday"), RejectReason.DATE_INVALID),
        (changed(ClickDate="01/02/2026"), RejectReason.DATE_INVALID),
    ],
)
def test_every_reason(row: Sequence[str], reason: RejectReason) -> None:
    rows, rejects = read(written(row, GOOD))
    assert rejects == {reason: 1}
    assert [number for number, _response in rows] == [3]


@pytest.mark.parametrize("cell", ["Email", "Urn", "CommunicationKey"])
def test_one_of_three_is_enough_to_know_the_recipient(cell: str) -> None:
    nobody = dict.fromkeys(("Email", "Urn", "CommunicationKey"), "")
    rows, _rejects = read(written(changed(**{**nobody, cell: "x"})))
    assert len(rows) == 1


def test_bytes_that_are_no_text_reject_their_row_only() -> None:
    content = written(changed(Urn="HERE"), GOOD).replace(b"HERE", b"\xff")
    rows, rejects = read(content)
    assert rejects == {RejectReason.NOT_TEXT: 1}
    assert [number for number, _response in rows] == [3]


def test_another_encoding() -> None:
    content = written(changed(Urn="Größe")).decode().encode("cp1252")
    ((_number, response),), _rejects = read(content, layout(encoding="cp1252"))
    assert response.urn == "Größe"


def test_a_quote_that_ends_too_early_rejects_its_row() -> None:
    content = written(changed(Urn="HERE"), GOOD).replace(b"HERE", b'"a"b')
    rows, rejects = read(content)
    assert rejects == {RejectReason.BROKEN_QUOTE: 1}
    assert [number for number, _response in rows] == [3]


def test_a_quote_that_is_never_closed_costs_its_own_row_only() -> None:
    content = written(*[GOOD] * 3, changed(Urn="HERE"), *[GOOD] * 300).replace(b"HERE", b'"open')
    rows, rejects = read(content)
    assert rejects == {RejectReason.BROKEN_QUOTE: 1}
    assert [number for number, _response in rows] == [number for number in range(2, 306) if number != 5]


def test_a_quote_that_is_opened_in_the_last_row_rejects_it() -> None:
    content = written(GOOD, changed(Urn="HERE")).replace(b"HERE", b'"open')
    rows, rejects = read(content)
    assert rejects == {RejectReason.BROKEN_QUOTE: 1}
    assert len(rows) == 1


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        ("29.03.2026 01:59", (2026, 3, 29, 0, 59)),
        ("29.03.2026 02:30", (2026, 3, 29, 1, 30)),  # does not exist: moved on to 03:30
        ("29.03.2026 03:00", (2026, 3, 29, 1, 0)),
        ("25.10.2026 01:59", (2026, 10, 24, 23, 59)),
        ("25.10.2026 02:30", (2026, 10, 25, 0, 30)),  # exists twice: the first
        ("25.10.2026 03:00", (2026, 10, 25, 2, 0)),
    ],
)
def test_hours_in_which_the_clock_is_changed(local: str, utc: tuple[int, int, int, int, int]) -> None:
    ((_number, response),), _rejects = read(written(changed(EventTriggeredDate=local)))
    year, month, day, hour, minute = utc
    assert response.event_time == datetime(year, month, day, hour, minute, tzinfo=UTC)
    assert response.event_time.tzinfo is UTC


@pytest.mark.parametrize(
    ("date_format", "text"),
    [
        ("dd.MM.yyyy HH:mm:ss", "01.02.2026 10:00:07"),
        ("yyyy-MM-dd HH:mm:ss", "2026-02-01 10:00:07"),
        ("MM/dd/yyyy HH:mm:ss", "02/01/2026 10:00:07"),
        ("yyyyMMddHHmmss", "20260201100007"),
    ],
)
def test_other_date_formats(date_format: str, text: str) -> None:
    ((_number, response),), _rejects = read(
        written(changed(EventTriggeredDate=text)), layout(date_format=date_format, time_zone="UTC")
    )
    assert response.event_time == datetime(2026, 2, 1, 10, 0, 7, tzinfo=UTC)


MIXED = (
    written(
        GOOD,
        changed(ClickUrl='lines\r\nand "quotes"; and more', Urn="Größe"),
        changed(EventTriggeredDate="never"),
        GOOD[:4],
        changed(Urn="HERE"),
        GOOD,
        changed(MessageType=""),
    ).replace(b"HERE", b"\xff\xfe")
    + b'x;"open\r\n'
)


@given(st.lists(st.integers(0, len(MIXED)), max_size=30))
def test_it_makes_no_difference_where_the_pieces_are_cut(cuts: Sequence[int]) -> None:
    places = [0, *sorted(cuts), len(MIXED)]
    reader = ResponseReader([MIXED[start:end] for start, end in pairwise(places)], layout(), name="x")
    assert (list(reader), dict(reader.rejects)) == read(MIXED)


def test_it_makes_no_difference_whether_every_byte_comes_alone() -> None:
    reader = ResponseReader([bytes([byte]) for byte in MIXED], layout(), name="x")
    assert (list(reader), dict(reader.rejects)) == read(MIXED)


@given(st.lists(st.sampled_from(['"', ";", "\n", "\r", "a", "\x00", "é", TIME, "Open"]), max_size=60))
def test_no_file_breaks_the_sum(pieces: Sequence[str]) -> None:
    read(written(GOOD) + "".join(pieces).encode())


def peak(rows: int, row: bytes) -> int:
    def pieces() -> Iterator[bytes]:
        yield written()
        for _number in range(rows // 100):
            yield row * 100

    reader = ResponseReader(pieces(), layout(), name="x")
    tracemalloc.start()
    try:
        assert sum(1 for _row in reader) + reader.rejects.total() == reader.rows_read
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("row", [";".join(GOOD).encode() + b"\n", b'"broken;x\n', b"\xff\n"])
def test_memory_does_not_grow_with_rows(row: bytes) -> None:
    peak(10_000, row)  # what is built once
    assert peak(60_000, row) <= 1.2 * peak(6_000, row)


def test_an_endless_line_is_not_kept_in_memory() -> None:
    reader = ResponseReader(
        (written(), *(b"x" * 65_536 for _ in range(1_000)), b"\n", written(GOOD)), layout(), name="x"
    )
    tracemalloc.start()
    try:
        list(reader)
        assert tracemalloc.get_traced_memory()[1] < 6 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert reader.rejects[RejectReason.VALUE_TOO_LONG] == 1
    assert reader.rows_good == 1
