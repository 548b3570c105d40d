"""Parameters of requests."""

from datetime import datetime
from typing import Final
from urllib.parse import quote

from shared.optimizely.rest.transport import Params

#: The vendor refuses 10,000 elements and more in a page.
MAX_PAGE_SIZE: Final = 9999


def quoted(segment: str) -> str:
    """A segment of a path."""
    return quote(segment, safe="")


def by_created(*, newest_first: bool) -> Params:
    """One page with everything, sorted by creation time."""
    return {"limit": MAX_PAGE_SIZE, "sort": "created", "direction": "DESC" if newest_first else "ASC"}


def schedule(scheduled_at: datetime | None, *, after_recipient_import: bool) -> dict[str, str | int]:
    """What a Wait node waits for."""
    form: dict[str, str | int] = {"scheduledAfterRecipientImport": str(after_recipient_import).lower()}
    if scheduled_at is not None:
        form["scheduledAt"] = scheduled_at.isoformat(timespec="seconds")
    return form
