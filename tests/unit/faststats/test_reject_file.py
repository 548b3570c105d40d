"""The reject file opens in Excel as what it is: text."""

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.faststats.reject_file import RejectFile
from shared.rejects import DUPLICATES, RejectReason

VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20)
FORMULA = tuple("=+-@\t\r")


def test_header_and_row_byte_for_byte() -> None:
    rejects = RejectFile(("Kunden ID", "Name"))
    assert rejects.header() == b'\xef\xbb\xbf"Line","Reason","Kunden ID","Name"\r\n'
    assert rejects.row(7, RejectReason.EMAIL_INVALID, ("1", 'Zoë "Z", x;y')) == (
        '"7","email-invalid","1","Zoë ""Z"", x;y"\r\n'.encode()
    )


def test_a_row_that_was_too_long_to_keep_has_no_values() -> None:
    assert RejectFile(("a",)).row(2, RejectReason.VALUE_TOO_LONG, ()) == b'"2","value-too-long"\r\n'


@pytest.mark.parametrize("value", ["=1+1", "+49 30 1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_value_is_no_formula(value: str) -> None:
    row = RejectFile(("a",)).row(2, RejectReason.FIELD_TYPE, (value,)).decode()
    assert row == f'"2","field-type","\'{value}"\r\n'


def test_a_column_name_is_no_formula_either() -> None:
    assert RejectFile(("=cmd|x",)).header().endswith(b'"\'=cmd|x"\r\n')


@given(st.lists(VALUES), st.sampled_from(RejectReason))
def test_what_is_written_is_read_again(values: Sequence[str], reason: RejectReason) -> None:
    text = RejectFile(()).row(5, reason, values).decode()
    (cells,) = csv.reader(io.StringIO(text, newline=""), strict=True)
    assert cells[:2] == ["5", str(reason)]
    assert cells[2:] == [f"'{value}" if value.startswith(FORMULA) else value for value in values]
    assert not any(cell.startswith(FORMULA) for cell in cells)


def test_reasons_are_spelled_as_the_manual_has_them() -> None:
    assert {str(reason) for reason in RejectReason} == {
        *("wrong-field-count", "email-missing", "email-invalid", "urn-missing", "communication-key-missing"),
        *("control-character", "value-too-long", "duplicate-email", "duplicate-communication-key", "field-type"),
        *("date-invalid", "type-missing", "recipient-missing", "broken-quote", "not-text"),
    }
    assert {"duplicate-email", "duplicate-communication-key"} == DUPLICATES
