"""Tables of responses: their files, the rows on their way into RS_DB, what was loaded and what is compared."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    SmallInteger,
    String,
    Table,
    Unicode,
    UnicodeText,
    UniqueConstraint,
    text,
)

from shared.database.types import UtcDateTime
from shared.ledger.tables.base import Hash, Id, ShortHash, WallTime, metadata
from shared.ledger.tables.broadcasts import broadcast

#: One row a response file: a name, size and time of change on the SFTP site.
response_file = Table(
    "response_file",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Unicode(400), nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modified", UtcDateTime, nullable=False),
    Column("state", String(20), nullable=False),
    #: Grows by one with every change. The default is for rows that code before migration 6 inserts.
    Column("version", Integer, nullable=False, server_default="1"),
    Column("sha256", String(64)),
    Column("seen_at", UtcDateTime, nullable=False),
    Column("gathered_at", UtcDateTime),
    Column("loaded_at", UtcDateTime),
    Column("due_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("rows_read", BigInteger),
    Column("rows_loaded", BigInteger),
    Column("rows_known", BigInteger),
    Column("rows_rejected", BigInteger),
    Column("rows_unmatched", BigInteger),
    #: Rows loaded by message type, as JSON.
    Column("by_type", UnicodeText),
    Column("error_code", String(64)),
    Column("error", Unicode(2000)),
    #: The layout of the channels file that it is read by.
    Column("layout", Unicode(100)),
    #: Rounds in a row in which it could not be gathered, or its remote file not be archived, and why.
    Column("left_rounds", Integer, nullable=False, server_default="0"),
    Column("left_code", String(64)),
    #: When the remote file was archived after its load: moved or removed.
    Column("put_away_at", UtcDateTime),
    #: When the kept file was removed after its time.
    Column("removed_at", UtcDateTime),
    Column("waiting_for", Unicode(2000)),
    Column("waiting_since", UtcDateTime),
    UniqueConstraint("name", "size", "modified"),
    Index(None, "state", "due_at"),
)

#: Every change of state of every response file; only ever appended to.
response_file_history = Table(
    "response_file_history",
    metadata,
    Column("id", Id, primary_key=True),
    #: A seen file that changes on the site is replaced by another row, and its history goes with it.
    Column("response_file_id", ForeignKey(response_file.c.id, ondelete="CASCADE"), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("from_state", String(20)),
    Column("to_state", String(20), nullable=False),
    Column("owner", Unicode(100), nullable=False),
    Column("note", Unicode(2000), nullable=False),
)

#: Rejected rows by reason, of a broadcast's delivery file or of a response file.
reject_count = Table(
    "reject_count",
    metadata,
    Column("id", Id, primary_key=True),
    Column("broadcast_id", ForeignKey(broadcast.c.id), index=True),
    Column("response_file_id", ForeignKey(response_file.c.id), index=True),
    Column("reason", String(64), nullable=False),
    Column("rows", BigInteger, nullable=False),
)

#: Rows of a response file on their way into `Response`, or into a file for FERG.
response_staging = Table(
    "response_staging",
    metadata,
    Column("load_id", String(36), primary_key=True),
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("response_file_id", BigInteger, nullable=False, index=True),
    Column("event_key", Hash, nullable=False),
    #: The other keys by which the event may be known (`response_event`), from `shared.response.event_core`.
    Column("event_core", Hash),
    Column("by_communication_key", Hash),
    Column("by_urn", Hash),
    Column("by_email", Hash),
    Column("url_hash", ShortHash),
    Column("stated", SmallInteger),
    #: Rank of the row among its equals in the file, and its place among the new rows of the file, from 1 without a
    #: gap. Both are set when the file is whole, and only where the event is new.
    Column("ordinal", Integer),
    Column("place", BigInteger),
    #: The broadcast that it matches.
    Column("broadcast_id", BigInteger),
    Column("broadcast_key", Unicode(64), nullable=False),
    Column("mailing_id", Unicode(64), nullable=False),
    Column("email", Unicode(320), nullable=False),
    Column("urn", Unicode(255), nullable=False),
    Column("urn_hash", Hash),
    Column("communication_key", Unicode(64), nullable=False),
    Column("communication_key_hash", Hash),
    Column("message_type", Unicode(50), nullable=False),
    Column("event_time", UtcDateTime, nullable=False),
    Column("delivery_date", UtcDateTime),
    Column("click_url", Unicode(2000), nullable=False),
    Column("click_date", UtcDateTime),
    #: The same times as `Response` keeps them.
    Column("event_wall", WallTime),
    Column("delivery_wall", WallTime),
    Column("click_wall", WallTime),
    Column("details", UnicodeText, nullable=False),
)


def _key_of_some(name: str) -> Index:
    """An index of the events that have this key."""
    has_one = text(f"{name} IS NOT NULL")
    return Index(None, name, sqlite_where=has_one, mssql_where=has_one)


#: The loaded events (rule 6), one row each. Under `event_key` and `ordinal` every version of the bridge knows an event:
#: as its file stated it. Events that were loaded before migration 12 have nothing else.
response_event = Table(
    "response_event",
    metadata,
    Column("event_key", Hash, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    #: The row of `Response` that holds it; 0 where events go to files only, or the recipient was erased.
    Column("response_id", BigInteger, nullable=False),
    #: `shared.response.recipient_event`, by each identifier of the recipient that is known.
    Column("by_communication_key", Hash),
    Column("by_urn", Hash),
    Column("by_email", Hash),
    #: `shared.response.url_hash`; NULL: its file had no column for the URL.
    Column("url_hash", ShortHash),
    #: The broadcast that it matches, and what files stated of it.
    Column("broadcast_id", BigInteger),
    Column("broadcast_key", Unicode(64)),
    Column("mailing_id", Unicode(64)),
    #: Which columns of its row of `Response` have a value: the sum of numbers of `shared.response.Stated`.
    Column("stated", SmallInteger),
    _key_of_some("by_communication_key"),
    _key_of_some("by_urn"),
    _key_of_some("by_email"),
)

#: The rows of a load that may be events recorded under other keys. Empty but for the transaction of a load.
response_candidate = Table(
    "response_candidate",
    metadata,
    Column("load_id", String(36), primary_key=True),
    #: Only events with the same word for their type and the same time are compared.
    Column("event_core", Hash, primary_key=True),
    #: A row, and its own key and rank, then those of the recorded event that it is. 0: a recorded event, and its key.
    Column("line", BigInteger, primary_key=True, autoincrement=False),
    Column("event_key", Hash, primary_key=True),
    Column("ordinal", Integer, primary_key=True, autoincrement=False),
)

#: Rows of `Response` that match no broadcast yet, with the values by which they can match one.
unmatched_response = Table(
    "unmatched_response",
    metadata,
    Column("response_id", BigInteger, primary_key=True, autoincrement=False),
    Column("response_file_id", BigInteger, nullable=False),
    Column("broadcast_key", Unicode(64), nullable=False),
    Column("mailing_id", Unicode(64), nullable=False),
    Column("communication_key_hash", Hash),
    Column("urn_hash", Hash),
    Column("event_time", UtcDateTime, nullable=False),
    Column("delivery_date", UtcDateTime),
    Column("loaded_at", UtcDateTime, nullable=False, index=True),
    #: When it was last matched since its load; NULL: it is to be matched.
    Column("looked_at", UtcDateTime, index=True),
    #: The broadcast that it matches, set within the transaction that removes the row.
    Column("broadcast_id", BigInteger),
    #: Its row of `response_event`; NULL for rows of code before migration 12.
    Column("event_key", Hash),
    Column("ordinal", Integer),
)

#: The broadcasts after whose last change of state the unmatched rows were matched again.
matched_broadcast = Table(
    "matched_broadcast",
    metadata,
    Column("broadcast_id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String(20), nullable=False),
)

#: Files for FERG: the new rows of their response file stay in `response_staging` until they are delivered.
ferg_file = Table(
    "ferg_file",
    metadata,
    Column("response_file_id", BigInteger, primary_key=True, autoincrement=False),
    Column("load_id", String(36), nullable=False),
    Column("name", Unicode(400), nullable=False),
    #: Names of its further columns, as JSON.
    Column("columns", UnicodeText, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("made_at", UtcDateTime, nullable=False),
    Column("put_at", UtcDateTime, index=True),
)

#: Responses that were loaded and have found their broadcast, by message type.
response_count = Table(
    "response_count",
    metadata,
    Column("broadcast_id", BigInteger, primary_key=True, autoincrement=False),
    Column("message_type", Unicode(50), primary_key=True),
    Column("rows", BigInteger, nullable=False),
)

#: Broadcasts whose responses are compared with the report of their Smart Campaign.
report_comparison = Table(
    "report_comparison",
    metadata,
    Column("broadcast_id", BigInteger, primary_key=True, autoincrement=False),
    #: When it is to be compared: set by a load of its responses, and by a comparison that failed or found a gap that is
    #: new or grows; NULL: it is not.
    Column("due_at", UtcDateTime, index=True),
    Column("compared_at", UtcDateTime),
    #: Of the last comparison, if it failed.
    Column("error_code", String(64)),
)

#: How far the responses of a broadcast are behind the report, by message type.
report_gap = Table(
    "report_gap",
    metadata,
    Column("broadcast_id", BigInteger, primary_key=True, autoincrement=False),
    Column("message_type", String(50), primary_key=True),
    Column("reported", BigInteger, nullable=False),
    Column("loaded", BigInteger, nullable=False),
    #: Days in a row on which the gap had grown; when that was last checked, and the gap then.
    Column("grown", Integer, nullable=False),
    Column("judged_at", UtcDateTime),
    Column("judged_gap", BigInteger),
)
