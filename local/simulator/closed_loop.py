"""The closed loop: a file of recipients is imported as soon as it stands, and a copy of its message sent at once.

The file names its source mailing (`optimizely.md` 2.1). ASSUMPTION: in a column `MailingId`, the same in every
row; the folder; that a file that was taken moves to `archive`; and that it waits while the pool has no free list.
"""

import csv
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from local.simulator import campaigns, pool, sending
from local.simulator.faults import Faults, ImportNever
from local.simulator.recipient_rows import fields_of, rows_of_file
from local.simulator.store import Store

_MAILING = "MailingId"
_ENDING = r"\.csv(\.gz)?$"


class ClosedLoop:
    """The service that watches a folder of the SFTP site.

    Args:
        store: the simulator's records.
        folder: the folder.
        faults: those that are played.
    """

    def __init__(self, store: Store, folder: Path, faults: Faults) -> None:
        self._store = store
        self._folder = folder
        self._faults = faults
        self._archive = folder / "archive"
        self._archive.mkdir(parents=True, exist_ok=True)
        with store.reading() as connection:
            taken = pool.imports_under_way(connection, "closed_loop")
        for run in taken:  # the process may have died between the record and the move
            if not self._archived(run["id"], run["file"]).exists():
                (folder / run["file"]).rename(self._archived(run["id"], run["file"]))

    def work(self, now: int) -> bool:
        """Take files that stand, and end the imports whose time has come.

        Returns:
            Whether a file is waiting or an import is running.
        """
        with self._store.reading() as connection:
            runs = pool.imports_under_way(connection, "closed_loop")
        for run in runs:
            if run["ends"] <= now:
                self._end(run, now)
        waiting: list[Path] = []
        with suppress(FileNotFoundError):  # a client may take a file back at any moment
            waiting = self._waiting()
            if waiting and not self._faults.strike(ImportNever):
                for path in waiting:
                    self._take(path, now)
        return bool(runs or waiting)

    def _waiting(self) -> list[Path]:
        """Files under their final names, oldest first."""
        files = (path for path in self._folder.iterdir() if path.name[0] != "." and re.search(_ENDING, path.name))
        return sorted(files, key=lambda path: (path.stat().st_mtime, path.name))

    def _archived(self, run_id: int, name: str) -> Path:
        return self._archive / f"{run_id}_{name}"

    def _take(self, path: Path, now: int) -> None:
        with self._store.writing() as connection:
            list_id = pool.take(connection)
            if list_id is None:
                return
            size = path.stat().st_size
            run_id = pool.begin_import(connection, "closed_loop", list_id, path.name, size, now, self._faults)
        path.rename(self._archived(run_id, path.name))

    def _end(self, run: sqlite3.Row, now: int) -> None:
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
            if not pool.end_import(connection, run, rows, now, self._faults):
                pool.give(connection, run["list_id"], None)
                return
            name = f"{campaign['name']} {re.sub(_ENDING, '', run['file'])}"
            copy_id = campaigns.copy(connection, campaign, name, run["list_id"], run["ends"])
            pool.give(connection, run["list_id"], copy_id)
            sending.start(connection, copy_id, run["ends"])


def _first_mailing_id(path: Path, fields: Mapping[str, str]) -> str:
    """The source mailing that the first row names; empty when there is none, or the file cannot be read."""
    try:
        with rows_of_file(path, fields) as rows:
            return next(rows, {}).get(_MAILING, "")
    except (ValueError, OSError, csv.Error):
        return ""


@contextmanager
def _rows_for(
    path: Path, fields: Mapping[str, str], mailing_id: str, *, known: bool
) -> Iterator[Iterator[dict[str, str]]]:
    """The rows of a file that are all for one source mailing.

    Raises:
        ValueError: they are for different ones, or for one that is not known; and as `rows_of_file`.
    """

    def checked(rows: Iterable[dict[str, str]]) -> Iterator[dict[str, str]]:
        for row in rows:
            if row.get(_MAILING, "") != mailing_id:
                raise ValueError("the rows name different mailings")
            yield row

    with rows_of_file(path, fields) as rows:
        if not known:
            raise ValueError("the first row names no mailing that is known")
        yield checked(rows)
