"""Reading a staged list, row by row, in the format of its route."""

import csv
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.config.channels import ListFileLayout
from shared.files.encodings import text_lines


@dataclass(frozen=True, slots=True)
class StagedRow:
    """A row of a staged list."""

    address: str
    values: list[str]


def read_csv_rows(chunks: Iterable[bytes], layout: ListFileLayout, *, address: int) -> Iterator[StagedRow]:
    """The rows that `CsvRows` wrote; `address` is the position of the address."""
    lines = text_lines(_gunzip(chunks) if layout.gzip else chunks, layout.encoding, errors="replace")
    rows = (
        csv.reader(lines, delimiter=layout.delimiter, quotechar=layout.quote)
        if layout.quote
        else csv.reader(lines, delimiter=layout.delimiter, quoting=csv.QUOTE_NONE)
    )
    next(rows, None)
    for row in rows:
        yield StagedRow(row[address] if address < len(row) else "", row)


def read_json_rows(chunks: Iterable[bytes]) -> Iterator[StagedRow]:
    """The rows that `JsonRows` wrote."""
    for line in text_lines(chunks, "utf-8"):
        recipient = json.loads(line)
        yield StagedRow(recipient["id"], list(recipient["data"].values()))


def _gunzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in chunks:
        yield inflater.decompress(chunk)
    yield inflater.flush()
