"""Rows of recipients: reads them from a file, skips some, and puts the others on a list.

The vendor's rules: duplicates, blocklisted and unsubscribed recipients and addresses with a wrong syntax are
skipped (docs/why/sources.md, Optimizely 3.2). They apply to all kinds of import.
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
from local.simulator.suppression import blocklisted, suppressed_addresses, unsubscribed_before

#: Minimum of the simulated seconds that an import takes, and the seconds per megabyte.
_MINIMUM, _PER_MEGABYTE = 2 * 60, 60
_BATCH = 2000
_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")


@dataclass(frozen=True, slots=True)
class ListMember:
    """A recipient on a list. The recipient ID is the address: Email is the ID field of the lists."""

    recipient_id: str
    urn: str
    communication_key: str
    broadcast_key: str


def member_of(row: Mapping[str, str]) -> ListMember:
    """The recipient in a row, by the names of list fields."""
    return ListMember(
        row.get("Email", "").lower(), row.get("Urn", ""), row.get("CommunicationKey", ""), row.get("BroadcastKey", "")
    )


def fields_of(connection: sqlite3.Connection, list_id: int) -> dict[str, str]:
    """The fields of a list: types by internal name."""
    return {
        row["internal_name"]: row["type"]
        for row in connection.execute("SELECT * FROM list_field WHERE list_id = ?", (list_id,))
    }


def import_seconds(size: int, faults: Faults) -> int:
    """Simulated seconds that an import of this many bytes takes if it begins now."""
    slow = faults.strike(ImportSlow)
    return _MINIMUM + _PER_MEGABYTE * size // 1_000_000 + (slow.minutes * 60 if slow else 0)


@contextmanager
def rows_of_file(path: Path, fields: Mapping[str, str]) -> Iterator[Iterator[dict[str, str]]]:
    """The rows of a list file, by column name. The empty name holds the number of surplus columns.

    Args:
        path: a CSV file, possibly compressed with gzip.
        fields: the permitted columns.

    Raises:
        ValueError: the header has no `Email`, or unknown columns.
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
    """Put rows of recipients on a list.

    Args:
        connection: in a transaction.
        list_id: the list.
        rows: values by field name, as `rows_of_file` gives them.
        skipped: counter of skipped rows by reason, which this increments.
        now: simulated time.
        faults: the active faults.

    Returns:
        The number of recipients put on the list.

    Raises:
        ValueError: the fault `import-fails` struck; and what `rows` raises.
    """
    if faults.strike(ImportFails):
        raise ValueError("the import failed")
    loss = faults.strike(ImportLoses)
    fields, suppressed, imported = fields_of(connection, list_id), suppressed_addresses(connection, now), 0
    members = _importable(rows, fields, skipped, suppressed)
    if loss:
        members = _lose_share(members, loss.percent, skipped)
    for batch in batched(members, _BATCH, strict=False):
        imported += _insert(connection, list_id, batch, skipped)
    return imported


def skip_reason(row: Mapping[str, str], fields: Mapping[str, str], suppressed: Mapping[str, str]) -> str | None:
    """Why a row is skipped; None when it is not. Duplicates are detected later."""
    address = row.get("Email", "")
    if reason := suppressed.get(address.lower()):
        return reason
    if row.get("", "0") != "0":
        return "wrong number of columns"
    if not _ADDRESS.fullmatch(address):
        return "wrong address"
    if blocklisted(address):
        return "blocklisted"
    if unsubscribed_before(address):
        return "unsubscribed"
    return None if all(_fits(value, fields.get(name)) for name, value in row.items()) else "wrong value"


def _importable(
    rows: Iterable[dict[str, str]], fields: Mapping[str, str], skipped: Counter[str], suppressed: Mapping[str, str]
) -> Iterator[ListMember]:
    for row in rows:
        reason = skip_reason(row, fields, suppressed)
        if reason:
            skipped[reason] += 1
        else:
            yield member_of(row)


def _lose_share(members: Iterable[ListMember], percent: int, skipped: Counter[str]) -> Iterator[ListMember]:
    """Drop an evenly spread share of the members. Only the simulator's own records show it, not the REST API."""
    for number, member in enumerate(members):
        if (number + 1) * percent // 100 > number * percent // 100:
            skipped["lost"] += 1
        else:
            yield member


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


def _insert(connection: sqlite3.Connection, list_id: int, batch: Iterable[ListMember], skipped: Counter[str]) -> int:
    rows = [(list_id, m.recipient_id, m.urn, m.communication_key, m.broadcast_key) for m in batch]
    inserted = connection.executemany("INSERT OR IGNORE INTO recipient VALUES (?, ?, ?, ?, ?)", rows).rowcount
    if inserted < len(rows):
        skipped["duplicate"] += len(rows) - inserted
    return inserted
