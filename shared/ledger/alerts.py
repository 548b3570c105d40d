"""Alerts: what an operator should look at, each with what it is about.

An alert is active from the time it is raised until its cause is gone. Raising and clearing are logged, which the rules
in Azure act on; the record has the active ones.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from shared.clock import Clock
from shared.database.connections import Database, retry_transaction
from shared.ledger.tables import alert as table
from shared.telemetry import log

_LONGEST_TEXT: Final = 2000


class AlertKind(StrEnum):
    """What can be wrong without a broadcast or a response file that fails."""

    RESPONSE_FILE_LEFT = "response-file-left"  #: a response file could not be gathered, or archived, for some rounds
    NO_RESPONSE_FILE = "no-response-file"  #: none came for a response layout for longer than set
    SENT_SHORT = "sent-short"  #: a message was sent to fewer recipients than were imported
    REPORT_GAP = "report-gap"  #: fewer responses than in the campaign report, and the gap grows


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """An active alert."""

    kind: AlertKind
    #: What it is about: the name of a file or of a layout, the key of a broadcast.
    subject: str
    #: Sentences: what is wrong, and what to do.
    text: str
    raised_at: datetime


class Alerts:
    """The alerts of the ledger."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def active(self) -> list[Alert]:
        """The active alerts, oldest first; without those of a kind that only a later version knows."""
        query = (
            select(table.c.kind, table.c.subject, table.c.text, table.c.raised_at)
            .where(table.c.cleared_at.is_(None))
            .order_by(table.c.raised_at, table.c.kind, table.c.subject)
        )
        with self._database.reading() as connection:
            return [
                Alert(kind=AlertKind(row.kind), subject=row.subject, text=row.text, raised_at=row.raised_at)
                for row in connection.execute(query)
                if row.kind in AlertKind
            ]

    def report(self, kind: AlertKind, subject: str, text: str) -> bool:
        """Raise an alert, or record that it is still active.

        Args:
            kind: what is wrong.
            subject: what it is about; nothing of a person.
            text: sentences: what is the case, and what to do; likewise.

        Returns:
            Whether it was not active before.
        """
        raised = self._record(kind, subject, text[:_LONGEST_TEXT])
        if raised:
            log.error("%s", text, extra={"action": "alert", "alert": kind, "subject": subject})
        return raised

    def clear(self, kind: AlertKind, subject: str) -> bool:
        """Clear an alert whose cause is over; whether it was active."""
        return self._clear(kind, [subject]) > 0

    def clear_others(self, kind: AlertKind, subjects: Collection[str]) -> int:
        """Clear the alerts of this kind, except those about these subjects; how many were active."""
        over = [alert.subject for alert in self.active() if alert.kind is kind and alert.subject not in subjects]
        return self._clear(kind, over)

    @retry_transaction
    def _record(self, kind: AlertKind, subject: str, text: str) -> bool:
        this, now = (table.c.kind == kind, table.c.subject == subject), self._clock.now()
        try:
            with self._database.writing() as connection:
                still = update(table).where(*this, table.c.cleared_at.is_(None)).values(text=text, seen_at=now)
                if connection.execute(still).rowcount:
                    return False
                values = {"text": text, "raised_at": now, "seen_at": now, "cleared_at": None}
                if connection.execute(update(table).where(*this).values(values)).rowcount == 0:
                    connection.execute(insert(table).values(kind=kind, subject=subject, **values))
        except IntegrityError:
            return False  # another process raised it at the same time
        return True

    def _clear(self, kind: AlertKind, subjects: Collection[str]) -> int:
        cleared = 0
        for subject in subjects:
            with self._database.writing() as connection:
                over = (
                    update(table)
                    .where(table.c.kind == kind, table.c.subject == subject, table.c.cleared_at.is_(None))
                    .values(cleared_at=self._clock.now())
                )
                stood = connection.execute(over).rowcount
            if stood:
                log.info(
                    "The alert %s about %s is over.",
                    kind,
                    subject,
                    extra={"action": "alert-over", "alert": kind, "subject": subject},
                )
            cleared += stood
        return cleared
