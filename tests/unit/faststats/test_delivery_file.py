"""Delivery files: the header, every reason to refuse a row, files that are none, and memory."""

import io
import sqlite3
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.faststats.delivery_file_generator import write_delivery_file
from shared.config.channels import DeliveryFileLayout
from shared.config.invisible import trimmed
from shared.errors import (
    BridgeError,
    ColumnMissing,
    DatabaseUnavailable,
    DeliveryFileColumnTwice,
    DeliveryFileEmpty,
    DeliveryFileHeaderBroken,
    DeliveryFileLineEnds,
    DeliveryFileNotText,
)
from shared.faststats import duplicates
from shared.faststats.delivery_file import DeliveryFile, Row
from shared.faststats.duplicates import SeenKeys
from shared.rejects import RejectReason
from tests.builders import make_request

HEADER = "Kunden ID\tEmail\tCommunication Key\tFirst Name"
GOOD = "1\tanna@example.org\tk1\tAnna"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256))
MIB = 1024 * 1024


REQUEST = make_request(delivery_file="file.txt", urn_column="Kunden ID")


USUAL = DeliveryFileLayout()


def read(content: bytes | str, layout: DeliveryFileLayout = USUAL) -> list[Row]:
    """Every row, repetitions found as `upload_list` finds them."""
    data = content.encode() if isinstance(content, str) else content
    with DeliveryFile(io.BytesIO(data), REQUEST, layout) as file:
        rows = [(line, values, fault or file.repetition(values)) for line, values, fault in file.rows()]
        assert file.rows_read == len(rows)
    return rows


def lines(*rows: str, end: str = "\n") -> str:
    return "".join(row + end for row in (HEADER, *rows))


def reasons(*rows: str) -> list[RejectReason | None]:
    return [reason for _, _, reason in read(lines(*rows))]


