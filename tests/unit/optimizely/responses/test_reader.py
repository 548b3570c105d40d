"""Response files: columns, every reason to refuse a row, quotes, memory; every row is accounted for."""

import csv
import gzip
import io
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.response_layouts import ResponseLayout
from shared.errors import ResponseFileLayout
from shared.optimizely.responses.reader import ResponseReader
from shared.rejects import RejectReason
from shared.response import Response

LAYOUT = ResponseLayout(date_formats=("dd.MM.yyyy HH:mm",))
HEADER = (
    "Email;Urn;CommunicationKey;MessageType;DeliveryDate;ClickUrl;ClickDate;EventTriggeredDate;"
    "MailingId;BroadcastKey;BounceType;UserAgent"
)
OPEN = "anna@example.org;1;k1;Open;01.03.2026 09:00;;;01.03.2026 12:30;900;J1-ab;;"
NOON = datetime(2026, 3, 1, 11, 30, tzinfo=UTC)
KIB = 1024


def reader(content: bytes | str, *, size: int = 1 << 20, **layout: Any) -> ResponseReader:
    chosen = ResponseLayout(**LAYOUT.model_dump() | layout)
    data = content.encode(chosen.encoding) if isinstance(content, str) else content
    chunks = (data[start : start + size] for start in range(0, len(data), size))
    return ResponseReader(chunks, chosen, name="Responses.csv")


def read(content: bytes | str, **layout: Any) -> list[tuple[int, Response | RejectReason]]:
    """Every row; the counters are checked."""
    source = reader(content, **layout)
    rows = list(source.rows())
    refused = [row for _, row in rows if isinstance(row, RejectReason)]
    assert source.rows_read == len(rows) == source.rows_good + source.rejects.total()
    assert source.rejects.total() == len(refused)
    assert all(source.rejects[reason] == refused.count(reason) for reason in RejectReason)
    return rows


def lines(*rows: str, end: str = "\r\n") -> str:
    return "".join(row + end for row in (HEADER, *rows))


def reasons(*rows: str) -> list[RejectReason | None]:
    return [row if isinstance(row, RejectReason) else None for _, row in read(lines(*rows))]


def only(content: bytes | str, **layout: Any) -> Response:
    ((_, row),) = read(content, **layout)
    assert isinstance(row, Response)
    return row


# Good rows


def test_a_row_becomes_a_response() -> None:
    click = "anna@example.org;1;k1;Click;01.03.2026 09:00;https://example.org/a?b=c;01.03.2026 12:30;01.03.2026 12:30;"
    assert only(lines(click + "900;J1-ab;;")) == Response(
        message_type="Click",
        event_time=NOON,
        email="anna@example.org",
        urn="1",
        communication_key="k1",
        broadcast_key="J1-ab",
        mailing_id="900",
        delivery_date=datetime(2026, 3, 1, 8, 0, tzinfo=UTC),
        click_url="https://example.org/a?b=c",
        click_date=NOON,
    )


def test_iteration_yields_the_valid_rows_with_their_lines() -> None:
    source = reader(lines(OPEN, "too;few", OPEN))
    assert [line for line, _ in source] == [2, 4]
    assert (source.rows_read, source.rows_good, source.rejects) == (3, 2, {RejectReason.WRONG_FIELD_COUNT: 1})


def test_unknown_columns_are_kept_as_details_and_empty_ones_left_out() -> None:
    bounce = "anna@example.org;1;k1;Bounce;;;;01.03.2026 12:30;900;J1-ab;HardBounce;"
    assert only(lines(bounce)).details == {"BounceType": "HardBounce"}


def test_a_column_without_a_name_is_kept_under_its_number() -> None:
    content = "Urn;MessageType;;EventTriggeredDate;\r\n1;Open;x;01.03.2026 12:30;\r\n"
    assert only(content).details == {"Column 3": "x"}


