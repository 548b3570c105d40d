"""Import jobs: each takes list files of its list from the SFTP site, clears the list and fills it.

Vendor's rules: duplicates inside the file, blocklisted and unsubscribed recipients and addresses with a
wrong syntax are left out (`optimizely.md` 3.2). ASSUMPTION: the folder, the file names `<list id>_*`,
the column names as header, and that a file that was taken moves to `archive`.
"""

import csv
import gzip
import io
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from itertools import batched
from pathlib import Path

from local.simulator.store import Store

#: Simulated seconds between two firings of a job.
INTERVAL = 10 * 60
#: Simulated seconds that an import takes at least, and for each megabyte.
_LEAST, _PER_MEGABYTE = 2 * 60, 60
_BATCH = 2000
_ADDRESS = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")
_HARD_BOUNCES_ALLOWED = 2


@dataclass(frozen=True, slots=True)
class _Recipient:
    recipient_id: str
    urn: str
    communication_key: str
    broadcast_key: str


def job_name(list_name: str) -> str:
    """Name of the import job of a list. ASSUMPTION."""
    return f"Recipient import {list_name}"


def last_firing(now: int) -> int:
    """When the jobs last fired."""
    return now - now % INTERVAL


def blocklisted(address: str) -> bool:
    """Whether an address is on the blocklist, which holds the pattern `*@blocked.example`."""
    return address.lower().endswith("@blocked.example")


def unsubscribed_before(address: str) -> bool:
    """Whether an address had unsubscribed before the simulation began: `unsubscribed.…@example.org`."""
    lowered = address.lower()
    return lowered.startswith("unsubscribed.") and lowered.endswith("@example.org")


