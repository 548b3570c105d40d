"""The response data export: files of events on the SFTP site, overlapping, some events late.

Names and columns are the documented defaults of FERG for Optimizely, plus list fields
(docs/why/sources.md, Optimizely 2.1, 3.3). ASSUMPTION: delimiter, encoding, the column `MailingId`, and the interval.
"""

import csv
import os
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from local.simulator.faults import Faults, HalfWrittenResponse
from local.simulator.store import Store, fact

#: Simulated seconds between two exports. The vendor exports once a day, or more often on request.
INTERVAL = 12 * 3600
#: An export covers this many intervals, so that each event is in two files.
_OVERLAP = 2
#: Once everything is exported, one more file repeats this many intervals.
_REPEAT = 6
_ZONE = ZoneInfo("Europe/Berlin")
_HEADER = (
    "Email",
    "Urn",
    "CommunicationKey",
    "MessageType",
    "DeliveryDate",
    "ClickUrl",
    "ClickDate",
    "EventTriggeredDate",
    "MailingId",
    "BroadcastKey",
    "BounceType",
)


class ResponseExport:
    """The response data export.

    Args:
        store: the simulator's records.
        folder: the folder of the SFTP site for the files.
        faults: the active faults.
        began: simulated time at which the simulation began.
    """

    def __init__(self, store: Store, folder: Path, faults: Faults, *, began: int) -> None:
        self._store = store
        self._folder = folder
        self._faults = faults
        self._began = began
        #: Half-written files: the fault, and when the file is completed at the latest. Not kept over a restart.
        self._half: dict[str, tuple[HalfWrittenResponse, int]] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def work(self, now: int) -> bool:
        """Write the files of all exports that are due, including missed ones.

        Returns:
            Whether events remain to be exported.
        """
        incomplete = self._complete(now)
        with self._store.reading() as connection:
            last = connection.execute("SELECT max(boundary) FROM response_file").fetchone()[0] or self._began
            # The past events of a paused campaign are exported, and it causes no more by itself.
            pending = connection.execute(
                "SELECT count(*) FROM campaign WHERE started IS NOT NULL AND NOT repeated AND (status <> 'paused' "
                "OR EXISTS (SELECT 1 FROM event WHERE campaign_id = campaign.id AND registered_at > ?))",
                (last,),
            ).fetchone()[0]
        for boundary in range(last + INTERVAL, now + 1, INTERVAL):
            self._export(boundary)
        return bool(pending) or incomplete

    def _export(self, boundary: int) -> None:
        with self._store.writing() as connection:
            exported = [
                row["id"]
                for row in connection.execute(
                    "SELECT id FROM campaign WHERE status IN ('finished', 'canceled') AND NOT repeated AND NOT EXISTS "
                    "(SELECT 1 FROM event WHERE campaign_id = campaign.id AND registered_at > ?) AND NOT EXISTS "
                    "(SELECT 1 FROM mail_sent WHERE campaign_id = campaign.id AND id > ?)",
                    (boundary - INTERVAL, int(fact(connection, "reacted_to") or 0)),
                )
            ]
            if _count(connection, boundary - INTERVAL, boundary):
                since = boundary - _OVERLAP * INTERVAL
            elif exported:
                since = boundary - _REPEAT * INTERVAL
            else:
                since = boundary
            name = f"Responses_{datetime.fromtimestamp(boundary, tz=UTC):%Y%m%d%H%M}.csv"
            rows = self._write(connection, name, since, boundary)
            connection.execute("INSERT INTO response_file VALUES (?, ?, ?)", (boundary, name if rows else None, rows))
            if since == boundary - _REPEAT * INTERVAL:
                connection.executemany(
                    "UPDATE campaign SET repeated = 1 WHERE id = ?", [(campaign_id,) for campaign_id in exported]
                )

    def _write(self, connection: sqlite3.Connection, name: str, since: int, until: int) -> int:
        """Write a file under a temporary name and rename it when complete; return its number of rows."""
        if not _count(connection, since, until):
            return 0
        unfinished, rows = self._folder / f".{name}.tmp", 0
        with unfinished.open("w", encoding="utf-8", newline="") as text:
            writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
            writer.writerow(_HEADER)
            for event in connection.execute(
                "SELECT * FROM event WHERE registered_at > ? AND registered_at <= ? ORDER BY registered_at, id",
                (since, until),
            ):
                happened = _local(event["happened_at"])
                writer.writerow(
                    (
                        event["recipient_id"],
                        event["urn"],
                        event["communication_key"],
                        event["message_type"],
                        _local(event["sent_at"]),
                        event["url"],
                        happened if event["url"] else "",
                        happened,
                        event["mailing_id"],
                        event["broadcast_key"],
                        event["bounce_type"],
                    )
                )
                rows += 1
            text.flush()
            os.fsync(text.fileno())
        if half := self._faults.strike(HalfWrittenResponse):
            self._half[name] = (half, until + INTERVAL)
            self._show_half(unfinished, name)
        else:
            unfinished.rename(self._folder / name)
        return rows

    def _show_half(self, complete: Path, name: str) -> None:
        """Show the first half of a file under its final name; the complete file keeps its temporary name."""
        half = self._folder / f".{name}.half.tmp"
        with complete.open("rb") as content:
            half.write_bytes(content.read(complete.stat().st_size // 2))
        half.rename(self._folder / name)

    def _complete(self, now: int) -> bool:
        """Complete half-written files that are due.

        Returns:
            Whether any stays half written.
        """
        for complete in self._folder.glob(".*.csv.tmp"):
            name = complete.name.removeprefix(".").removesuffix(".tmp")
            shown = self._folder / name
            if name in self._half:
                fault, due = self._half[name]
                if now < due and not self._faults.cleared(fault):
                    continue
            if shown.exists():
                with complete.open("rb") as content, shown.open("ab") as text:
                    content.seek(shown.stat().st_size)
                    shutil.copyfileobj(content, text)
                complete.unlink()
            self._half.pop(name, None)
        return bool(self._half)


def _count(connection: sqlite3.Connection, since: int, until: int) -> int:
    row = connection.execute(
        "SELECT count(*) FROM event WHERE registered_at > ? AND registered_at <= ?", (since, until)
    ).fetchone()
    return int(row[0])


def _local(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, tz=_ZONE):%d.%m.%Y %H:%M}"
