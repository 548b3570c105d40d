"""Rows of recipients: how they are read from a file, which are left out, and how the others get onto a list.

Vendor's rules: duplicates, blocklisted and unsubscribed recipients and addresses with a wrong syntax are
left out (`optimizely.md` 3.2). Every way onto a list follows them.
"""

import csv
import gzip
import io
import re
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import batched
from pathlib import Path

from local.simulator.faults import Faults, ImportFails, ImportLoses, ImportSlow
from local.simulator.suppression import blocklisted, left_out, unsubscribed_before

#: Simulated seconds that an import takes at least, and for each megabyte.
_LEAST, _PER_MEGABYTE = 2 * 60, 60
_BATCH = 2000
_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient as far as the simulator keeps one. The recipient ID is the address: it is the lists' ID field."""

    recipient_id: str
    urn: str
    communication_key: str
    broadcast_key: str


def recipient_of(row: Mapping[str, str]) -> Recipient:
    """The recipient in a row, by the names of list fields."""
    return Recipient(
        row.get("Email", "").lower(), row.get("Urn", ""), row.get("CommunicationKey", ""), row.get("BroadcastKey", "")
    )


def fields_of(connection: sqlite3.Connection, list_id: int) -> dict[str, str]:
    """The fields of a list: their internal names, and their types."""
    return {
        row["internal_name"]: row["type"]
        for row in connection.execute("SELECT * FROM list_field WHERE list_id = ?", (list_id,))
    }


def import_takes(size: int, faults: Faults) -> int:
    """Simulated seconds that an import of so many bytes takes when it begins now."""
    slow = faults.strike(ImportSlow)
    return _LEAST + _PER_MEGABYTE * size // 1_000_000 + (slow.minutes * 60 if slow else 0)


@contextmanager
def rows_of_file(path: Path, fields: Mapping[str, str]) -> Iterator[Iterator[dict[str, str]]]:
    """The rows of a list file, by column name. Under the empty name: how many columns a row has too many.

    Args:
        path: a CSV file, or one compressed by gzip.
        fields: the columns that it may have.

    Raises:
        ValueError: the header has no `Email`, or other columns than those.
        OSError: the file cannot be read or decompressed.
        csv.Error: it is not CSV.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
        reader = csv.reader(text, delimiter=";")
        header = next(reader, [])
        if "Email" not in header or (unknown := set(header) - fields.keys()):
            msg = "the header has no Email" if "Email" not in header else f"unknown columns: {sorted(unknown)}"
            raise ValueError(msg)
        try:
            yield (dict(zip(header, row, strict=False)) | {"": str(len(row) - len(header))} for row in reader)
        except (EOFError, zlib.error) as broken:
            raise OSError("the compressed file is broken") from broken


def fill(
    connection: sqlite3.Connection,
    list_id: int,
    rows: Iterable[dict[str, str]],
    skipped: Counter[str],
    now: int,
    faults: Faults,
) -> int:
    """Put rows of recipients onto a list.

    Args:
        connection: in a transaction.
        list_id: the list.
        rows: values by field name, as `rows_of_file` gives them.
        skipped: told why rows are left out, and how many.
        now: simulated time.
        faults: those that are played.

    Returns:
        How many recipients were put onto the list.

    Raises:
        ValueError: the import fails, for that is played; and what `rows` raises.
    """
    if faults.strike(ImportFails):
        raise ValueError("the import failed")
    loses = faults.strike(ImportLoses)
    fields, kept_out, imported = fields_of(connection, list_id), left_out(connection, now), 0
    good = _good(rows, fields, skipped, kept_out)
    if loses:
        good = _losing(good, loses.percent, skipped)
    for batch in batched(good, _BATCH, strict=False):
        imported += _insert(connection, list_id, batch, skipped)
    return imported


def fault(row: Mapping[str, str], fields: Mapping[str, str], kept_out: Mapping[str, str]) -> str | None:
    """Why a row is left out; None when it is not. Duplicates are found later."""
    address = row.get("Email", "")
    if kept := kept_out.get(address.lower()):
        return kept
    if row.get("", "0") != "0":
        return "wrong number of columns"
    if not _ADDRESS.fullmatch(address):
        return "wrong address"
    if blocklisted(address):
        return "blocklisted"
    if unsubscribed_before(address):
        return "unsubscribed"
    return None if all(_fits(value, fields.get(name)) for name, value in row.items()) else "wrong value"


def _good(
    rows: Iterable[dict[str, str]], fields: Mapping[str, str], skipped: Counter[str], kept_out: Mapping[str, str]
) -> Iterator[Recipient]:
    for row in rows:
        reason = fault(row, fields, kept_out)
        if reason:
            skipped[reason] += 1
        else:
            yield recipient_of(row)


def _losing(good: Iterable[Recipient], percent: int, skipped: Counter[str]) -> Iterator[Recipient]:
    """All but a share of them, evenly spread. The vendor tells of this nowhere; the book does."""
    for number, recipient in enumerate(good):
        if (number + 1) * percent // 100 > number * percent // 100:
            skipped["lost"] += 1
        else:
            yield recipient


def _fits(value: str, kind: str | None) -> bool:
    if kind == "INTEGER":
        return re.fullmatch(r"-?\d{1,10}", value) is not None
    return kind != "DATE" or not value or _is_date(value)


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _insert(connection: sqlite3.Connection, list_id: int, batch: Iterable[Recipient], skipped: Counter[str]) -> int:
    rows = [(list_id, r.recipient_id, r.urn, r.communication_key, r.broadcast_key) for r in batch]
    inserted = connection.executemany("INSERT OR IGNORE INTO recipient VALUES (?, ?, ?, ?, ?)", rows).rowcount
    if inserted < len(rows):
        skipped["duplicate"] += len(rows) - inserted
    return inserted