class ImportJobs:
    """The import jobs of all lists.

    Args:
        store: the simulator's records.
        folder: the folder of the SFTP site from which files are taken.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self._store = store
        self._folder = folder
        self._archive = folder / "archive"
        self._archive.mkdir(parents=True, exist_ok=True)

    def work(self, now: int) -> bool:
        """Begin imports that are due, end those whose time has come.

        Returns:
            Whether an import is waiting or running.
        """
        with self._store.reading() as connection:
            fired = connection.execute("SELECT value FROM fact WHERE name = 'jobs_fired'").fetchone()
            running = connection.execute("SELECT * FROM import_run WHERE state = 'running'").fetchall()
        for run in running:
            if run["ends"] <= now:
                self._end(run, now)
        if fired is None or int(fired["value"]) < last_firing(now):
            self._fire(now)
        return bool(running) or any(self._waiting())

    def _waiting(self) -> Iterator[Path]:
        """List files on the SFTP site, oldest first; not those that are still being written."""
        files = (path for path in self._folder.iterdir() if re.fullmatch(r"\d+_[^.].*\.csv(\.gz)?", path.name))
        return iter(sorted(files, key=lambda path: (path.stat().st_mtime, path.name)))

    def _fire(self, now: int) -> None:
        with self._store.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO fact VALUES ('jobs_fired', ?)", (str(last_firing(now)),))
            busy = {
                row["list_id"] for row in connection.execute("SELECT list_id FROM import_run WHERE state = 'running'")
            }
            lists = {row["id"] for row in connection.execute("SELECT id FROM recipient_list")}
            begun = []
            for path in self._waiting():
                list_id = int(path.name.partition("_")[0])
                if list_id in lists and list_id not in busy:
                    busy.add(list_id)
                    begun.append(path)
                    ends = now + _LEAST + _PER_MEGABYTE * path.stat().st_size // 1_000_000
                    connection.execute(
                        "INSERT INTO import_run (list_id, file, started, ends, state) VALUES (?, ?, ?, ?, 'running')",
                        (list_id, path.name, now, ends),
                    )
                    connection.execute("DELETE FROM recipient WHERE list_id = ?", (list_id,))
                    connection.execute("UPDATE recipient_list SET modified = ? WHERE id = ?", (now, list_id))
        for path in begun:
            path.rename(self._archive / path.name)

    def _end(self, run: sqlite3.Row, now: int) -> None:
        taken, left = self._archive / run["file"], self._folder / run["file"]
        if left.exists():  # the process died between the record and the move
            left.rename(taken)
        skipped: Counter[str] = Counter()
        imported, error = 0, None
        with self._store.writing() as connection:
            fields = {
                row["internal_name"]: row["type"]
                for row in connection.execute("SELECT * FROM list_field WHERE list_id = ?", (run["list_id"],))
            }
            connection.execute("DELETE FROM recipient WHERE list_id = ?", (run["list_id"],))
            try:
                with _rows(taken, fields) as rows:
                    good = _checked(rows, fields, skipped, _left_out(connection))
                    for batch in batched(good, _BATCH, strict=False):
                        imported += _insert(connection, run["list_id"], batch, skipped)
            except (ValueError, OSError, csv.Error) as broken:
                error, imported = str(broken), 0
                skipped.clear()
                connection.execute("DELETE FROM recipient WHERE list_id = ?", (run["list_id"],))
            connection.execute(
                "UPDATE recipient_list SET modified = ? WHERE id = ?", (max(now, run["ends"]), run["list_id"])
            )
            connection.execute(
                "UPDATE import_run SET state = 'done', rows_read = ?, imported = ?, skipped = ?, error = ? "
                "WHERE id = ?",
                (imported + skipped.total(), imported, json.dumps(skipped), error, run["id"]),
            )


@contextmanager
def _rows(path: Path, fields: dict[str, str]) -> Iterator[Iterator[dict[str, str]]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rb") as raw, io.TextIOWrapper(raw, "utf-8", newline="") as text:
        reader = csv.reader(text, delimiter=";")
        header = next(reader, [])
        if "Email" not in header or (unknown := set(header) - fields.keys()):
            msg = "the header has no Email" if "Email" not in header else f"unknown columns: {sorted(unknown)}"
            raise ValueError(msg)
        yield (dict(zip(header, row, strict=False)) | {"": str(len(row) - len(header))} for row in reader)


def _checked(
    rows: Iterable[dict[str, str]], fields: dict[str, str], skipped: Counter[str], left_out: dict[str, str]
) -> Iterator[_Recipient]:
    for row in rows:
        address = row.get("Email", "")
        reason = left_out.get(address.lower()) or _fault(row, address, fields)
        if reason:
            skipped[reason] += 1
        else:
            yield _Recipient(address, row.get("Urn", ""), row.get("CommunicationKey", ""), row.get("BroadcastKey", ""))


def _fault(row: dict[str, str], address: str, fields: dict[str, str]) -> str | None:
    """Why a row is left out; None when it is not."""
    if row[""] != "0":
        return "wrong number of columns"
    if not _ADDRESS.fullmatch(address):
        return "wrong address"
    if blocklisted(address):
        return "blocklisted"
    if unsubscribed_before(address):
        return "unsubscribed"
    return None if all(_fits(value, fields.get(name)) for name, value in row.items()) else "wrong value"


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


def _left_out(connection: sqlite3.Connection) -> dict[str, str]:
    """Addresses that events of this simulation keep out: unsubscribed, or hard-bounced too often."""
    found = {row["recipient_id"].lower(): "unsubscribed" for row in connection.execute("SELECT * FROM unsubscribe")}
    bounced = connection.execute(
        "SELECT recipient_id FROM event WHERE message_type = 'Bounce' AND bounce_type = 'HardBounce' "
        "GROUP BY recipient_id HAVING count(*) > ?",
        (_HARD_BOUNCES_ALLOWED,),
    )
    return found | {row["recipient_id"].lower(): "bounced" for row in bounced}


def _insert(connection: sqlite3.Connection, list_id: int, batch: Iterable[_Recipient], skipped: Counter[str]) -> int:
    rows = [(list_id, r.recipient_id.lower(), r.urn, r.communication_key, r.broadcast_key) for r in batch]
    inserted = connection.executemany("INSERT OR IGNORE INTO recipient VALUES (?, ?, ?, ?, ?)", rows).rowcount
    if inserted < len(rows):
        skipped["duplicate"] += len(rows) - inserted
    return inserted