class Trickle(io.BytesIO):
    """Gives a few bytes at a time, whatever is asked for."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self.size = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self.size if size is None or size < 0 else min(size, self.size))


# The header


def test_the_header_gives_the_columns_and_where_the_keys_are() -> None:
    with DeliveryFile(io.BytesIO(b"First Name\t Email \tKunden ID\tCommunication Key\n"), REQUEST, USUAL) as file:
        assert file.columns == ("First Name", "Email", "Kunden ID", "Communication Key")
        assert (file.urn, file.email, file.communication_key) == (2, 1, 3)


@pytest.mark.parametrize("name", ["Communication Key", "CommunicationKey", "communication key", "  COMMUNICATION_KEY "])
def test_case_and_spaces_of_a_column_name_do_not_count(name: str) -> None:
    with DeliveryFile(io.BytesIO(f"Email\tKunden ID\t{name}\n".encode()), REQUEST, USUAL) as file:
        assert file.communication_key == 2


def test_the_very_name_goes_before_a_similar_one() -> None:
    with DeliveryFile(io.BytesIO(b"EMAIL\tEmail\tKunden ID\tCommunicationKey\n"), REQUEST, USUAL) as file:
        assert file.email == 1


@pytest.mark.parametrize("missing", ["Kunden ID", "Email", "Communication Key"])
def test_a_missing_column_is_named(missing: str) -> None:
    header = HEADER.replace(missing, "Secret")
    with pytest.raises(ColumnMissing) as caught:
        read(header)
    header = "it has 4 columns with tabs as delimiter"
    assert caught.value.fields() == {"file": "file.txt", "column": missing, "header": header}
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("written", "layout", "name"),
    [(";", {}, "semicolons"), (",", {}, "commas"), ("|", {}, "pipes"), ("\t", {"delimiter": ";"}, "tabs")],
)
def test_another_delimiter_is_named_with_the_number_of_columns(written: str, layout: dict[str, Any], name: str) -> None:
    content = f"{HEADER}\n{GOOD}\n".replace("\t", written)
    with pytest.raises(
        ColumnMissing, match=rf"it has 1 column with \w+ as delimiter, and 4 with {name}, which it seems"
    ):
        read(content, DeliveryFileLayout(**layout))


def test_another_delimiter_between_quoted_values_is_named() -> None:
    header = ";".join(f'"{name}"' for name in HEADER.split("\t"))
    with pytest.raises(
        DeliveryFileHeaderBroken, match="it has 1 column with commas as delimiter, and 4 with semicolons"
    ):
        read(header + "\n", DeliveryFileLayout(delimiter=",", quote='"'))


@pytest.mark.parametrize("rows", [1, 100_000])
def test_lines_that_end_in_a_carriage_return_alone_are_named(rows: int) -> None:
    with pytest.raises(DeliveryFileLineEnds, match="end in a carriage return alone"):
        read(lines(*[GOOD] * rows, end="\r"))


def test_whom_to_mail_is_not_guessed_from_two_columns_of_one_name() -> None:
    twice = {2: ("Email", "Email", "Communication Key"), 3: ("Email", "CommunicationKey", "COMMUNICATION_KEY")}
    for first, names in twice.items():
        with pytest.raises(DeliveryFileColumnTwice) as caught:
            read("Kunden ID\t" + "\t".join(names) + "\n")
        assert caught.value.fields() == {"file": "file.txt", "first": first, "second": first + 1}


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b"\xef\xbb\xbf\n", b"  \n\t\t\n"])
def test_a_file_without_a_line_that_is_not_blank_is_empty(content: bytes) -> None:
    with pytest.raises(DeliveryFileEmpty):
        read(content)


def test_a_header_alone_has_no_rows() -> None:
    assert read(HEADER) == read(lines()) == read(lines(end="\r\n")) == []


def test_blank_lines_before_the_header_are_counted_as_lines() -> None:
    assert [line for line, _, _ in read("\n\n" + lines(GOOD))] == [4]


# Rows


@pytest.mark.parametrize("bom", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "end", "blank"])
def test_bom_line_ends_and_blank_lines_at_the_end_make_no_difference(bom: str, end: str, last: str) -> None:
    other = '2\tbob@example.org\tk2\tBob "the; cat" 髙橋'
    content = bom + lines(GOOD, other, end=end)
    content = {"": content.removesuffix(end), "end": content, "blank": content + end * 3}[last]
    layout = DeliveryFileLayout(last_line="must-end" if last else "may-end-without")
    assert read(content, layout) == [
        (2, ("1", "anna@example.org", "k1", "Anna"), None),
        (3, ("2", "bob@example.org", "k2", 'Bob "the; cat" 髙橋'), None),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "last", ["2\tbob@example.co", "2\tbob@example.org\tk2\tBo", "2\tbob@example.org\tk2\tBob", "2", "  ", "\x1b"]
)
def test_a_last_line_without_its_end_is_not_believed(last: str, end: str) -> None:
    rows = read(lines(GOOD, end=end) + last)
    assert rows == [
        (2, ("1", "anna@example.org", "k1", "Anna"), None),
        (3, tuple(value.strip(" ") for value in last.split("\t")), RejectReason.LINE_UNFINISHED),
    ]


def test_a_last_line_may_end_within_a_character() -> None:
    ((_, _, reason), (line, values, unfinished)) = read(
        lines(GOOD).encode() + "2\tbob@example.org\tk2\tJö".encode()[:-1]
    )
    assert (reason, line, values, unfinished) == (
        None,
        3,
        ("2", "bob@example.org", "k2", "J"),
        RejectReason.LINE_UNFINISHED,
    )


def test_a_last_line_that_ends_in_a_carriage_return_has_an_end() -> None:
    assert [reason for _, _, reason in read(lines(GOOD, "2\tbob@example.org\tk2\tBob", end="\r\n")[:-1])] == [
        None,
        None,
    ]


def test_quotes_are_data() -> None:
    assert read(lines('1\tanna@example.org\tk1\t"Anna'))[0][1][3] == '"Anna'


def test_values_lose_the_spaces_around_them() -> None:
    row = read(lines(" 1 \t  Anna@Example.org\u00a0\t k1\t Anna B. "))[0]
    assert row == (2, ("1", "Anna@Example.org", "k1", "Anna B."), None)


def test_a_blank_line_between_rows_is_a_row_of_the_wrong_length() -> None:
    other = "2\tbob@example.org\tk2\tBob"
    assert [(line, reason) for line, _, reason in read(lines(GOOD, "", "", other, "", ""))] == [
        (2, None),
        (3, RejectReason.WRONG_FIELD_COUNT),
        (4, RejectReason.WRONG_FIELD_COUNT),
        (5, None),
    ]


BAD = {
    "one\ttoo@example.org\tfew": RejectReason.WRONG_FIELD_COUNT,
    "one\ttoo@example.org\tk\tmany\t": RejectReason.WRONG_FIELD_COUNT,
    " \tanna@example.org\tk\tAnna": RejectReason.URN_MISSING,
    "1\tanna@example.org\t\tAnna": RejectReason.COMMUNICATION_KEY_MISSING,
    "1\t\u00a0\tk\tAnna": RejectReason.EMAIL_MISSING,
    "1\tnobody\tk\tAnna": RejectReason.EMAIL_INVALID,
    "1\tanna@example.org\tk\tAn\x1bna": RejectReason.CONTROL_CHARACTER,
    "1\tanna@example.org\tk\tAn\rna": RejectReason.CONTROL_CHARACTER,
    "1\tanna@example.org\tk\tAnna\r\r": RejectReason.CONTROL_CHARACTER,
    "1\tanna@example.org\tk\tAn\x85na": RejectReason.CONTROL_CHARACTER,
    "1\tanna@example.org\tk\tAnna\x7f": RejectReason.CONTROL_CHARACTER,
    "1\tanna@example.org\tk\t" + "a" * 4001: RejectReason.VALUE_TOO_LONG,
    "1\tanna@example.org\t" + "k" * 65 + "\tAnna": RejectReason.VALUE_TOO_LONG,
    "1" * 256 + "\tanna@example.org\tk\tAnna": RejectReason.VALUE_TOO_LONG,
}


@pytest.mark.parametrize(("row", "reason"), BAD.items(), ids=range(len(BAD)))
def test_a_bad_row_has_its_reason_and_takes_no_key(row: str, reason: RejectReason) -> None:
    good = "1\tanna@example.org\tk\tAnna"
    read_rows = read(lines(row, good, end="\r\n"))
    assert [(line, found) for line, _, found in read_rows] == [(2, reason), (3, None)]
    assert list(read_rows[0][1]) == [value.strip(" \u00a0") for value in row.split("\t")]


def test_values_may_be_as_long_as_is_said() -> None:
    row = "1" * 255 + "\tanna@example.org\t" + "k" * 64 + "\t" + "ä" * 4000
    assert reasons(row) == [None]


def test_of_equal_addresses_the_first_wins_whatever_their_case() -> None:
    assert reasons(GOOD, "2\tANNA@example.ORG\tk2\tA", "3\tbob@example.org\tk3\tB") == [
        None,
        RejectReason.DUPLICATE_EMAIL,
        None,
    ]


def test_of_equal_communication_keys_the_first_wins_whatever_their_case() -> None:
    assert reasons(GOOD, "2\tbob@example.org\tK1\tB", "3\tbob@example.org\tk3\tB") == [
        None,
        RejectReason.DUPLICATE_COMMUNICATION_KEY,
        None,  # the row before was not taken, so it took no address
    ]


def test_a_row_that_repeats_both_keys_repeats_an_address() -> None:
    assert reasons(GOOD, GOOD, "3\tbob@example.org\tk3\tB", "4\tanna@example.org\tk3\tA") == [
        None,
        RejectReason.DUPLICATE_EMAIL,
        None,
        RejectReason.DUPLICATE_EMAIL,
    ]


def test_a_communication_key_that_looks_like_an_address_is_none() -> None:
    assert reasons("1\tanna@example.org\tbob@example.org\tA", "2\tbob@example.org\tanna@example.org\tB") == [None, None]


def test_a_row_is_not_repeated_by_one_that_did_not_fit_the_list() -> None:
    with DeliveryFile(io.BytesIO(lines(GOOD, GOOD).encode()), REQUEST, USUAL) as file:
        (_, _, _), (_, second, fault) = file.rows()  # nobody asked for a repetition of the first
        assert (fault, file.repetition(second)) == (None, None)


# Addresses


def test_two_forms_of_one_domain_are_one_address() -> None:
    assert reasons("1\tx@bücher.example\tk1\tA", "2\tX@XN--BCHER-KVA.example\tk2\tB") == [
        None,
        RejectReason.DUPLICATE_EMAIL,
    ]


# Files that are none


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (PNG, 1),
        (lines(GOOD).encode("utf-16-le"), 1),
        (lines(GOOD).encode("utf-16-be"), 1),
        (lines("1\tanna@example.org\tk1\tJörg").encode("cp1252"), 2),
        (lines(GOOD, "2\tbob@example.org\tk2\tB\0b").encode(), 3),
        (lines(GOOD, "", "2\tbob@example.org\tk2\t").encode() + b"\xc3\n", 5),
        (HEADER.encode() + b"\x1b\n", 1),
        (b"a\tb\t" * MIB, 1),
    ],
)
def test_what_is_no_utf_8_text_is_reported_with_its_line(content: bytes, line: int) -> None:
    with pytest.raises(DeliveryFileNotText) as caught:
        read(content)
    assert caught.value.fields() == {"file": "file.txt", "encoding": "UTF-8", "line": line}


@pytest.mark.parametrize("bad", [b"\0", b"\xff"])
@pytest.mark.parametrize("size", [100, 3 * MIB])
def test_a_bad_byte_far_behind_is_reported_with_its_line(bad: bytes, size: int) -> None:
    rows = [f"{number}\tx{number}@example.org\tk{number}\t{'x' * 50}" for number in range(size // 80)]
    content = lines(*rows).encode() + b"a\tb" + bad
    with pytest.raises(DeliveryFileNotText) as caught:
        read(content)
    assert caught.value.line == len(rows) + 2


def test_a_bad_byte_after_a_line_that_was_not_kept_is_reported_with_its_line() -> None:
    with pytest.raises(DeliveryFileNotText) as caught:
        read(lines(GOOD, "x" * 3 * MIB, GOOD, "a\0").encode())
    assert caught.value.line == 5


def test_no_error_shows_a_person() -> None:
    person = "4711\tanna.secret@example.org\tk-secret\tAnna"
    for content in (person, lines(person).encode() + b"anna.secret@example.org\xff\n", "\n" + person + "\0"):
        with pytest.raises(BridgeError) as caught:
            read(content)
        assert "secret" not in f"{caught.value} {caught.value.fields()} {caught.value.__cause__}"
        assert "4711" not in str(caught.value)


def test_a_database_without_room_is_reported_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = SeenKeys()
    seen.close()
    with pytest.raises(DatabaseUnavailable) as caught:
        seen.add("anna@example.org", "k1")
    assert "anna" not in str(caught.value)

    full = tmp_path / "full.sqlite"
    full.touch()
    database = sqlite3.connect(f"{full.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    monkeypatch.setattr(duplicates, "sqlite3", SimpleNamespace(connect=lambda *_, **__: database, Error=sqlite3.Error))
    with pytest.raises(DatabaseUnavailable, match="SQLITE_READONLY"):
        read(lines(GOOD))


# Long lines, and how the bytes come


@pytest.mark.parametrize("length", [MIB + 1, 3 * MIB, 3 * MIB + 17])
@pytest.mark.parametrize("end", ["\n", "\r\n", ""])
def test_a_line_that_is_too_long_to_keep_is_one_rejected_row(length: int, end: str) -> None:
    behind = ["2\tbob@example.org\tk2\tBob"] if end else []
    content = lines(GOOD, "x" * length, *behind, end=end or "\n")
    rows = read(content if end else content.removesuffix("\n"))
    assert [(line, reason) for line, _, reason in rows] == [
        (2, None),
        (3, RejectReason.VALUE_TOO_LONG),
        *([(4, None)] if end else []),
    ]
    assert rows[1][1] == ()


def test_a_line_that_is_not_kept_needs_no_memory() -> None:
    content = lines("x" * 64 * MIB).encode()
    with DeliveryFile(io.BytesIO(content), REQUEST, USUAL) as file:
        tracemalloc.start()
        try:
            assert [reason for _, _, reason in file.rows()] == [RejectReason.VALUE_TOO_LONG]
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 8 * MIB


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff"), max_size=8)


@given(table=st.lists(st.lists(TEXT, min_size=1, max_size=6), max_size=12), size=st.integers(1, 50), end=st.booleans())
def test_rows_come_as_they_were_written_however_the_bytes_come(
    table: Sequence[Sequence[str]], size: int, end: bool
) -> None:
    rows = ["\t".join(values) for values in table]
    content = "\n".join([HEADER, *rows]) + ("\n" if end else "")
    while rows and not rows[-1]:
        rows.pop()
    with DeliveryFile(Trickle(content.encode(), size), REQUEST, USUAL) as file:
        found = list(file.rows())
    assert [line for line, _, _ in found] == list(range(2, len(rows) + 2))
    for row, (_, values, _) in zip(rows, found, strict=True):
        cells = [value.strip(" ") for value in row.split("\t")]
        is_row = len(cells) == len(HEADER.split("\t"))
        # URN, address and Communication Key come first.
        assert list(values) == [
            trimmed(cell) if is_row and position < 3 else cell for position, cell in enumerate(cells)
        ]


def test_memory_does_not_grow_with_rows(tmp_path: Path) -> None:
    peaks = []
    for rows in (20_000, 200_000):
        path = tmp_path / f"{rows}.txt"
        written = write_delivery_file(path, rows, seed=3)
        tracemalloc.start()
        try:
            with path.open("rb") as stream, DeliveryFile(stream, REQUEST, USUAL) as file:
                taken = sum(fault is None and file.repetition(values) is None for _, values, fault in file.rows())
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert taken == written.good + written.rejected.get(RejectReason.FIELD_TYPE, 0)
    assert peaks[1] <= 1.2 * peaks[0]


# Characters that nobody sees


KEYS_HEADER = "Urn\tEmail\tCommunication Key\tName\n"


def read_keys(content: str) -> list[Row]:
    request = make_request(urn_column="Urn", email_column="Email", communication_key_column="Communication Key")
    with DeliveryFile(io.BytesIO(content.encode()), request, USUAL) as file:
        return list(file.rows())


def test_invisible_characters_around_an_address_are_removed_and_within_it_refused() -> None:
    addresses = [
        *("\u200ba1@example.org", "a2@example.org\u00a0", "\u00a0a3@example.org", "\ufeffa4@example.org"),
        *("a5@exam\u200bple.org", "a\u00ad6@example.org", "a7@example.org\u200b", "a8\u00a0@example.org"),
        "a9@example.org\u200f",
    ]
    text = "".join(f"{n}\t{address}\tCK{n:05}\tN{n}\n" for n, address in enumerate(addresses, 1))
    rows = read_keys(KEYS_HEADER + text)
    good = [values[1] for _, values, reason in rows if reason is None]
    assert good == [f"a{number}@example.org" for number in (1, 2, 3, 4, 7, 9)]
    refused = [(line, reason) for line, _, reason in rows if reason is not None]
    assert refused == [(line, RejectReason.INVISIBLE_CHARACTER) for line in (6, 7, 9)]


@pytest.mark.parametrize("character", "\u200b\u00a0\u00ad\ufeff\u200f\u2060\u2009\u3164\U000e0061")
def test_they_are_removed_around_keys_and_refused_within(character: str) -> None:
    rows = read_keys(
        KEYS_HEADER
        + f"{character}1{character}\ta@example.org\t{character}K1{character}\t{character}N{character}\n"
        + f"1{character}2\tb@example.org\tK2\tN\n"
        + f"3\tc@example.org\tK{character}3\tN\n"
        + f"{character}\td@example.org\tK4\tN\n"
        + f"5\te@exämple{character}.org\tK5\tN\n"
    )
    assert next(values for _, values, _ in rows)[:3] == ("1", "a@example.org", "K1")
    assert [reason for _, _, reason in rows] == [
        None,
        RejectReason.INVISIBLE_CHARACTER,
        RejectReason.INVISIBLE_CHARACTER,
        RejectReason.URN_MISSING,
        RejectReason.INVISIBLE_CHARACTER,
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_byte_order_marks_are_removed_at_the_beginning_and_at_every_line(encoding: str) -> None:
    header = "Kunden ID\tEmail\tCommunication Key\tFirst Name"
    rows = [f"{n}\tp{n}@example.org\tk{n}\tN{n}" for n in range(1, 5)]
    text = f"\ufeff\ufeff{header}\n{rows[0]}\n{rows[1]}\n\ufeff\ufeff{rows[2]}\n{rows[3]}\n\ufeff"
    assert [(values[0], reason) for _, values, reason in read(text.encode(encoding))] == [
        (str(number), None) for number in range(1, 5)
    ]


def test_invisible_characters_do_not_hide_a_column() -> None:
    header = "\u200bKunden\u00a0ID\tE\u00admail\tCommunication\u2009Key\u200b\tFirst Name"
    ((_, values, reason),) = read(header + "\n1\tanna@example.org\tk1\tAnna\n")
    assert (values, reason) == (("1", "anna@example.org", "k1", "Anna"), None)
