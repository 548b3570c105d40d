"""Suppressions: recipients to whom Optimizely sends nothing, as of the last sync.

There are three kinds: unsubscribed, bounced out and on the blocklist. An address is kept as a hash, an entry of the
blocklist with wildcards as it is. Only one sync writes at a time (its step holds a lease).
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import translate
from hashlib import blake2b
from itertools import batched
from typing import Final

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, select, update

from shared.broadcast import State
from shared.clock import Clock
from shared.database.connections import Database
from shared.ledger import tables
from shared.ledger.tables import suppression as table
from shared.ledger.tables import suppression_bounce as bounce
from shared.ledger.tables import suppression_pattern as pattern_table
from shared.ledger.tables import suppression_source as sources
from shared.rejects import RejectReason

#: The kinds. A recipient who is suppressed for several reasons is counted under the first.
KINDS: Final = (RejectReason.BLOCKLISTED, RejectReason.BOUNCED_OUT, RejectReason.UNSUBSCRIBED)
#: `list_id` of entries for every list.
EVERY_LIST: Final = 0
#: Hashes in one statement (SQL Server takes 2,100 parameters).
_BATCH: Final = 1000
#: No address can match a longer pattern: 254 characters, with a `*` before and after each.
_MAX_PATTERN: Final = 510
_WILDCARD: Final = re.compile(r"[*?]")
#: The most common pattern: every address in a domain.
_DOMAIN: Final = re.compile(r"\*@([^*?@]+)")
#: How long a recipient counts as bounced out after Optimizely last confirmed it.
_CONFIRMED_WITHIN: Final = timedelta(days=180)
#: States in which the message of a broadcast may have been sent.
_SENT: Final = (State.SENDING, State.SENT, State.CLOSED, State.NEEDS_OPERATOR)


def address_hash(address: str) -> bytes:
    """Sixteen bytes for an address; its case and surrounding spaces do not matter.

    The domain must be in its ASCII form already.
    """
    return blake2b(_plain(address).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A recipient who gets no mail, as Optimizely lists it."""

    #: An address; on the blocklist also a pattern with `*` and `?`.
    address: str
    #: None where Optimizely does not say.
    since: datetime | None = None
    list_id: int = EVERY_LIST


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncState:
    """The sync state of a kind of suppression."""

    kind: RejectReason
    #: Every older entry is known, by Optimizely's clock.
    newest: datetime | None = None
    #: Number of full syncs so far, and when the last of them ended.
    draws: int = 0
    whole_at: datetime | None = None
    #: When the last finished sync ended, full or of new entries.
    drawn_at: datetime | None = None
    #: How many there were then.
    entries: int = 0
    #: Of the last sync, if it failed.
    error_code: str | None = None
    failed_at: datetime | None = None


