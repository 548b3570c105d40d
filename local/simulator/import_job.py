"""Import jobs: each takes list files of its list from the SFTP site, clears the list and fills it.

ASSUMPTION: the folder, the file names `<list id>_*`, the column names as header, and that a file that was
taken moves to `archive`.
"""

import csv
import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from local.simulator.faults import Faults, ImportNever
from local.simulator.recipient_rows import fields_of, fill, import_takes, rows_of_file
from local.simulator.store import Store

#: Simulated seconds between two firings of a job.
INTERVAL = 10 * 60


def job_name(list_name: str) -> str:
    """Name of the import job of a list. ASSUMPTION."""
    return f"Recipient import {list_name}"


def last_firing(now: int) -> int:
    """When the jobs last fired."""
    return now - now % INTERVAL


class ImportJobs:
    """The import jobs of all lists.

    Args:
        store: the simulator's records.
        folder: the folder of the SFTP site from which files are taken.
        faults: those that are played.
    """

    def __init__(self, store: Store, folder: Path, faults: Faults) -> None:
        self._store = store
        self._folder = folder
        self._faults = faults
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
        found = []
        for path in self._folder.iterdir():
            if re.fullmatch(r"\d+_[^.].*\.csv(\.gz)?", path.name):
                with suppress(FileNotFoundError):
                    found.append((path.stat().st_mtime, path.name, path))
        return iter([path for _, _, path in sorted(found)])

    def _fire(self, now: int) -> None:
        with self._store.writing() as connection:
            connection.execute("INSERT OR REPLACE INTO fact VALUES ('jobs_fired', ?)", (str(last_firing(now)),))
            busy = {
                row["list_id"] for row in connection.execute("SELECT list_id FROM import_run WHERE state = 'running'")
            }
            lists = {row["id"] for row in connection.execute("SELECT id FROM recipient_list")}
            begun: list[Path] = []
            waiting = list(self._waiting())
            if waiting and self._faults.strike(ImportNever):
                return
            for path in waiting:
                list_id = int(path.name.partition("_")[0])
                if list_id in lists and list_id not in busy:
                    busy.add(list_id)
                    begun.append(path)
                    ends = now + import_takes(path.stat().st_size, self._faults)
                    connection.execute(
                        "INSERT INTO import_run (list_id, file, started, ends, state) VALUES (?, ?, ?, ?, 'running')",
                        (list_id, path.name, now, ends),
                    )
                    connection.execute("DELETE FROM recipient WHERE list_id = ?", (list_id,))
                    connection.execute("UPDATE recipient_list SET modified = ? WHERE id = ?", (now, list_id))
        for path in begun:
            with suppress(FileNotFoundError):  # a client may take a file back at any moment: then the import fails
                path.rename(self._archive / path.name)

    def _end(self, run: sqlite3.Row, now: int) -> None:
        taken, left = self._archive / run["file"], self._folder / run["file"]
        if left.exists():  # the process died between the record and the move
            left.rename(taken)
        skipped: Counter[str] = Counter()
        imported, error = 0, None
        with self._store.writing() as connection:
            fields = fields_of(connection, run["list_id"])
            connection.execute("DELETE FROM recipient WHERE list_id = ?", (run["list_id"],))
            try:
                with rows_of_file(taken, fields) as rows:
                    imported = fill(connection, run["list_id"], rows, skipped, now, self._faults)
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
