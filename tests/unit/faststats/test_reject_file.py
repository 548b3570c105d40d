"""The reject file opens in Excel and runs nothing there."""

import csv
import io

import pytest

from shared.faststats.reject_file import RejectFile
from shared.rejects import RejectReason


def test_it_is_a_csv_file_with_line_and_reason() -> None:
    file = RejectFile(["Email", "Name"])
    raw = file.header() + file.row(7, RejectReason.EMAIL_INVALID, ['a"b', "Größe, M"])
    assert raw.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(raw.decode("utf-8-sig"), newline="")))
    assert rows == [["Line", "Reason", "Email", "Name"], ["7", "email-invalid", 'a"b', "Größe, M"]]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_cell_that_looks_like_a_formula_is_made_harmless(cell: str) -> None:
    raw = RejectFile(["Name"]).row(1, RejectReason.WRONG_FIELD_COUNT, [cell])
    (row,) = csv.reader(io.StringIO(raw.decode(), newline=""))
    assert row[2] == "'" + cell
