"""A staged list read again, row by row, as it was written for its route."""

import codecs
import csv
import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from shared.config.channels import ListFileLayout


@dataclass(frozen=True, slots=True)
class ListedRecipient:
    """A row of a staged list."""

    address: str
    values: list[str]


def csv_recipients(chunks: Iterable[bytes], layout: ListFileLayout, *, address: int) -> Iterator[ListedRecipient]:
    """The rows that `CsvRows` wrote.

    Args:
        chunks: the staged list in pieces of any size.
        layout: by which it was written.
        address: position of the address.
    """
    lines = _lines(_unzipped(chunks) if layout.gzip else chunks, layout.encoding)
    rows = (
        csv.reader(lines, delimiter=layout.delimiter, quotechar=layout.quote)
        if layout.quote
        else csv.reader(lines, delimiter=layout.delimiter, quoting=csv.QUOTE_NONE)
    )
    next(rows, None)
    for row in rows:
        yield ListedRecipient(row[address] if address < len(row) else "", row)


def json_recipients(chunks: Iterable[bytes]) -> Iterator[ListedRecipient]:
    """The rows that `JsonRows` wrote."""
    for line in _lines(chunks, "utf-8"):
        recipient = json.loads(line)
        yield ListedRecipient(recipient["id"], list(recipient["data"].values()))


def _unzipped(chunks: Iterable[bytes]) -> Iterator[bytes]:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in chunks:
        yield inflater.decompress(chunk)
    yield inflater.flush()


def _lines(chunks: Iterable[bytes], encoding: str) -> Iterator[str]:
    """The lines with their ends."""
    decode = codecs.getincrementaldecoder(encoding)("replace").decode
    begun = ""
    for chunk in chunks:
        *lines, begun = (begun + decode(chunk)).split("\n")
        for line in lines:
            yield line + "\n"
    begun += decode(b"", final=True)
    if begun:
        yield begun
