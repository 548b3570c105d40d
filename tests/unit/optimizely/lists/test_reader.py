"""A staged list is read as it was written, in every layout."""

import pytest

from shared.config.channels import ListFileLayout
from shared.optimizely.lists.csv_file import CsvRows
from shared.optimizely.lists.json_chunks import JsonRows
from shared.optimizely.lists.plan import Column, ListPlan
from shared.optimizely.lists.reader import read_csv_rows, read_json_rows

ROWS = (
    ("a@example.org", "1", "Größmann, Anna"),
    ("b@example.org", "2", ""),
    ("c@example.org", "3", "plain"),
)


def plan() -> ListPlan:
    columns = [Column("urn", 1), Column("email", 0), Column("name", 2)]
    return ListPlan(columns, constants=(), address=1, list_name="Customers", left_out=[])


@pytest.mark.parametrize(
    "layout",
    [
        ListFileLayout(),
        ListFileLayout(delimiter=",", quote="'"),
        ListFileLayout(delimiter=",", quote_all=True, line_end="CRLF", encoding="utf-8-sig"),
        ListFileLayout(quote="", delimiter="\t", encoding="windows-1252"),
        ListFileLayout(name="{broadcast}.csv.gz", gzip=True, encoding="utf-16"),
    ],
)
@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_the_rows_of_a_list_file_are_read(layout: ListFileLayout, piece: int) -> None:
    writer = CsvRows(plan(), layout)
    lines = [writer.encode(row) for row in ROWS]
    content = writer.pack(writer.header()) + b"".join(writer.pack(line) for line in lines if isinstance(line, bytes))
    content += writer.finish()
    pieces = [content[start : start + piece] for start in range(0, len(content), piece)]
    read = list(read_csv_rows(pieces, layout, address=1))
    assert [(one.address, *one.values) for one in read] == [(a, u, a, n) for a, u, n in ROWS]


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_the_recipients_of_a_sending_batch_are_read(piece: int) -> None:
    writer = JsonRows(plan())
    lines = [writer.encode(row) for row in ROWS]
    content = b"".join(line for line in lines if isinstance(line, bytes))
    pieces = [content[start : start + piece] for start in range(0, len(content), piece)]
    read = list(read_json_rows(pieces))
    assert [(one.address, *one.values) for one in read] == [(a, u, a, n) for a, u, n in ROWS]
