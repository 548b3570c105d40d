"""Tables of the ledger, in the schema `bridge` of the response database.

They stand in the response database so that response rows, rows of `Broadcasts` and the record that
they were written commit in one transaction.

The numbered migrations make them (`migrations`, docs/how-to/migrate.md); a test holds both equal. What people write,
names of files and texts from them are `Unicode` (NVARCHAR on SQL Server, which makes `?` of what another type has no
room for); keys, states, codes and hashes that the bridge makes are `String` or binary. SQL Server orders a table's
rows by its primary key: what only ever grows has a number or a load that grows; what is looked up by a hash is
ordered by it, for it is never asked for otherwise and a second index would cost more than the order.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Unicode,
    UnicodeText,
    UniqueConstraint,
)
from sqlalchemy.dialects.mssql import BINARY, DATETIME2

from shared.database.types import UtcDateTime

#: Names that do not depend on the server, so that a later migration can say which one it means.
_NAMES = {
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
}
metadata = MetaData(schema="bridge", naming_convention=_NAMES)

#: SQLite makes only `INTEGER` primary keys grow by themselves.
_Id = BigInteger().with_variant(Integer, "sqlite")
#: SQL Server would make `VARBINARY` of it, which is longer by two bytes a row.
_Hash = LargeBinary(16).with_variant(BINARY(16), "mssql")
#: A time as `Response` keeps it: without zone, in that of the database server. It is only copied, never compared.
_WallTime = DateTime().with_variant(DATETIME2(precision=3), "mssql")  # type: ignore[no-untyped-call]  # theirs

#: The migrations that were applied.
migration = Table(
    "migration",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(100), nullable=False),
    #: SHA-256 of its file.
    Column("checksum", String(64), nullable=False),
    #: Whether code that does not know it cannot work any more.
    Column("breaking", Boolean, nullable=False),
    Column("applied_at", UtcDateTime, nullable=False),
)

#: One row a broadcast. `shared.broadcast` says what the columns mean.
broadcast = Table(
    "broadcast",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("key", String(64), nullable=False, unique=True),
    Column("source", String(20), nullable=False),
    Column("job_id", BigInteger),
    Column("held", Boolean, nullable=False),
    Column("system", Unicode(100), nullable=False),
    Column("list_name", Unicode(255), nullable=False),
    Column("message_name", Unicode(255), nullable=False),
    Column("delivery_file", Unicode(400), nullable=False),
    Column("urn_column", Unicode(255), nullable=False),
    Column("email_column", Unicode(255), nullable=False),
    Column("communication_key_column", Unicode(255), nullable=False),
    Column("step_id", BigInteger),
    Column("run", BigInteger),
    Column("parameters", UnicodeText, nullable=False),
    Column("channel", Unicode(100), nullable=False),
    Column("route", String(20), nullable=False),
    Column("send_mode", String(20), nullable=False),
    Column("send_at", UtcDateTime),
    Column("state", String(20), nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("rows_read", BigInteger),
    Column("rows_uploaded", BigInteger),
    Column("rows_rejected", BigInteger),
    Column("rows_duplicate", BigInteger),
    Column("rows_suppressed", BigInteger),
    Column("list_id", BigInteger),
    Column("source_campaign_id", BigInteger),
    Column("source_mailing_id", BigInteger),
    Column("campaign_id", BigInteger),
    Column("mailing_id", BigInteger),
    Column("batch_id", BigInteger),
    Column("imported", BigInteger),
    Column("sent", BigInteger),
    Column("rs_broadcast_id", BigInteger),
    Column("ended_in", String(20)),
    Column("error_code", String(64)),
    Column("error", Unicode(2000)),
    Column("cancel_requested_at", UtcDateTime),
    Column("reported_at", UtcDateTime),
    Column("released_at", UtcDateTime),
    Index(None, "state", "due_at"),
)

#: Every change of state of every broadcast; only ever appended to.
history = Table(
    "history",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("broadcast_id", ForeignKey(broadcast.c.id), nullable=False, index=True),
    Column("at", UtcDateTime, nullable=False),
    Column("from_state", String(20)),
    Column("to_state", String(20), nullable=False),
    Column("owner", Unicode(100), nullable=False),
    Column("note", Unicode(2000), nullable=False),
)

#: One row for each thing done to the outside world that must not happen twice.
effect = Table(
    "effect",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("broadcast_id", ForeignKey(broadcast.c.id), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("natural_key", Unicode(400), nullable=False),
    Column("intended_at", UtcDateTime, nullable=False),
    #: When it was last tried, and how often.
    Column("tried_at", UtcDateTime),
    Column("tries", Integer, nullable=False),
    Column("done_at", UtcDateTime),
    #: What was seen before and after, as JSON: numbers, names of files and campaigns, server times.
    Column("evidence", UnicodeText, nullable=False),
    UniqueConstraint("broadcast_id", "kind"),
)

#: Who owns what, until when. A list is owned by a broadcast without an end: until it is released.
lease = Table(
    "lease",
    metadata,
    #: `response-file:` and the name of one is the longest; 900 bytes are all that the key may have.
    Column("name", Unicode(450), primary_key=True),
    Column("owner", Unicode(100), nullable=False),
    Column("expires_at", UtcDateTime),
)

#: One row a response file: a name, size and time of change on the SFTP site.
response_file = Table(
    "response_file",
    metadata,
    Column("id", _Id, primary_key=True),
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
    #: Rounds in a row in which it could not be gathered, or its remote file not be put away, and why.
    Column("left_rounds", Integer, nullable=False, server_default="0"),
    Column("left_code", String(64)),
    #: When the remote file was put away after its load: moved or removed.
    Column("put_away_at", UtcDateTime),
    #: When the kept file was removed after its time.
    Column("removed_at", UtcDateTime),
    UniqueConstraint("name", "size", "modified"),
    Index(None, "state", "due_at"),
)

#: Every change of state of every response file; only ever appended to.
response_file_history = Table(
    "response_file_history",
    metadata,
    Column("id", _Id, primary_key=True),
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
    Column("id", _Id, primary_key=True),
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
    Column("event_key", _Hash, nullable=False),
    #: Rank of the row among its equals in the file, and its place among the new rows of the file, from 1 without a
    #: gap. Both are set when the file is whole, and only where the event is new.
    Column("ordinal", Integer),
    Column("place", BigInteger),
    #: The broadcast that it found.
    Column("broadcast_id", BigInteger),
    Column("broadcast_key", Unicode(64), nullable=False),
    Column("mailing_id", Unicode(64), nullable=False),
    Column("email", Unicode(320), nullable=False),
    Column("urn", Unicode(255), nullable=False),
    Column("urn_hash", _Hash),
    Column("communication_key", Unicode(64), nullable=False),
    Column("communication_key_hash", _Hash),
    Column("message_type", Unicode(50), nullable=False),
    Column("event_time", UtcDateTime, nullable=False),
    Column("delivery_date", UtcDateTime),
    Column("click_url", Unicode(2000), nullable=False),
    Column("click_date", UtcDateTime),
    #: The same times as `Response` keeps them.
    Column("event_wall", _WallTime),
    Column("delivery_wall", _WallTime),
    Column("click_wall", _WallTime),
    Column("details", UnicodeText, nullable=False),
)

#: The events that were taken over: key and ordinal (rule 6), and the row of `Response` that tells of it; 0 where events
#: leave in files only.
response_event = Table(
    "response_event",
    metadata,
    Column("event_key", _Hash, primary_key=True),
    Column("ordinal", Integer, primary_key=True),
    Column("response_id", BigInteger, nullable=False),
)

#: Recipients who get no mail, as drawn from Optimizely: who stands here is known by a hash only.
suppression = Table(
    "suppression",
    metadata,
    Column("address_hash", _Hash, primary_key=True),
    #: The recipient list that it concerns; 0: every list.
    Column("list_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), primary_key=True),
    #: When it began, by Optimizely's clock; of bounced-out ones: when Optimizely last said so, by ours.
    Column("since", UtcDateTime),
    #: Number of the last complete draw that saw it.
    Column("draw", Integer, nullable=False),
    Index(None, "kind", "draw"),
)

#: Entries of the blocklist with wildcards, which no hash can stand for.
suppression_pattern = Table(
    "suppression_pattern",
    metadata,
    Column("pattern_hash", _Hash, primary_key=True),
    Column("pattern", Unicode(510), nullable=False),
    Column("draw", Integer, nullable=False),
)

#: How far each kind of suppression is drawn.
suppression_source = Table(
    "suppression_source",
    metadata,
    Column("kind", String(20), primary_key=True),
    #: Everything older than this was seen, by Optimizely's clock.
    Column("newest", UtcDateTime),
    #: Complete draws of the whole set so far, and when the last of them ended.
    Column("draws", Integer, nullable=False),
    Column("whole_at", UtcDateTime),
    #: When the last draw that reached its end did so, of the whole set or of what is new.
    Column("drawn_at", UtcDateTime),
    Column("entries", BigInteger, nullable=False),
    #: Of the last draw, if it failed.
    Column("error_code", String(64)),
    Column("failed_at", UtcDateTime),
)

#: Hard bounces after which Optimizely was asked whether the recipient is bounced out.
suppression_bounce = Table(
    "suppression_bounce",
    metadata,
    Column("mailing_id", BigInteger, primary_key=True, autoincrement=False),
    Column("address_hash", _Hash, primary_key=True),
    Column("asked_at", UtcDateTime, nullable=False, index=True),
)
#: To whom a broadcast's list went, one row a recipient: by these a response without the broadcast's key finds it.
recipient = Table(
    "recipient",
    metadata,
    Column("broadcast_id", BigInteger, primary_key=True, autoincrement=False),
    #: In the delivery file.
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("communication_key_hash", _Hash, index=True),
    Column("urn_hash", _Hash, index=True),
)

#: Rows of `Response` that have found no broadcast yet, and by what they can find one.
unmatched_response = Table(
    "unmatched_response",
    metadata,
    Column("response_id", BigInteger, primary_key=True, autoincrement=False),
    Column("response_file_id", BigInteger, nullable=False),
    Column("broadcast_key", Unicode(64), nullable=False),
    Column("mailing_id", Unicode(64), nullable=False),
    Column("communication_key_hash", _Hash),
    Column("urn_hash", _Hash),
    Column("event_time", UtcDateTime, nullable=False),
    Column("delivery_date", UtcDateTime),
    Column("loaded_at", UtcDateTime, nullable=False, index=True),
    #: When it last looked for its broadcast since it was loaded; NULL: it is to look.
    Column("looked_at", UtcDateTime, index=True),
    #: The broadcast that it found, within the transaction that removes the row.
    Column("broadcast_id", BigInteger),
)

#: The broadcasts after whose last change of state the unmatched rows have looked again.
matched_broadcast = Table(
    "matched_broadcast",
    metadata,
    Column("broadcast_id", BigInteger, primary_key=True, autoincrement=False),
    Column("state", String(20), nullable=False),
)

#: Files for FERG: of the response file they are made of, the new rows stay in `response_staging` until they are put.
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

#: What an operator should look at: one row for each kind and what it is about.
alert = Table(
    "alert",
    metadata,
    Column("kind", String(40), primary_key=True),
    Column("subject", Unicode(400), primary_key=True),
    Column("text", Unicode(2000), nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    #: When it was last found to be so.
    Column("seen_at", UtcDateTime, nullable=False),
    #: When it was found to be over; NULL: it stands.
    Column("cleared_at", UtcDateTime),
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
    #: Days in a row on which the gap had grown; when that was last looked at, and the gap then.
    Column("grown", Integer, nullable=False),
    Column("judged_at", UtcDateTime),
    Column("judged_gap", BigInteger),
)

#: Persons who were erased, without anything that tells who they are.
erasure = Table(
    "erasure",
    metadata,
    Column("id", String(36), primary_key=True),
    #: By what the person was given: `email`, `urn`, `communication_key`.
    Column("given_by", String(100), nullable=False),
    Column("operator", Unicode(100), nullable=False),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    #: Salt, and salted hash of what was given, by which an interrupted erasure goes on; both are removed at its end.
    Column("salt", _Hash),
    Column("person_hash", _Hash),
)

#: By what an erasure that is under way knows the person: hashes, removed at its end.
erasure_key = Table(
    "erasure_key",
    metadata,
    Column("erasure_id", String(36), primary_key=True),
    #: `address`, `urn`, `communication_key`.
    Column("kind", String(20), primary_key=True),
    Column("key_hash", _Hash, primary_key=True),
)

#: What an erasure has to do, and has done.
erasure_step = Table(
    "erasure_step",
    metadata,
    Column("erasure_id", String(36), primary_key=True),
    Column("step", String(40), primary_key=True),
    Column("found", BigInteger, nullable=False),
    Column("erased", BigInteger),
    Column("done_at", UtcDateTime),
)

#: What was removed after its time, by kind.
removal = Table(
    "removal",
    metadata,
    Column("kind", String(40), primary_key=True),
    #: When it was last looked for, and how many were removed then and ever.
    Column("looked_at", UtcDateTime, nullable=False),
    Column("removed", BigInteger, nullable=False),
    Column("removed_ever", BigInteger, nullable=False),
)
