"""Delivers files of responses to the location from which FERG reads them (docs/reference/responses.md)."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Row

from shared.bridge import new_owner
from shared.faststats.ferg_file import FergFiles
from shared.ledger import Ledger
from shared.ledger.leases import HeldLease, LeaseName
from shared.ledger.responses import ferg_files
from shared.ledger.responses.ferg_files import FergFile
from shared.telemetry import fenced, log

#: Most files of one round; the next round delivers the rest.
_LIMIT: Final = 20


def deliver_ferg_files(ledger: Ledger, ferg: FergFiles) -> int:
    """Deliver the files that were made of response files and are not delivered yet, oldest first; returns how many.

    A file that cannot be delivered does not stop the others; the next round tries it again.
    """
    delivered = 0
    for file in ferg_files.waiting(ledger.database, _LIMIT):
        with fenced(f"File {file.name} for FERG is not delivered yet", action="put-later", file=file.name):
            delivered += _deliver(ledger, ferg, file)
    return delivered


def _deliver(ledger: Ledger, ferg: FergFiles, file: FergFile) -> bool:
    with ledger.leases.held(LeaseName.for_response_file(file.response_file), new_owner()) as lease:
        if lease is None or not ferg_files.is_waiting(ledger.database, file.response_file_id):
            return False
        ferg.deliver(file.name, file.columns, _while_held(lease, ferg_files.rows(ledger.database, file)))
        ferg_files.record_delivered(ledger.database, file, now=ledger.clock.now())
    extra = {"action": "put", "file": file.name, "rows": file.rows}
    log.info("File %s for FERG is delivered: %d rows.", file.name, file.rows, extra=extra)
    return True


def _while_held(lease: HeldLease, rows: Iterable[Row[Any]]) -> Iterator[Row[Any]]:
    """The rows. If the lease is lost they end in an error, so that no file is written."""
    yield from rows
    lease.renew()
