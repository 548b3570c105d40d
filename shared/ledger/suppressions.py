"""Suppressions: recipients to whom Optimizely sends nothing, as the bridge last drew them.

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

#: The kinds. Who is suppressed for several reasons is counted under the first.
KINDS: Final = (RejectReason.BLOCKLISTED, RejectReason.BOUNCED_OUT, RejectReason.UNSUBSCRIBED)
#: `list_id` of what concerns every list.
EVERY_LIST: Final = 0
#: Hashes in one statement (SQL Server takes 2,100 parameters).
_BATCH: Final = 1000
#: No address is so long that a longer entry could mean it: 254 characters, and a `*` before and after each.
_LONGEST_PATTERN: Final = 510
_WILDCARD: Final = re.compile(r"[*?]")
#: The usual pattern: everybody in a domain.
_DOMAIN: Final = re.compile(r"\*@([^*?@]+)")
#: How long a bounced-out recipient counts as such after Optimizely last said so.
_CONFIRMED_WITHIN: Final = timedelta(days=180)
#: States in which a broadcast's message may have reached somebody.
_SENT: Final = (State.SENDING, State.SENT, State.CLOSED, State.NEEDS_OPERATOR)


def address_hash(address: str) -> bytes:
    """Sixteen bytes for an address, whatever its case and the spaces around it.

    The domain must be in its ASCII form already.
    """
    return blake2b(_plain(address).encode(), digest_size=16).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One recipient who gets no mail, as Optimizely lists it."""

    #: An address; of the blocklist: an address or a pattern with `*` and `?`.
    address: str
    #: None where Optimizely does not say.
    since: datetime | None = None
    list_id: int = EVERY_LIST


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The sync state of a kind of suppression."""

    kind: RejectReason
    #: Everything older than this was seen, by Optimizely's clock.
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
        """Those of the addresses that get no mail, and why.

        Args:
            list_id: the recipient list on which they would stand.
            addresses: as mail is sent to them, with domains in their ASCII form. A thousand make one query.
        """
        found: dict[str, RejectReason] = {}
        with self._database.reading() as connection:
            patterns = self._read_patterns(connection)
            for some in batched(addresses, _BATCH, strict=False):
                by_hash: dict[bytes, list[str]] = defaultdict(list)
                for address in some:
                    by_hash[address_hash(address)].append(address)
                kinds: dict[bytes, set[str]] = defaultdict(set)
                wanted = select(table.c.address_hash, table.c.kind).where(
                    table.c.address_hash.in_(list(by_hash)), table.c.list_id.in_({EVERY_LIST, list_id})
                )
                for one, kind in connection.execute(wanted):
                    kinds[one].add(kind)
                for one, same in by_hash.items():
                    if patterns.mean(same[0]):
                        kinds[one].add(RejectReason.BLOCKLISTED)
                    if one in kinds:
                        reason = next(kind for kind in KINDS if kind in kinds[one])
                        found.update(dict.fromkeys(same, reason))
        return found

    def _read_patterns(self, connection: Connection) -> "Patterns":
        """The patterns, compiled once after each sync."""
        drawn_at = connection.scalar(select(sources.c.drawn_at).where(sources.c.kind == RejectReason.BLOCKLISTED))
        known = self._patterns
        if known is None or known[0] != drawn_at:
            known = drawn_at, Patterns(connection.scalars(select(pattern_table.c.pattern)))
            self._patterns = known
        return known[1]

    def complete(self) -> bool:
        """Whether every kind was fully synced at least once; before that they must not be relied on."""
        return all(source.whole_at is not None for source in self.sources())

    def sources(self) -> list[Source]:
        """The sync state of each kind."""
        return [self.source(kind) for kind in KINDS]

    def source(self, kind: RejectReason) -> Source:
        """The sync state of a kind."""
        with self._database.reading() as connection:
            row = connection.execute(select(sources).where(sources.c.kind == kind)).one_or_none()
        return Source(kind=kind) if row is None else Source(**{**row._asdict(), "kind": kind})

    # Syncing

    def add(self, kind: RejectReason, entries: Iterable[Entry], *, sync: int) -> int:
        """Add the entries that a sync has seen, in one transaction; existing ones are marked as seen.

        Args:
            kind: of which kind they are.
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
                if len(pattern) <= _LONGEST_PATTERN:
                    wild[address_hash(pattern)] = pattern
            elif address:
                exact[entry.list_id][address_hash(address)] = entry.since
        added = 0
        with self._database.writing() as connection:
            for list_id, since in exact.items():
                for hashes in batched(since, _BATCH, strict=False):
                    there = _these(kind, list_id, hashes)
                    known = set(connection.scalars(select(table.c.address_hash).where(there)))
                    connection.execute(update(table).where(there, table.c.draw != sync).values(draw=sync))
                    new = [
                        {"kind": kind, "list_id": list_id, "address_hash": one, "since": since[one], "draw": sync}
                        for one in hashes
                        if one not in known
                    ]
                    if new:
                        connection.execute(insert(table), new)
                    added += len(new)
            for hashes in batched(wild, _BATCH, strict=False):
                meant = pattern_table.c.pattern_hash.in_(hashes)
                kept = set(connection.scalars(select(pattern_table.c.pattern_hash).where(meant)))
                connection.execute(update(pattern_table).where(meant).values(draw=sync))
                fresh = [{"pattern_hash": one, "pattern": wild[one], "draw": sync} for one in hashes if one not in kept]
                if fresh:
                    connection.execute(insert(pattern_table), fresh)
                added += len(fresh)
        return added

    def finish(self, source: Source, *, full: bool, newest: datetime | None = None) -> int:
        """Record that a sync is finished.

        Entries that neither this full sync nor the one before it has seen are removed. It takes two, because pages
        shift while others are removed from them, so that one sync can miss an entry that still exists.
        Bounced-out recipients cannot be listed: they are removed when they were not confirmed for half a year.

        Args:
            source: as it was when the sync began.
            full: whether it was a full sync, or one of new entries only.
            newest: everything older was seen, by Optimizely's clock.

        Returns:
            How many were removed.
        """
        now, draws, mine = self._clock.now(), source.draws + full, table.c.kind == source.kind
        gone = table.c.draw < draws - 1
        if source.kind is RejectReason.BOUNCED_OUT:
            gone = table.c.since < now - _CONFIRMED_WITHIN
        with self._database.writing() as connection:
            removed = connection.execute(delete(table).where(mine, gone)).rowcount if full else 0
            entries = connection.scalar(select(func.count()).select_from(table).where(mine)) or 0
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

    def failed(self, kind: RejectReason, *, code: str) -> None:
        """Record that a sync failed; what it added stays."""
        with self._database.writing() as connection:
            _save(connection, kind, error_code=code, failed_at=self._clock.now())

    # Bounces

    def mailings(self, *, since: datetime) -> list[int]:
        """Ids of the mailings that broadcasts may have sent since then, newest first."""
        broadcast = tables.broadcast
        wanted = (
            select(broadcast.c.mailing_id)
            .where(broadcast.c.mailing_id.is_not(None), broadcast.c.state.in_(_SENT), broadcast.c.changed_at >= since)
            .order_by(broadcast.c.id.desc())
        )
        with self._database.reading() as connection:
            return list(dict.fromkeys(connection.scalars(wanted)))

    def unasked(self, mailing_id: int, hashes: Sequence[bytes]) -> list[bytes]:
        """Those of the bounced recipients for whom, after this mailing, Optimizely was not asked yet."""
        asked: set[bytes] = set()
        with self._database.reading() as connection:
            for some in batched(hashes, _BATCH, strict=False):
                there = and_(bounce.c.mailing_id == mailing_id, bounce.c.address_hash.in_(some))
                asked.update(connection.scalars(select(bounce.c.address_hash).where(there)))
        return [one for one in hashes if one not in asked]

    def asked(self, mailing_id: int, answers: Mapping[bytes, bool]) -> None:
        """Record what Optimizely answered after hard bounces of a mailing: whether the recipient is bounced out.

        Args:
            mailing_id: the mailing.
            answers: by hash of the address; at most a thousand.
        """
        if not answers:
            return
        now, kind, hashes = self._clock.now(), RejectReason.BOUNCED_OUT, list(answers)
        out = [
            {"kind": kind, "list_id": EVERY_LIST, "address_hash": one, "since": now, "draw": 0}
            for one, is_out in answers.items()
            if is_out
        ]
        with self._database.writing() as connection:
            # Who is not bounced out any more had his bounces reset.
            connection.execute(delete(table).where(_these(kind, EVERY_LIST, hashes)))
            if out:
                connection.execute(insert(table), out)
            connection.execute(
                insert(bounce), [{"mailing_id": mailing_id, "address_hash": one, "asked_at": now} for one in hashes]
            )

    def forget_bounces(self, *, before: datetime) -> None:
        """Forget for whom Optimizely was asked before this time."""
        with self._database.writing() as connection:
            connection.execute(delete(bounce).where(bounce.c.asked_at < before))


class Patterns:
    """Entries of the blocklist with wildcards: `*` stands for any letters, `?` for one.

    Args:
        patterns: in small letters.
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

    def mean(self, address: str) -> bool:
        """Whether one of them means the address, whatever its case."""
        address = _plain(address)
        _, at, domain = address.rpartition("@")
        if at and domain in self._domains:
            return True
        return self._others is not None and self._others.match(address) is not None


def _plain(address: str) -> str:
    return address.strip().lower()


def _these(kind: RejectReason, list_id: int, hashes: Sequence[bytes]) -> ColumnElement[bool]:
    return and_(table.c.kind == kind, table.c.list_id == list_id, table.c.address_hash.in_(hashes))


def _save(connection: Connection, kind: RejectReason, **values: object) -> None:
    changed = connection.execute(update(sources).where(sources.c.kind == kind).values(**values))
    if changed.rowcount == 0:
        connection.execute(insert(sources).values(**{"kind": kind, "draws": 0, "entries": 0, **values}))
