"""Tables of the ledger, in the schema `bridge` of the response database.

They stand in the response database so that response rows, rows of `Broadcasts` and the record that
they were written commit in one transaction.

The numbered migrations make them (`migrations`, docs/how-to/migrate.md); a test holds both equal. What people write,
names of files and texts from them are `Unicode` (NVARCHAR on SQL Server, which makes `?` of what another type has no
room for); keys, states, codes and hashes that the bridge makes are `String` or binary. SQL Server orders a table's
rows by its primary key: what only ever grows has a number or a load that grows; what is looked up by a hash is
ordered by it, for it is never asked for otherwise and a second index would cost more than the order.
"""

from shared.ledger.tables.base import metadata
from shared.ledger.tables.broadcasts import broadcast, effect, history, lease, recipient
from shared.ledger.tables.responses import (
    ferg_file,
    matched_broadcast,
    reject_count,
    report_comparison,
    report_gap,
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
    migration,
    removal,
    suppression,
    suppression_bounce,
    suppression_pattern,
    suppression_source,
)

__all__ = [
    "alert",
    "broadcast",
    "effect",
    "erasure",
    "erasure_key",
    "erasure_step",
    "ferg_file",
    "history",
    "lease",
    "matched_broadcast",
    "metadata",
    "migration",
    "recipient",
    "reject_count",
    "removal",
    "report_comparison",
    "report_gap",
    "response_count",
    "response_event",
    "response_file",
    "response_file_history",
    "response_staging",
    "suppression",
    "suppression_bounce",
    "suppression_pattern",
    "suppression_source",
    "unmatched_response",
]
