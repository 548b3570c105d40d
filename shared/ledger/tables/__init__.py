"""Tables of the ledger, in the schema `bridge` of the response database.

They are in the response database so that response rows, rows of `Broadcasts` and the record of both commit in one
transaction.

The numbered migrations create them (`migrations`, docs/how-to/migrate.md); a test keeps both equal. Texts that people
write, file names and texts from files are `Unicode` (NVARCHAR on SQL Server, which turns what VARCHAR cannot hold into
`?`); keys, states, codes and hashes that the bridge makes are `String` or binary. SQL Server stores rows in the order
of the primary key: tables that only grow have an increasing number or load id as key; tables that are looked up by a
hash are ordered by it, for a second index would cost more.
"""

from shared.ledger.tables.base import metadata
from shared.ledger.tables.broadcasts import broadcast, dropped_file, effect, history, lease, recipient
from shared.ledger.tables.responses import (
    ferg_file,
    matched_broadcast,
    reject_count,
    report_comparison,
    report_gap,
    response_candidate,
    response_count,
    response_event,
    response_file,
    response_file_history,
    response_staging,
    unmatched_response,
)
from shared.ledger.tables.upkeep import (
    alert,
    erasure,
    erasure_key,
    erasure_step,
    high_water_mark,
    hold,
    migration,
    removal,
    suppression,
    suppression_bounce,
    suppression_pattern,
    suppression_source,
    test_send,
)

__all__ = [
    "alert",
    "broadcast",
    "dropped_file",
    "effect",
    "erasure",
    "erasure_key",
    "erasure_step",
    "ferg_file",
    "high_water_mark",
    "history",
    "hold",
    "lease",
    "matched_broadcast",
    "metadata",
    "migration",
    "recipient",
    "reject_count",
    "removal",
    "report_comparison",
    "report_gap",
    "response_candidate",
    "response_count",
    "response_event",
    "response_file",
    "response_file_history",
    "response_staging",
    "suppression",
    "suppression_bounce",
    "suppression_pattern",
    "suppression_source",
    "test_send",
    "unmatched_response",
]
