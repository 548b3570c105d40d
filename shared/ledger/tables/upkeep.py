"""Tables of what the bridge keeps besides: migrations, suppressions, alerts, erasures, removals."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, String, Table, Unicode

from shared.database.types import UtcDateTime
from shared.ledger.tables.base import Hash, metadata

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

#: Recipients who get no mail, as drawn from Optimizely: who stands here is known by a hash only.
suppression = Table(
    "suppression",
    metadata,
    Column("address_hash", Hash, primary_key=True),
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
    Column("pattern_hash", Hash, primary_key=True),
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
    Column("address_hash", Hash, primary_key=True),
    Column("asked_at", UtcDateTime, nullable=False, index=True),
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
    Column("salt", Hash),
    Column("person_hash", Hash),
)

#: By what an erasure that is under way knows the person: hashes, removed at its end.
erasure_key = Table(
    "erasure_key",
    metadata,
    Column("erasure_id", String(36), primary_key=True),
    #: `address`, `urn`, `communication_key`.
    Column("kind", String(20), primary_key=True),
    Column("key_hash", Hash, primary_key=True),
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
