"""Import jobs: each imports the files of its list from the SFTP site, replacing the members of the list.

ASSUMPTION: the folder, the file names `<list id>_*`, the column names as header, and that a file moves to `archive`
when its import begins.
"""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from local.simulator import imports
from local.simulator.faults import Faults, ImportNever
from local.simulator.recipient_rows import fields_of, rows_of_file
from local.simulator.store import Store, fact, set_fact

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
        folder: the folder of the SFTP site with the files.
        faults: the active faults.
    """

    def __init__(self, store: Store, folder: Path, faults: Faults) -> None:
        self._store = store
        self._folder = folder
        self._faults = faults
        self._archive = folder / "archive"
        self._archive.mkdir(parents=True, exist_ok=True)

    def work(self, now: int) -> bool:
        """Begin imports that are due, and finish those that are due.

        Returns:
            Whether an import is waiting or running.
        """
        with self._store.reading() as connection:
            fired = fact(connection, "jobs_fired")
            running = imports.in_progress(connection, "job")
        for run in running:
            if run["ends"] <= now:
                self._finish(run, now)
        if fired is None or int(fired) < last_firing(now):
            self._fire(now)
        return bool(running) or any(self._waiting())

    def _waiting(self) -> Iterator[Path]:
        """List files on the SFTP site, oldest first; not those that are still being written."""
        files = []
        for path in self._folder.iterdir():
            if re.fullmatch(r"\d+_[^.].*\.csv(\.gz)?", path.name):
                with suppress(FileNotFoundError):
                    files.append((path.stat().st_mtime, path.name, path))
        return iter([path for _, _, path in sorted(files)])

    def _fire(self, now: int) -> None:
        with self._store.writing() as connection:
            set_fact(connection, "jobs_fired", last_firing(now))
            busy = {run["list_id"] for run in imports.in_progress(connection, "job")}
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
                    size = path.stat().st_size
                    imports.begin(connection, "job", list_id, path.name, size, now, self._faults)
        for path in begun:
            with suppress(FileNotFoundError):  # a client may remove a file at any moment: then the import fails
                path.rename(self._archive / path.name)

    def _finish(self, run: sqlite3.Row, now: int) -> None:
        archived, source = self._archive / run["file"], self._folder / run["file"]
        if source.exists():  # the process died between the record and the move
            source.rename(archived)
        with self._store.writing() as connection:
            rows = rows_of_file(archived, fields_of(connection, run["list_id"]))
            imports.finish(connection, run, rows, now, self._faults)
