"""Duplicates in a delivery file: whether an address or a Communication Key was accepted before, whatever its case.

The keys are on disk, so that memory does not grow with the rows.
"""

import sqlite3
from hashlib import blake2b
from typing import Final

from shared.errors import DatabaseUnavailable
from shared.rejects import RejectReason

#: Memory for keys, in KiB; the others are on disk.
_CACHE_KIB: Final = 8 * 1024
_BOTH: Final = 2


class SeenKeys:
    """Addresses and Communication Keys of the rows accepted so far, hashed, in a temporary SQLite database on disk.

    Raises:
        DatabaseUnavailable: the database cannot be created.
    """

    def __init__(self) -> None:
        # An abandoned reader may be closed by another thread.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._cursor = self._database.cursor()
        self._rows = 0
        try:
            for statement in (
                f"PRAGMA cache_size = -{_CACHE_KIB}",
                "PRAGMA journal_mode = OFF",
                "CREATE TABLE seen (key BLOB PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID",
                "BEGIN",
            ):
                self._cursor.execute(statement)
        except sqlite3.Error as error:
            self.close()
            raise _disk_error(error) from None

    def close(self) -> None:
        """Delete the database."""
        self._database.close()

    def add(self, address: str, communication_key: str) -> RejectReason | None:
        """Add the keys of a row, unless one of them is known: then neither is added.

        Returns:
            Which of them is known, the address first; None when both are new.

        Raises:
            DatabaseUnavailable: the disk is full.
        """
        self._rows += 1
        # No address holds a tab, so an address never equals a Communication Key.
        keys = (_hashed(address), _hashed("\t" + communication_key), self._rows)
        try:
            # One statement for both is fast; only when it added fewer than two rows is it asked which.
            added = self._cursor.execute("INSERT OR IGNORE INTO seen VALUES (?1, ?3), (?2, ?3)", keys).rowcount
            if added == _BOTH:
                return None
            withdrawn = self._cursor.execute(
                "DELETE FROM seen WHERE key IN (?1, ?2) AND row = ?3 RETURNING key", keys
            ).fetchall()
        except sqlite3.Error as error:
            raise _disk_error(error) from None
        if withdrawn == [(keys[0],)]:
            return RejectReason.DUPLICATE_COMMUNICATION_KEY
        return RejectReason.DUPLICATE_EMAIL


def _hashed(key: str) -> bytes:
    return blake2b(key.lower().encode(), digest_size=16).digest()


def _disk_error(error: sqlite3.Error) -> DatabaseUnavailable:
    reason = getattr(error, "sqlite_errorname", type(error).__name__)
    return DatabaseUnavailable(database="for finding duplicates", reason=reason)