@pytest.mark.parametrize("header", [HEADER.upper(), HEADER.replace("CommunicationKey", " Communication Key ")])
def test_case_and_spaces_of_column_names_do_not_count(header: str) -> None:
    response = only(f"{header}\r\n{OPEN}\r\n")
    assert (response.communication_key, response.broadcast_key, response.event_time) == ("k1", "J1-ab", NOON)


def test_only_type_time_and_one_key_are_needed() -> None:
    response = only("EventTriggeredDate;Urn;MessageType\n01.03.2026 12:30;7;Open\n")
    assert response == Response(message_type="Open", event_time=NOON, urn="7")


@pytest.mark.parametrize(
    ("written", "kept"),
    [("HardBounce", "Bounce"), ("broadcastoptout", "Unsubscription"), ("gelesen", "Open"), ("Click", "Klick")],
)
def test_a_known_type_by_another_name_is_renamed_and_its_word_kept(written: str, kept: str) -> None:
    row = only(lines(OPEN.replace("Open", written)), types={"Gelesen": "Open", "CLICK": "Klick"})
    assert (row.message_type, row.details) == (kept, {"MessageTypeInFile": written})


@pytest.mark.parametrize(
    ("written", "kept"),
    [("OPEN", "Open"), ("unsubscription", "Unsubscription"), ("Blocked", "Blocked"), ("ÖFF", "ÖFF")],
)
def test_known_types_are_normalized_and_others_are_kept(written: str, kept: str) -> None:
    assert only(lines(OPEN.replace("Open", written))).message_type == kept


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "end", "blank"])
@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252", "iso-8859-15", "utf-16"])
def test_line_ends_encodings_and_blank_lines_at_the_end_make_no_difference(end: str, last: str, encoding: str) -> None:
    content = lines(OPEN, OPEN.replace("Open", "Öffnung"), end=end)
    content = {"": content.removesuffix(end), "end": content, "blank": content + end * 3}[last]
    last_line = "must-end" if last else "may-end-without"
    rows = read(content, encoding=encoding, last_line=last_line)
    assert [row.message_type for _, row in rows if isinstance(row, Response)] == ["Open", "Öffnung"]


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252", "utf-16"])
@pytest.mark.parametrize("written", ["utf-8-sig", "utf-16", "utf-16-be"])
@pytest.mark.parametrize("size", [1, 1000])
def test_a_byte_order_mark_overrides_the_layout(encoding: str, written: str, size: int) -> None:
    text = lines(OPEN.replace("anna", "änna"))
    content = ("\ufeff" + text).encode(written) if written == "utf-16-be" else text.encode(written)
    ((_, row),) = reader(content, size=size, encoding=encoding).rows()
    assert isinstance(row, Response)
    assert row.email == "änna@example.org"


def test_a_byte_order_mark_between_concatenated_files_is_not_part_of_a_value() -> None:
    columns = ("Urn", "MessageType", "EventTriggeredDate")
    part = "\ufeff7;Open;01.03.2026 12:30\n"
    rows = [row for _, row in read(part * 3, columns=columns)]
    assert [row.urn for row in rows if isinstance(row, Response)] == ["7"] * 3


@pytest.mark.parametrize(("packed", "pack"), [("", bytes), ("gzip", gzip.compress)])
@pytest.mark.parametrize(("encoding", "mark"), [("utf-8", ""), ("utf-8", "\ufeff"), ("utf-16-be", "\ufeff")])
def test_packing_and_encoding_are_reported(
    packed: str, pack: Callable[[bytes], bytes], encoding: str, mark: str
) -> None:
    source = reader(pack((mark + lines(OPEN)).encode(encoding)))
    assert (source.packed, source.encoding, source.has_mark) == (packed, encoding, bool(mark))
    assert len(list(source)) == 1


def test_utf_16_without_a_byte_order_mark_is_little_endian() -> None:
    assert only(lines(OPEN).encode("utf-16-le"), encoding="utf-16").email == "anna@example.org"
    assert only(lines(OPEN).encode("utf-16-be"), encoding="utf-16-be").email == "anna@example.org"


