"""The closed loop: a file of recipients is imported as soon as it appears, and a copy of its message sent at once.

The file names its source mailing (docs/why/sources.md, Optimizely 2.1). ASSUMPTION: it does so in a column
`MailingId`, the same in every row; the folder; that a file moves to `archive` when its import begins; and that it
waits while the pool has no free list.
"""

import csv
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from local.simulator import campaigns, imports, pool, sending
from local.simulator.faults import Faults, ImportNever
from local.simulator.recipient_rows import fields_of, rows_of_file
from local.simulator.store import Store

_MAILING = "MailingId"
_ENDING = r"\.csv(\.gz)?$"


class ClosedLoop:
    """The service that watches a folder of the SFTP site.

    Args:
        store: the simulator's records.
        folder: the watched folder.
        faults: the active faults.
    """

    def __init__(self, store: Store, folder: Path, faults: Faults) -> None:
        self._store = store
        self._folder = folder
        self._faults = faults
        self._archive = folder / "archive"
        self._archive.mkdir(parents=True, exist_ok=True)
        with store.reading() as connection:
            runs = imports.in_progress(connection, "closed_loop")
        for run in runs:  # the process may have died between the record and the move
            if not self._archived(run["id"], run["file"]).exists():
                (folder / run["file"]).rename(self._archived(run["id"], run["file"]))

    def work(self, now: int) -> bool:
        """Begin imports of waiting files, and finish imports that are due.

        Returns:
            Whether a file is waiting or an import is running.
        """
        with self._store.reading() as connection:
            runs = imports.in_progress(connection, "closed_loop")
        for run in runs:
            if run["ends"] <= now:
                self._finish(run, now)
        waiting: list[Path] = []
        with suppress(FileNotFoundError):  # a client may remove a file at any moment
            waiting = self._waiting()
            if waiting and not self._faults.strike(ImportNever):
                for path in waiting:
                    self._begin(path, now)
        return bool(runs or waiting)

    def _waiting(self) -> list[Path]:
        """Files with their final names, oldest first."""
        files = (path for path in self._folder.iterdir() if path.name[0] != "." and re.search(_ENDING, path.name))
        return sorted(files, key=lambda path: (path.stat().st_mtime, path.name))

    def _archived(self, run_id: int, name: str) -> Path:
        return self._archive / f"{run_id}_{name}"

    def _begin(self, path: Path, now: int) -> None:
        with self._store.writing() as connection:
            list_id = pool.acquire(connection)
            if list_id is None:
                return
            size = path.stat().st_size
            run_id = imports.begin(connection, "closed_loop", list_id, path.name, size, now, self._faults)
        path.rename(self._archived(run_id, path.name))

    def _finish(self, run: sqlite3.Row, now: int) -> None:
        path = self._archived(run["id"], run["file"])
        with self._store.writing() as connection:
            fields = fields_of(connection, run["list_id"]) | {_MAILING: "LONG"}
            mailing_id = _first_mailing_id(path, fields)
            campaign = connection.execute(
                "SELECT campaign.* FROM campaign JOIN message ON message.campaign_id = campaign.id "
                "WHERE CAST(mailing_id AS TEXT) = ?",
                (mailing_id,),
            ).fetchone()
            rows = _rows_for(path, fields, mailing_id, known=campaign is not None)
            if not imports.finish(connection, run, rows, now, self._faults):
                pool.release(connection, run["list_id"])
                return
            name = f"{campaign['name']} {re.sub(_ENDING, '', run['file'])}"
            copy_id = campaigns.copy(connection, campaign, name, run["list_id"], run["ends"])
            pool.assign(connection, run["list_id"], copy_id)
            sending.start(connection, copy_id, run["ends"])


def _first_mailing_id(path: Path, fields: Mapping[str, str]) -> str:
    """The source mailing of the first row; empty when there is none or the file cannot be read."""
    try:
        with rows_of_file(path, fields) as rows:
            return next(rows, {}).get(_MAILING, "")
    except (ValueError, OSError, csv.Error):
        return ""


@contextmanager
def _rows_for(
    path: Path, fields: Mapping[str, str], mailing_id: str, *, known: bool
) -> Iterator[Iterator[dict[str, str]]]:
    """The rows of a file, all of one source mailing.

    Raises:
        ValueError: the rows name different mailings, or an unknown one; or see `rows_of_file`.
    """

    def checked(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
        for row in rows:
            if row.get(_MAILING, "") != mailing_id:
                raise ValueError("the rows name different mailings")
            yield row

    with rows_of_file(path, fields) as rows:
        if not known:
            raise ValueError("the first row names no known mailing")
        yield checked(rows)