class Suppressions:
    """The suppressions of the ledger."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        #: The patterns, and the time of the sync after which they were read.
        self._patterns: tuple[datetime | None, Patterns] | None = None

    # Reading

    def among(self, list_id: int, addresses: Iterable[str]) -> dict[str, RejectReason]:
        """The addresses that get no mail, with the reason.

        Args:
            list_id: the recipient list that they are for.
            addresses: in the form in which mail is sent to them, domains in ASCII. A thousand make one query.
        """
        reasons: dict[str, RejectReason] = {}
        with self._database.reading() as connection:
            patterns = self._read_patterns(connection)
            for batch in batched(addresses, _BATCH, strict=False):
                by_hash: dict[bytes, list[str]] = defaultdict(list)
                for address in batch:
                    by_hash[address_hash(address)].append(address)
                kinds: dict[bytes, set[str]] = defaultdict(set)
                query = select(table.c.address_hash, table.c.kind).where(
                    table.c.address_hash.in_(list(by_hash)), table.c.list_id.in_({EVERY_LIST, list_id})
                )
                for hashed, kind in connection.execute(query):
                    kinds[hashed].add(kind)
                for hashed, equal in by_hash.items():
                    if patterns.match(equal[0]):
                        kinds[hashed].add(RejectReason.BLOCKLISTED)
                    if hashed in kinds:
                        reason = next(kind for kind in KINDS if kind in kinds[hashed])
                        reasons.update(dict.fromkeys(equal, reason))
        return reasons

    def _read_patterns(self, connection: Connection) -> "Patterns":
        """The patterns, compiled once after each sync."""
        drawn_at = connection.scalar(select(sources.c.drawn_at).where(sources.c.kind == RejectReason.BLOCKLISTED))
        cached = self._patterns
        if cached is None or cached[0] != drawn_at:
            cached = drawn_at, Patterns(connection.scalars(select(pattern_table.c.pattern)))
            self._patterns = cached
        return cached[1]

    def complete(self) -> bool:
        """Whether every kind was fully synced at least once; until then the suppressions are not reliable."""
        return all(source.whole_at is not None for source in self.sources())

    def sources(self) -> list[SyncState]:
        """The sync state of each kind."""
        return [self.source(kind) for kind in KINDS]

    def source(self, kind: RejectReason) -> SyncState:
        """The sync state of a kind."""
        with self._database.reading() as connection:
            row = connection.execute(select(sources).where(sources.c.kind == kind)).one_or_none()
        return SyncState(kind=kind) if row is None else SyncState(**{**row._asdict(), "kind": kind})

    # Syncing

    def add(self, kind: RejectReason, entries: Iterable[Entry], *, sync: int) -> int:
        """Add the entries that a sync has seen, in one transaction; existing ones are marked as seen.

        Args:
            kind: their kind.
            entries: at most a few thousand.
            sync: number of the sync, as `finish` counts them.

        Returns:
            How many are new.
        """
        exact: dict[int, dict[bytes, datetime | None]] = defaultdict(dict)
        wild: dict[bytes, str] = {}
        for entry in entries:
            address = _plain(entry.address)
            if kind is RejectReason.BLOCKLISTED and _WILDCARD.search(address):
                pattern = re.sub(r"\*+", "*", address)
                if len(pattern) <= _MAX_PATTERN:
                    wild[address_hash(pattern)] = pattern
            elif address:
                exact[entry.list_id][address_hash(address)] = entry.since
        added = 0
        with self._database.writing() as connection:
            for list_id, since in exact.items():
                for hashes in batched(since, _BATCH, strict=False):
                    rows = _rows(kind, list_id, hashes)
                    known = set(connection.scalars(select(table.c.address_hash).where(rows)))
                    connection.execute(update(table).where(rows, table.c.draw != sync).values(draw=sync))
                    new = [
                        {"kind": kind, "list_id": list_id, "address_hash": hashed, "since": since[hashed], "draw": sync}
                        for hashed in hashes
                        if hashed not in known
                    ]
                    if new:
                        connection.execute(insert(table), new)
                    added += len(new)
            for hashes in batched(wild, _BATCH, strict=False):
                seen = pattern_table.c.pattern_hash.in_(hashes)
                known = set(connection.scalars(select(pattern_table.c.pattern_hash).where(seen)))
                connection.execute(update(pattern_table).where(seen).values(draw=sync))
                unknown = [hashed for hashed in hashes if hashed not in known]
                if unknown:
                    rows_to_add = [
                        {"pattern_hash": hashed, "pattern": wild[hashed], "draw": sync} for hashed in unknown
                    ]
                    connection.execute(insert(pattern_table), rows_to_add)
                added += len(unknown)
        return added

    def finish(self, source: SyncState, *, full: bool, newest: datetime | None = None) -> int:
        """Record that a sync is finished.

        Entries that neither this full sync nor the one before it has seen are removed. It takes two, because pages
        shift while others are removed from them, so that one sync can miss an entry that still exists.
        Bounced-out recipients cannot be listed: they are removed once they were not confirmed for half a year.

        Args:
            source: the state when the sync began.
            full: whether it was a full sync, or one of new entries only.
            newest: every older entry was seen, by Optimizely's clock.

        Returns:
            How many were removed.
        """
        now, draws, of_kind = self._clock.now(), source.draws + full, table.c.kind == source.kind
        gone = table.c.draw < draws - 1
        if source.kind is RejectReason.BOUNCED_OUT:
            gone = table.c.since < now - _CONFIRMED_WITHIN
        with self._database.writing() as connection:
            removed = connection.execute(delete(table).where(of_kind, gone)).rowcount if full else 0
            entries = connection.scalar(select(func.count()).select_from(table).where(of_kind)) or 0
            if source.kind is RejectReason.BLOCKLISTED:
                if full:
                    removed += connection.execute(
                        delete(pattern_table).where(pattern_table.c.draw < draws - 1)
                    ).rowcount
                entries += connection.scalar(select(func.count()).select_from(pattern_table)) or 0
            _save(
                connection,
                source.kind,
                newest=newest,
                draws=draws,
                whole_at=now if full else source.whole_at,
                drawn_at=now,
                entries=entries,
                error_code=None,
                failed_at=None,
            )
        return removed

    def record_failure(self, kind: RejectReason, *, code: str) -> None:
        """Record that a sync failed; what it added stays."""
        with self._database.writing() as connection:
            _save(connection, kind, error_code=code, failed_at=self._clock.now())

    # Bounces

    def mailings(self, *, since: datetime) -> list[int]:
        """Ids of the mailings that broadcasts may have sent since then, newest first."""
        broadcast = tables.broadcast
        query = (
            select(broadcast.c.mailing_id)
            .where(broadcast.c.mailing_id.is_not(None), broadcast.c.state.in_(_SENT), broadcast.c.changed_at >= since)
            .order_by(broadcast.c.id.desc())
        )
        with self._database.reading() as connection:
            return list(dict.fromkeys(connection.scalars(query)))

    def unasked(self, mailing_id: int, hashes: Sequence[bytes]) -> list[bytes]:
        """The bounced recipients about whom Optimizely was not asked yet after this mailing."""
        asked: set[bytes] = set()
        with self._database.reading() as connection:
            for batch in batched(hashes, _BATCH, strict=False):
                rows = and_(bounce.c.mailing_id == mailing_id, bounce.c.address_hash.in_(batch))
                asked.update(connection.scalars(select(bounce.c.address_hash).where(rows)))
        return [hashed for hashed in hashes if hashed not in asked]

    def record_answers(self, mailing_id: int, answers: Mapping[bytes, bool]) -> None:
        """Record, after hard bounces of a mailing, whether each recipient is bounced out.

        Args:
            mailing_id: the mailing.
            answers: what Optimizely answered, by hash of the address; at most a thousand.
        """
        if not answers:
            return
        now, kind, hashes = self._clock.now(), RejectReason.BOUNCED_OUT, list(answers)
        out = [
            {"kind": kind, "list_id": EVERY_LIST, "address_hash": hashed, "since": now, "draw": 0}
            for hashed, is_out in answers.items()
            if is_out
        ]
        with self._database.writing() as connection:
            # A recipient whose bounces were reset is no longer bounced out.
            connection.execute(delete(table).where(_rows(kind, EVERY_LIST, hashes)))
            if out:
                connection.execute(insert(table), out)
            connection.execute(
                insert(bounce),
                [{"mailing_id": mailing_id, "address_hash": hashed, "asked_at": now} for hashed in hashes],
            )

    def forget_bounces(self, *, before: datetime) -> None:
        """Forget questions to Optimizely from before this time."""
        with self._database.writing() as connection:
            connection.execute(delete(bounce).where(bounce.c.asked_at < before))


class Patterns:
    """Entries of the blocklist with wildcards: `*` matches any characters, `?` matches one.

    Args:
        patterns: in lower case.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        self._domains: set[str] = set()
        others = []
        for pattern in patterns:
            if domain := _DOMAIN.fullmatch(pattern):
                self._domains.add(domain[1])
            else:
                others.append(translate(pattern.replace("[", "[[]")))
        self._others = re.compile("|".join(others)) if others else None

    def match(self, address: str) -> bool:
        """Whether one of them matches the address, whatever its case."""
        address = _plain(address)
        _, at, domain = address.rpartition("@")
        if at and domain in self._domains:
            return True
        return self._others is not None and self._others.match(address) is not None


def _plain(address: str) -> str:
    return address.strip().lower()


def _rows(kind: RejectReason, list_id: int, hashes: Sequence[bytes]) -> ColumnElement[bool]:
    return and_(table.c.kind == kind, table.c.list_id == list_id, table.c.address_hash.in_(hashes))


def _save(connection: Connection, kind: RejectReason, **values: object) -> None:
    changed = connection.execute(update(sources).where(sources.c.kind == kind).values(**values))
    if changed.rowcount == 0:
        connection.execute(insert(sources).values(**{"kind": kind, "draws": 0, "entries": 0, **values}))
