"""put_ferg_files: responses leave as files that FERG reads (docs/reference/responses.md)."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from sqlalchemy import Row

from shared.bridge import new_owner
from shared.errors import BridgeError, UnexpectedError
from shared.faststats.ferg_file import FergFiles
from shared.ledger import Ledger
from shared.ledger.leases import HeldLease
from shared.ledger.responses import ferg_files
from shared.ledger.responses.ferg_files import FergFile
from shared.ledger.responses.files import lease_name
from shared.telemetry import log, traceback_location

#: Files of one round. What is left is for the next.
_FILES: Final = 20


def put_ferg_files(ledger: Ledger, ferg: FergFiles) -> int:
    """Put the files for FERG that were made of response files and are not put yet, oldest first.

    One that cannot be put is put later and does not stop the others.

    Args:
        ledger: which knows them.
        ferg: where they go.

    Returns:
        How many were put.

    Raises:
        DatabaseUnavailable: the ledger could not be read.
    """
    done = 0
    for file in ferg_files.waiting(ledger.database, _FILES):
        try:
            done += _put(ledger, ferg, file)
        except BridgeError as error:
            log.warning(
                "File %s for FERG is not put yet: %s",
                file.name,
                error,
                extra={"action": "put-later", "file": file.name, "code": error.code},
            )
        except Exception as error:  # noqa: BLE001 - nothing may stop the others; the log has type and place
            extra = {"action": "unexpected", "file": file.name, "code": UnexpectedError.code}
            log.error("File %s for FERG is not put yet: %s", file.name, traceback_location(error), extra=extra)
    return done


def _put(ledger: Ledger, ferg: FergFiles, file: FergFile) -> bool:
    with ledger.leases.held(lease_name(file.response_file), new_owner()) as lease:
        if lease is None or not ferg_files.is_waiting(ledger.database, file.response_file_id):
            return False
        ferg.deliver(file.name, file.columns, _while_held(lease, ferg_files.rows(ledger.database, file)))
        ferg_files.put(ledger.database, file, now=ledger.clock.now())
    log.info(
        "File %s for FERG is put: %d rows.",
        file.name,
        file.rows,
        extra={"action": "put", "file": file.name, "rows": file.rows},
    )
    return True


def _while_held(lease: HeldLease, rows: Iterable[Row[Any]]) -> Iterator[Row[Any]]:
    """The rows; without the lease there is no end of them, and so no file."""
    yield from rows
    lease.check()
