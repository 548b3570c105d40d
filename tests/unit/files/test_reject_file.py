"""Reject files: Excel and Python's csv read what was written, and no cell runs as a formula."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.files.reject_file import RejectFile, remove_rows
from shared.rejects import RejectReason


def read_back(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_format_is_the_one_that_excel_opens() -> None:
    file = RejectFile(["Kunden ID", "Email"])
    content = file.header() + file.row(7, RejectReason.EMAIL_INVALID, ["1", 'Jörg "J", 髙橋'])
    assert content == (
        b"\xef\xbb\xbf"
        b'"Line","Reason","Kunden ID","Email"\r\n'
        b'"7","email-invalid","1","J\xc3\xb6rg ""J"", \xe9\xab\x99\xe6\xa9\x8b"\r\n'
    )


@pytest.mark.parametrize("values", [[], ["1"], ["1", "2", "3"]])
def test_a_row_of_any_length_is_written(values: list[str]) -> None:
    row = RejectFile(["a", "b"]).row(2, RejectReason.WRONG_FIELD_COUNT, values)
    assert read_back(row) == [["2", "wrong-field-count", *values]]


@pytest.mark.parametrize("first", list("=+-@\t\r\n＝＋－＠"))  # noqa: RUF001 - full width is meant
def test_no_cell_and_no_column_name_begins_a_formula(first: str) -> None:
    formula = f'{first}HYPERLINK("http://example.org";"x")'
    file = RejectFile([formula])
    header, row = read_back(file.header() + file.row(2, RejectReason.EMAIL_INVALID, [formula, first]))
    assert header[2].startswith("'")
    assert [cell[0] for cell in row[2:]] == ["'", "'"]


@pytest.mark.parametrize("first", list("=+-@＝＋－＠﹦﹢﹣﹫⁺₌−"))  # noqa: RUF001 - these are meant
@pytest.mark.parametrize("before", [" ", "\ufeff", "\u00a0", "\u3000", "\u200b", " \t", "\x00", "\x1b", "\x85", "\r\n"])
def test_no_formula_follows_what_a_spreadsheet_skips(before: str, first: str) -> None:
    ((_, _, cell),) = read_back(RejectFile([]).row(2, RejectReason.EMAIL_INVALID, [f"{before}{first}1+1"]))
    assert cell.startswith("'")


@pytest.mark.parametrize("delimiter", [";", "\t"])
@pytest.mark.parametrize("value", ["x;=1+1", "x; @SUM(1)", "a\n+1", "a\r\n-1", "=1;=2", ";;=1", "x\t=1"])
def test_no_formula_begins_where_another_delimiter_splits(delimiter: str, value: str) -> None:
    # Excel splits at the list separator of Windows, and then takes our quotes for data.
    row = RejectFile([]).row(2, RejectReason.EMAIL_INVALID, [value, value]).decode()
    for line in row.splitlines():
        for cell in line.split(delimiter):
            assert not cell.strip().startswith(("=", "+", "-", "@"))


@pytest.mark.parametrize("value", ["anna@example.org", "a-b", "1+1", "x = y", "it's", "a;b", "Jörg"])
def test_what_is_no_formula_is_left_as_it_is(value: str) -> None:
    ((_, _, cell),) = read_back(RejectFile([]).row(2, RejectReason.EMAIL_INVALID, [value]))
    assert cell == value


def test_control_characters_are_shown_and_steer_nothing() -> None:
    row = RejectFile([]).row(2, RejectReason.CONTROL_CHARACTER, ["a\x1b[2J\x00\x7f\x9b"])
    assert read_back(row) == [["2", "control-character", "a␛[2J␀␡\ufffd"]]


def test_a_long_value_is_cut() -> None:
    row = RejectFile([]).row(2, RejectReason.VALUE_TOO_LONG, ["x" * 4000, "y" * 1_000_000])
    assert read_back(row)[0][2:] == ["x" * 4000, "y" * 4000 + "…"]


@given(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20), max_size=8))
def test_every_row_is_read_back(values: list[str]) -> None:
    file = RejectFile(values)
    header, row = read_back(file.header() + file.row(2, RejectReason.DUPLICATE_EMAIL, values))
    assert [cell.replace("'", "") for cell in row[2:]] == [value.replace("'", "") for value in values]
    assert row[2:] == header[2:]


@pytest.mark.parametrize("reason", [RejectReason.INVISIBLE_CHARACTER, RejectReason.EMAIL_INVALID])
def test_what_nobody_sees_is_shown_where_it_is_the_reason(reason: RejectReason) -> None:
    content = RejectFile(["Email"]).header() + RejectFile(["Email"]).row(6, reason, ["a5@exam\u200bple.org"])
    assert read_back(content)[1] == ["6", reason, r"a5@exam\u200bple.org"]
    # Whoever is searched is found by the visible address.
    assert b"a5" not in b"".join(remove_rows([content], lambda _, values: list(values) == ["a5@example.org"]))


def test_a_joined_emoji_is_no_reason() -> None:
    row = RejectFile(["Name"]).row(6, RejectReason.DUPLICATE_EMAIL, ["👩\u200d👧"])
    assert read_back(row) == [["6", "duplicate-email", "👩\u200d👧"]]
