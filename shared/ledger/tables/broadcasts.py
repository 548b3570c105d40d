"""Tables of broadcasts: their state, history, effects, leases and recipients."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Unicode,
    UnicodeText,
    UniqueConstraint,
)

from shared.database.types import UtcDateTime
from shared.ledger.tables.base import Digest, Hash, Id, metadata

#: One row a broadcast. `shared.broadcast` says what the columns mean.
broadcast = Table(
    "broadcast",
    metadata,
    Column("id", Id, primary_key=True),
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
    Column("requested_at", UtcDateTime),
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
    Column("restarted_at", UtcDateTime),
    Column("released_recipients", BigInteger),
    Column("waiting_for", Unicode(2000)),
    Column("waiting_since", UtcDateTime),
    Column("content_digest", Digest, index=True),
    Column("compared_at", UtcDateTime),
    Column("repeats_key", String(64)),
    Index(None, "state", "due_at"),
)

#: Dropped files that are the file of a broadcast once more: touched, renamed, copied or written again.
dropped_file = Table(
    "dropped_file",
    metadata,
    #: By channel, name, size and time of change; see `shared.broadcast.file_key`.
    Column("key", String(64), primary_key=True),
    Column("broadcast_id", ForeignKey(broadcast.c.id), nullable=False, index=True),
    Column("seen_at", UtcDateTime, nullable=False),
)

#: Every change of state of every broadcast; only ever appended to.
history = Table(
    "history",
    metadata,
    Column("id", Id, primary_key=True),
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
    Column("id", Id, primary_key=True),
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
    #: When its owner acquired it; not known of leases from before migration 7.
    Column("acquired_at", UtcDateTime),
)

#: To whom a broadcast's list went, one row a recipient: by these a response without the broadcast's key finds it.
recipient = Table(
    "recipient",
    metadata,
    Column("broadcast_id", BigInteger, primary_key=True, autoincrement=False),
    #: In the delivery file.
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("communication_key_hash", Hash, index=True),
    Column("urn_hash", Hash, index=True),
)
