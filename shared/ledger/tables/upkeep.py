"""Tables of everything else: migrations, suppressions, alerts, holds, erasures, removals."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Unicode

from shared.database.types import UtcDateTime
from shared.ledger.tables.base import Hash, Id, metadata

#: The migrations that were applied.
migration = Table(
    "migration",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("name", String(100), nullable=False),
    #: SHA-256 of its file.
    Column("checksum", String(64), nullable=False),
    #: Whether code that does not know it can no longer work.
    Column("breaking", Boolean, nullable=False),
    Column("applied_at", UtcDateTime, nullable=False),
)

#: Recipients who get no mail, as synced from Optimizely; each is kept as a hash.
suppression = Table(
    "suppression",
    metadata,
    Column("address_hash", Hash, primary_key=True),
    #: The recipient list that it applies to; 0: every list.
    Column("list_id", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", String(20), primary_key=True),
    #: When it began, by Optimizely's clock; for bounced-out recipients, when Optimizely last confirmed it, by ours.
    Column("since", UtcDateTime),
    #: Number of the last full sync that saw it.
    Column("draw", Integer, nullable=False),
    Index(None, "kind", "draw"),
)

#: Entries of the blocklist with wildcards, which no hash can stand for.
suppression_pattern = Table(
    "suppression_pattern",
    metadata,
    Column("pattern_hash", Hash, primary_key=True),
    Column("pattern", Unicode(510), nullable=False),
    Column("draw", Integer, nullable=False),
)

#: The sync state of each kind of suppression.
suppression_source = Table(
    "suppression_source",
    metadata,
    Column("kind", String(20), primary_key=True),
    #: Everything older than this was seen, by Optimizely's clock.
    Column("newest", UtcDateTime),
    #: Full syncs so far, and when the last of them ended.
    Column("draws", Integer, nullable=False),
    Column("whole_at", UtcDateTime),
    #: When the last finished sync ended, full or of new entries.
    Column("drawn_at", UtcDateTime),
    Column("entries", BigInteger, nullable=False),
    #: Of the last sync, if it failed.
    Column("error_code", String(64)),
    Column("failed_at", UtcDateTime),
)

#: Hard bounces after which Optimizely was asked whether the recipient is bounced out.
suppression_bounce = Table(
    "suppression_bounce",
    metadata,
    Column("mailing_id", BigInteger, primary_key=True, autoincrement=False),
    Column("address_hash", Hash, primary_key=True),
    Column("asked_at", UtcDateTime, nullable=False, index=True),
)

#: Alerts: one row for each kind and subject.
alert = Table(
    "alert",
    metadata,
    Column("kind", String(40), primary_key=True),
    Column("subject", Unicode(400), primary_key=True),
    Column("text", Unicode(2000), nullable=False),
    Column("raised_at", UtcDateTime, nullable=False),
    #: When its cause was last seen.
    Column("seen_at", UtcDateTime, nullable=False),
    #: When its cause was found to be gone; NULL: it is active.
    Column("cleared_at", UtcDateTime),
)

#: Holds: one row each; those in force are not lifted.
hold = Table(
    "hold",
    metadata,
    Column("id", Id, primary_key=True),
    #: `held`, or the code of the error for which the bridge placed it.
    Column("code", String(64), nullable=False),
    Column("reason", Unicode(2000), nullable=False),
    Column("placed_by", Unicode(100), nullable=False),
    Column("placed_at", UtcDateTime, nullable=False),
    Column("lifted_by", Unicode(100)),
    Column("lifted_at", UtcDateTime),
)

#: The ledger's id, and a number that only grows: one row. `shared.ledger.high_water_mark` says what for.
high_water_mark = Table(
    "high_water_mark",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("ledger", String(32), nullable=False),
    Column("number", BigInteger, nullable=False),
)

#: Erasures of persons, without anything that identifies them.
erasure = Table(
    "erasure",
    metadata,
    Column("id", String(36), primary_key=True),
    #: The kind of value that named the person: `email`, `urn`, `communication_key`.
    Column("given_by", String(100), nullable=False),
    Column("operator", Unicode(100), nullable=False),
    Column("planned_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    #: Salt, and salted hash of the given value, which recognise an interrupted erasure; both are removed at its end.
    Column("salt", Hash),
    Column("person_hash", Hash),
)

#: Hashed keys of the person of an erasure under way; removed at its end.
erasure_key = Table(
    "erasure_key",
    metadata,
    Column("erasure_id", String(36), primary_key=True),
    #: `address`, `urn`, `communication_key`.
    Column("kind", String(20), primary_key=True),
    Column("key_hash", Hash, primary_key=True),
)

#: The steps of an erasure: planned and done.
erasure_step = Table(
    "erasure_step",
    metadata,
    Column("erasure_id", String(36), primary_key=True),
    Column("step", String(40), primary_key=True),
    Column("found", BigInteger, nullable=False),
    Column("erased", BigInteger),
    Column("done_at", UtcDateTime),
)

#: What was removed at the end of its retention, by kind.
removal = Table(
    "removal",
    metadata,
    Column("kind", String(40), primary_key=True),
    #: When it was last searched for, and how many were removed then and in total.
    Column("looked_at", UtcDateTime, nullable=False),
    Column("removed", BigInteger, nullable=False),
    Column("removed_ever", BigInteger, nullable=False),
)

#: Test sends that were asked for with a GUID: a repeat of the call within a day gets the first result.
test_send = Table(
    "test_send",
    metadata,
    #: The GUID.
    Column("request_id", String(36), primary_key=True),
    #: What was asked for: a repeat that asks for something else is a mistake.
    Column("channel", Unicode(100), nullable=False),
    Column("message_name", Unicode(255), nullable=False),
    #: When the send was tried: the row is written before it, so that it is never tried again.
    Column("tried_at", UtcDateTime, nullable=False),
    #: The test mailing and its recipients. NULL: whether it was sent is not known.
    Column("mailing_id", BigInteger),
    Column("valid", Integer),
    Column("without_address", Integer),
    Column("blocklisted", Integer),
)