def test_columns_are_matched_by_the_names_of_the_layout_in_their_order() -> None:
    fields = {
        "MailingId": ("MAILING_ID", "SendId"),
        "EventTriggeredDate": ("TIMESTAMP",),
        "DeliveryDate": ("TIMESTAMP",),
    }
    content = "urn;SendId;Mailing ID;Timestamp;MessageType\n7;2;1;01.03.2026 12:30;Open\n"
    source = reader(content, fields=fields)
    assert source.fields == {
        "Urn": "urn",
        "MailingId": "Mailing ID",
        "MessageType": "MessageType",
        "EventTriggeredDate": "Timestamp",
        "DeliveryDate": "Timestamp",
    }
    ((_, row),) = source
    assert (row.mailing_id, row.event_time, row.delivery_date, row.details) == ("1", NOON, NOON, {"SendId": "2"})
    assert source.details == ("SendId",)


def test_a_file_without_a_header_has_the_columns_of_its_layout() -> None:
    columns = ("Urn", "MessageType", "EventTriggeredDate", "Reason")
    rows = read("7;Open;01.03.2026 12:30;\n8;Open;01.03.2026 12:30;full\n", columns=columns)
    assert [(line, row.urn, row.details) for line, row in rows if isinstance(row, Response)] == [
        (1, "7", {}),
        (2, "8", {"Reason": "full"}),
    ]


def test_a_file_of_one_type_needs_no_column_for_it_and_keeps_one_that_it_has() -> None:
    assert only("Urn;EventTriggeredDate\n7;01.03.2026 12:30\n", message_type="Click").message_type == "Click"
    row = only("Urn;EventTriggeredDate;MessageType\n7;01.03.2026 12:30;x\n", message_type="Click")
    assert (row.message_type, row.details) == ("Click", {"MessageType": "x"})


@pytest.mark.parametrize(("quote", "other"), [("'", '"'), ("", '"')])
def test_another_quote_or_none_leaves_the_usual_one_as_data(quote: str, other: str) -> None:
    row = OPEN + f"{quote}a{quote}" if quote else OPEN + f"{other}a"
    assert only(lines(row), quote=quote).details == {"UserAgent": "a" if quote else '"a'}


@pytest.mark.parametrize("delimiter", [",", "\t", "|"])
def test_another_delimiter(delimiter: str) -> None:
    assert only(lines(OPEN).replace(";", delimiter), delimiter=delimiter).event_time == NOON


def test_a_header_alone_has_no_rows() -> None:
    assert read(HEADER) == read(lines()) == []


# Layout


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"),
        ("\r\n", "empty, or begins with a blank line"),
        (HEADER.replace("MessageType", "Type"), "no column MessageType"),
        (HEADER.replace("EventTriggeredDate", "Date"), "no column EventTriggeredDate"),
        ("MessageType;EventTriggeredDate;BroadcastKey", "none of the columns CommunicationKey, Urn, Email"),
        (HEADER + ";urn", "the column Urn twice"),
        (HEADER + ";" + "x" * 256, "a name of more than 255 characters"),
        (HEADER.replace(";", ","), "no column MessageType: it has 1 column with semicolons .* and 12 with commas"),
        (
            '"Urn","MessageType","EventTriggeredDate"',
            "broken-quote.*: it has 1 column with semicolons .* and 3 with commas",
        ),
        (lines(OPEN, OPEN, end="\r"), "its lines end in a carriage return alone"),
        (HEADER + ';"x', "broken-quote"),
        (HEADER + ";\x00", "control-character"),
        (HEADER + "x" * 65 * KIB, "value-too-long"),
    ],
)
def test_a_file_of_another_layout_is_refused(content: str, reason: str) -> None:
    with pytest.raises(ResponseFileLayout, match=reason) as caught:
        read(content)
    assert caught.value.file == "Responses.csv"


