"""Responses, unsubscribes and the blocklist: whom Optimizely no longer mails."""

import sqlite3
from collections.abc import Iterable
from fnmatch import fnmatchcase

from aiohttp import web

from local.simulator.rest import paging, parsing, serialisers
from local.simulator.rest.parsing import RefusedError
from local.simulator.rest.resource import Resource
from local.simulator.store import CLIENT_ID
from local.simulator.suppression import BLOCKED_PATTERN, BOUNCE_TYPES, THRESHOLDS, blocklisted, bounces

#: Highest limit of a list of responses; that of other pages is one lower.
_LARGEST = 10_000
_MEDIA = ("EMAIL", "FAX", "SMS", "LETTER", "PUSH", "PRINT")
_REASON = "agreed"
_UNSUBSCRIBE_SORTS = {
    "id": "recipient_id",
    "reason": "reason",
    "recipientListId": "list_id",
    "mailingId": "mailing_id",
    "created": "created",
}


class Responses(Resource):
    """Operations on responses, unsubscribes and the blocklist."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Its operations."""
        return [
            web.get("/responses", self.select_responses),
            web.get("/responses/bounces", self.get_bounce_counter_threshold),
            web.get("/responses/bounces/{recipientId}", self.get_bounce_counter),
            web.get("/responses/bounces/{recipientId}/thresholdExceeded", self.is_bounce_counter_threshold_exceeded),
            web.get("/unsubscribes", self.select_unsubscribes),
            web.get("/unsubscribes/count", self.count_unsubscribes),
            web.get("/blacklistentries", self.find_all_blacklist_entries),
            web.get("/blacklistentries/count", self.count_blacklist_entries),
            web.get("/blacklistentries/blacklisted", self.blacklisted),
        ]

    # Responses

    async def select_responses(self, request: web.Request) -> web.Response:
        """Bounces of a message or of recipients. No simulated recipient replies, so there are no other responses."""
        category = parsing.choice(request, "category", (*BOUNCE_TYPES, "autoresponder", "unknown"), "")
        recipients = [recipient.lower() for recipient in parsing.items(request.query, "recipientIds")]
        if not recipients and "mailingId" not in request.query:
            raise RefusedError(400, "neither mailingId nor recipientIds is given")
        conditions = ["message_type = 'Bounce'", "bounce_type = ?", "registered_at <= ?"]
        parameters: list[object] = [BOUNCE_TYPES.get(category, ""), self._clock.now()]
        with self._store.reading() as connection:
            if "mailingId" in request.query:
                mailing_id = parsing.integer_id(request.query["mailingId"], "mailingId")
                if not connection.execute("SELECT 1 FROM message WHERE mailing_id = ?", (mailing_id,)).fetchone():
                    raise RefusedError(404, "there is no such mailing")
                conditions.append("mailing_id = ?")
                parameters.append(mailing_id)
            if recipients:
                placeholders = ", ".join("?" * len(recipients))
                mailed = f"SELECT 1 FROM mail_sent WHERE recipient_id IN ({placeholders}) LIMIT 1"  # noqa: S608 - placeholders
                if not connection.execute(mailed, recipients).fetchone():
                    raise RefusedError(404, "none of the recipients was found")
                conditions.append(f"recipient_id IN ({placeholders})")
                parameters += recipients
            return paging.page(
                request,
                connection,
                "SELECT event.*, list_id FROM event JOIN campaign ON campaign.id = campaign_id "  # noqa: S608 - placeholders
                f"WHERE {' AND '.join(conditions)} ORDER BY registered_at, event.id",
                parameters,
                lambda row: _response(row, category),
                largest=_LARGEST,
                offsets=False,
            )

    async def get_bounce_counter_threshold(self, request: web.Request) -> web.Response:
        """The number of bounces after which a recipient is no longer mailed."""
        return web.json_response({"count": THRESHOLDS[parsing.choice(request, "category", THRESHOLDS, "")]})

    async def get_bounce_counter(self, request: web.Request) -> web.Response:
        """The number of bounces of a recipient."""
        category = parsing.choice(request, "category", THRESHOLDS, "")
        email = parsing.choice(request, "mediaType", _MEDIA, "EMAIL") == "EMAIL"
        with self._store.reading() as connection:
            count = bounces(connection, category, request.match_info["recipientId"], self._clock.now())
        return web.json_response({"count": count if email else 0})

    async def is_bounce_counter_threshold_exceeded(self, request: web.Request) -> web.Response:
        """Whether a recipient reached the threshold of bounces."""
        email = parsing.choice(request, "mediaType", _MEDIA, "EMAIL") == "EMAIL"
        recipient, now = request.match_info["recipientId"], self._clock.now()
        with self._store.reading() as connection:
            exceeded = any(
                bounces(connection, category, recipient, now) >= threshold for category, threshold in THRESHOLDS.items()
            )
        return web.json_response({"exceeded": email and exceeded})

    # Unsubscribes

    async def select_unsubscribes(self, request: web.Request) -> web.Response:
        """A page of the recipients who unsubscribed in this simulation."""
        sort = _UNSUBSCRIBE_SORTS[parsing.choice(request, "sort", _UNSUBSCRIBE_SORTS, "created")]
        direction = parsing.choice(request, "direction", ("ASC", "DESC"), "ASC")
        conditions, parameters = ["created <= ?", "?"], self._unsubscribed(request)
        if "recipientListId" in request.query:
            conditions.append("list_id = ?")
            parameters.append(parsing.integer_id(request.query["recipientListId"], "recipientListId"))
        if recipients := [recipient.lower() for recipient in parsing.items(request.query, "recipientIds")]:
            conditions.append(f"recipient_id IN ({', '.join('?' * len(recipients))})")
            parameters += recipients
        with self._store.reading() as connection:
            return paging.page(
                request,
                connection,
                f"SELECT * FROM unsubscribe WHERE {' AND '.join(conditions)} "  # noqa: S608 - placeholders and fixed choices
                f"ORDER BY {sort} {direction}, recipient_id {direction}",
                parameters,
                lambda row: {
                    "recipientListId": row["list_id"],
                    "recipientId": row["recipient_id"],
                    "mailingId": row["mailing_id"],
                    "reason": row["reason"],
                    "created": serialisers.iso(row["created"]),
                    "mediaType": "EMAIL",
                },
            )

    async def count_unsubscribes(self, request: web.Request) -> web.Response:
        """The number of recipients who unsubscribed in this simulation."""
        with self._store.reading() as connection:
            count = connection.execute(
                "SELECT count(*) FROM unsubscribe WHERE created <= ? AND ?", self._unsubscribed(request)
            ).fetchone()[0]
        return web.json_response({"count": count})

    def _unsubscribed(self, request: web.Request) -> list[object]:
        """SQL parameters: the current time, and whether the requested media type is the simulated one, email."""
        return [self._clock.now(), parsing.choice(request, "mediaType", _MEDIA, "EMAIL") == "EMAIL"]

    # The blocklist

    async def find_all_blacklist_entries(self, request: web.Request) -> web.Response:
        """The blocklist, which has one entry."""
        parsing.choice(request, "sort", ("pattern", "reason", "created", "modified"), "created")
        parsing.choice(request, "direction", ("ASC", "DESC"), "ASC")
        patterns, reason = parsing.items(request.query, "pattern"), request.query.get("reason", _REASON)
        shown = reason == _REASON and (
            not patterns or any(fnmatchcase(BLOCKED_PATTERN, pattern) for pattern in patterns)
        )
        with self._store.reading() as connection:
            return paging.page(request, connection, "SELECT 1 WHERE ?", (shown,), _entry)

    async def count_blacklist_entries(self, request: web.Request) -> web.Response:
        """The number of entries; the client has no parent."""
        parsing.boolean(request.query, "includeParent", default=False)
        return web.json_response({"count": 1})

    async def blacklisted(self, request: web.Request) -> web.Response:
        """Whether an address is on the blocklist."""
        is_blocklisted = blocklisted(request.query.get("address", ""))
        return web.json_response(
            {"blacklisted": is_blocklisted, **({"pattern": BLOCKED_PATTERN} if is_blocklisted else {})}
        )


def _response(row: sqlite3.Row, category: str) -> dict[str, object]:
    return {
        "mailingId": row["mailing_id"],
        "recipientListId": row["list_id"],
        "recipientId": row["recipient_id"],
        "category": category,
        "mediaType": "EMAIL",
        "created": serialisers.iso(row["registered_at"]),
    }


def _entry(_row: sqlite3.Row) -> dict[str, object]:
    return {"mailingGroupId": CLIENT_ID, "pattern": BLOCKED_PATTERN, "reason": _REASON}