def test_an_undecodable_header_is_refused() -> None:
    with pytest.raises(ResponseFileLayout, match="not-text"):
        read(bytes(range(128, 256)))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_half_a_character_of_utf_16_refuses_its_row_only(encoding: str) -> None:
    codec = {"utf-16": "utf-16-le"}.get(encoding, encoding)
    lone = (
        lines(OPEN, OPEN + "§", OPEN).encode(codec).replace("§".encode(codec), "\ud83d".encode(codec, "surrogatepass"))
    )
    outcomes = [row if isinstance(row, RejectReason) else None for _, row in read(lone + b"x", encoding=encoding)]
    assert outcomes == [None, RejectReason.NOT_TEXT, None, RejectReason.LINE_UNFINISHED]


def test_an_error_contains_nothing_of_the_file() -> None:
    with pytest.raises(ResponseFileLayout) as caught:
        read(f"{OPEN}\r\n{OPEN}\r\n")
    assert "anna" not in f"{caught.value} {caught.value.fields()}"


# Refused rows


REFUSED = {
    "anna@example.org;1;k1": RejectReason.WRONG_FIELD_COUNT,
    OPEN + ";": RejectReason.WRONG_FIELD_COUNT,
    OPEN.replace("Open", " "): RejectReason.TYPE_MISSING,
    OPEN.replace("anna@example.org;1;k1", "; ;"): RejectReason.RECIPIENT_MISSING,
    OPEN.replace("01.03.2026 12:30", ""): RejectReason.DATE_INVALID,
    OPEN.replace("01.03.2026 12:30", "2026-03-01 12:30"): RejectReason.DATE_INVALID,
    OPEN.replace("01.03.2026 12:30", "01.03.2026 12:30:00"): RejectReason.DATE_INVALID,
    OPEN.replace("01.03.2026 12:30", "1.3.2026 12:30"): RejectReason.DATE_INVALID,
    OPEN.replace("01.03.2026 12:30", "29.02.2026 12:30"): RejectReason.DATE_INVALID,
    OPEN.replace("01.03.2026 12:30", "01.03.2026 24:00"): RejectReason.DATE_INVALID,
    OPEN.replace("01.03.2026 12:30", "01.03.0001 12:30"): RejectReason.DATE_INVALID,
    OPEN.replace("01.03.2026 12:30", "\u0660\u0661.03.2026 12:30"): RejectReason.DATE_INVALID,
    OPEN.replace("01.03.2026 09:00", "soon"): RejectReason.DATE_INVALID,
    OPEN.replace(";;;", ";;then;"): RejectReason.DATE_INVALID,
    OPEN.replace("k1", "k\x001"): RejectReason.CONTROL_CHARACTER,
    OPEN.replace("k1", "k\r1"): RejectReason.CONTROL_CHARACTER,
    OPEN + "\x85": RejectReason.CONTROL_CHARACTER,
    OPEN + '"Mozilla': RejectReason.BROKEN_QUOTE,
    OPEN + '"Mozilla" 5': RejectReason.BROKEN_QUOTE,
    OPEN.replace("k1", "k" * 65): RejectReason.VALUE_TOO_LONG,
    OPEN.replace("J1-ab", "J" * 65): RejectReason.VALUE_TOO_LONG,
    OPEN.replace("900", "9" * 65): RejectReason.VALUE_TOO_LONG,
    OPEN.replace("Open", "O" * 51): RejectReason.VALUE_TOO_LONG,
    OPEN.replace(";1;", f";{'1' * 256};"): RejectReason.VALUE_TOO_LONG,
    OPEN.replace("anna", "a" * 320): RejectReason.VALUE_TOO_LONG,
    OPEN.replace("09:00;", "09:00;" + "u" * 2001): RejectReason.VALUE_TOO_LONG,
    OPEN + "M" * 4001: RejectReason.VALUE_TOO_LONG,
    OPEN.replace("k1", "\U0001f600" * 33): RejectReason.VALUE_TOO_LONG,
    OPEN + "M" * 65 * KIB: RejectReason.VALUE_TOO_LONG,
    OPEN + "M" * 600 * KIB: RejectReason.VALUE_TOO_LONG,
}


@pytest.mark.parametrize(("row", "reason"), REFUSED.items(), ids=range(len(REFUSED)))
@pytest.mark.parametrize("size", [1000, 1 << 20])
def test_a_row_that_does_not_fit_is_refused_and_the_next_is_read(row: str, reason: RejectReason, size: int) -> None:
    rows = read(lines(row, OPEN), size=size)
    assert [line for line, _ in rows] == [2, 3]
    assert rows[0][1] is reason
    assert isinstance(rows[1][1], Response)


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (OPEN.replace("Open", " "), "MessageType"),
        (OPEN.replace("anna@example.org;1;k1", "; ;"), ""),
        (OPEN.replace("01.03.2026 12:30", "soon"), "EventTriggeredDate"),
        (OPEN.replace("01.03.2026 09:00", "soon"), "Sent"),
        (OPEN.replace(";;;", ";;then;"), "ClickDate"),
        (OPEN.replace("k1", "k" * 65), "CommunicationKey"),
        (OPEN.replace("Open", "O" * 51), "MessageType"),
        (OPEN.replace("09:00;", "09:00;" + "u" * 2001), "ClickUrl"),
        (OPEN + "M" * 4001, "UserAgent"),
        (OPEN + ";", ""),
    ],
)
def test_the_column_that_refuses_a_row_is_reported_by_its_header_name(row: str, column: str) -> None:
    content = lines(row, OPEN + ";").replace("DeliveryDate", "Sent")
    source = reader(content, fields={"DeliveryDate": ("Sent",)})
    fields = [source.refused_field for _ in source.rows()]
    assert fields == [column, ""]


def test_values_may_have_their_maximum_length() -> None:
    long = OPEN.replace("k1", "k" * 64).replace("Open", "O" * 50).replace("09:00;", "09:00;" + "u" * 2000)
    assert reasons(long + "M" * 4000) == [None]


def test_undecodable_bytes_refuse_only_their_row() -> None:
    content = lines(OPEN, OPEN + "caf", OPEN).encode().replace(b"caf", b"caf\xe9")
    assert [row if isinstance(row, RejectReason) else None for _, row in read(content)] == [
        None,
        RejectReason.NOT_TEXT,
        None,
    ]


def test_a_blank_line_between_rows_is_a_row_of_the_wrong_length() -> None:
    assert reasons(OPEN, "", OPEN, "", "") == [None, RejectReason.WRONG_FIELD_COUNT, None]


# Quotes


def test_quoted_values_lose_their_quotes() -> None:
    quoted = ";".join(f'"{cell}"' for cell in OPEN.split(";"))
    some = OPEN.replace("Open", '"Open"') + '"a ""b""; c"'
    first, second = (row for _, row in read(lines(quoted, some)))
    assert first == only(lines(OPEN))
    assert isinstance(second, Response)
    assert second.details == {"UserAgent": 'a "b"; c'}


def test_a_quote_within_a_value_is_data() -> None:
    assert only(lines(OPEN + '5" disk')).details == {"UserAgent": '5" disk'}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_quoted_detail_can_span_lines(end: str) -> None:
    rows = read(lines(OPEN + f'"550 no{end}{end}such ""user""; sorry"', OPEN, end=end))
    assert [line for line, _ in rows] == [2, 5]
    assert isinstance(rows[0][1], Response)
    assert rows[0][1].details == {"UserAgent": '550 no\n\nsuch "user"; sorry'}


def test_two_quoted_details_can_span_lines() -> None:
    row = OPEN.removesuffix(";;") + ';"Hard\n";"Bounce";"a\nb"'
    header = HEADER + ";Reason"
    assert only(f"{header}\n{row}\n").details == {"BounceType": "Hard", "UserAgent": "Bounce", "Reason": "a\nb"}


@pytest.mark.parametrize("between", [0, 1, 500])
def test_an_unclosed_quote_loses_no_other_row(between: int) -> None:
    broken = OPEN + '"Mozilla'
    outcomes = reasons(broken, *[OPEN] * between, broken, OPEN)
    assert outcomes == [RejectReason.BROKEN_QUOTE, *[None] * between, RejectReason.BROKEN_QUOTE, None]


def test_an_unclosed_quote_loses_no_blank_or_short_line() -> None:
    assert reasons(OPEN + '"Mozilla', "", "a;b", 'a;"b', OPEN) == [
        RejectReason.BROKEN_QUOTE,
        RejectReason.WRONG_FIELD_COUNT,
        RejectReason.WRONG_FIELD_COUNT,
        RejectReason.BROKEN_QUOTE,
        None,
    ]


def test_a_quoted_value_ends_with_the_file() -> None:
    assert reasons(OPEN + '"Mozilla', "5.0") == [RejectReason.BROKEN_QUOTE, RejectReason.WRONG_FIELD_COUNT]


def test_a_quoted_value_over_more_lines_than_a_row_may_have_is_refused_line_by_line() -> None:
    outcomes = reasons(OPEN + '"Mozilla', *["x" * 1000] * 70, '"')
    assert outcomes[0] is RejectReason.BROKEN_QUOTE
    assert set(outcomes[1:-1]) == {RejectReason.WRONG_FIELD_COUNT}


def test_an_undecodable_line_ends_a_quoted_value() -> None:
    content = lines(OPEN + '"Mozilla', "@", OPEN).encode().replace(b"\r\n@", b"\r\n\xff")
    assert [row if isinstance(row, RejectReason) else None for _, row in read(content)] == [
        RejectReason.BROKEN_QUOTE,
        RejectReason.NOT_TEXT,
        None,
    ]


DETAIL = st.text(st.characters(exclude_categories=["Cs", "Cc"]) | st.just("\n"), max_size=12)


@given(
    details=st.lists(DETAIL, max_size=6),
    quoting=st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL]),
    size=st.integers(1, 99),
)
def test_rows_written_by_csv_are_read(details: list[str], quoting: int, size: int) -> None:
    details = ["\n".join(part.replace(";", ",") for part in one.split("\n")) for one in details]
    file = io.StringIO()
    writer = csv.writer(file, delimiter=";", lineterminator="\r\n", quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([HEADER.split(";"), *([*OPEN.split(";")[:-1], detail] for detail in details)])
    rows = read(file.getvalue(), size=size)
    assert [row.details if isinstance(row, Response) else row for _, row in rows] == [
        {"UserAgent": kept} if (kept := detail.strip()) else {} for detail in details
    ]


@given(st.text(st.sampled_from('a";\n\r\x00\xff'), max_size=60), st.integers(1, 20))
def test_every_row_is_accounted_for(text: str, size: int) -> None:
    rows = read(lines(OPEN) + text + "\n" + OPEN + "\n", size=size)
    assert isinstance(rows[0][1], Response)
    assert [line for line, _ in rows] == sorted({line for line, _ in rows})


# Memory


def test_memory_does_not_grow_with_rows() -> None:
    def chunks(rows: int) -> Iterator[bytes]:
        yield (HEADER + "\r\n").encode()
        for start in range(0, rows, 500):
            yield "".join(
                f"x{row}@example.org;{row};k{row};Open;;;;{1 + row % 28:02}.03.2026 {row % 24:02}:{row % 60:02};;;;\r\n"
                for row in range(start, start + 500)
            ).encode()

    def peak(rows: int) -> int:
        tracemalloc.start()
        try:
            source = ResponseReader(chunks(rows), LAYOUT, name="Responses.csv")
            assert sum(1 for _ in source) == source.rows_read == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(100_000) <= 1.2 * peak(10_000)


@pytest.mark.parametrize("begin", ["", '"'])
def test_memory_does_not_grow_with_a_line_without_end(begin: str) -> None:
    def chunks() -> Iterator[bytes]:
        yield (HEADER + "\r\n" + begin).encode()
        for _ in range(64):
            yield b"x" * KIB * KIB

    tracemalloc.start()
    try:
        source = ResponseReader(chunks(), LAYOUT, name="Responses.csv")
        assert list(source.rows()) == [(2, RejectReason.VALUE_TOO_LONG)]
        assert tracemalloc.get_traced_memory()[1] < 4 * KIB * KIB
    finally:
        tracemalloc.stop()
