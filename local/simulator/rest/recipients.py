"""Recipients: the members of a list, whether they would be mailed, and the deletion of their history."""

import sqlite3
from collections.abc import Iterable

from aiohttp import web

from local.simulator.recipient_rows import fields_of
from local.simulator.rest import paging, parsing, serialisers
from local.simulator.rest.resource import Resource
from local.simulator.suppression import THRESHOLDS, blocklisted, bounces, unsubscribed_before

#: Highest limit of a page of recipients, as others have measured it (docs/why/sources.md, Optimizely 1.1).
_LARGEST = 500_000


class Recipients(Resource):
    """Operations on recipients."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Its operations."""
        return [
            web.get("/recipients/{recipientListId}", self.select_recipients),
            web.get("/recipients/{recipientListId}/count", self.count_recipients),
            web.get("/recipients/{recipientListId}/distinctvalues", self.retrieve_distinct_values),
            web.get("/recipients/{recipientListId}/{recipientId}/valid", self.is_recipient_valid),
            web.delete("/recipients", self.wipe_recipient_history),
        ]

    async def select_recipients(self, request: web.Request) -> web.Response:
        """A page of the recipients on a list."""
        parsing.choice(request, "sort", ("id",), "id")
        direction = parsing.choice(request, "direction", ("ASC", "DESC"), "ASC")
        with self._store.reading() as connection:
            list_id = self._list(connection, request)
            return paging.page(
                request,
                connection,
                f"SELECT recipient_id FROM recipient WHERE list_id = ? ORDER BY recipient_id {direction}",  # noqa: S608 - from fixed choices
                (list_id,),
                lambda row: {"id": row["recipient_id"]},
                largest=_LARGEST,
            )

    async def count_recipients(self, request: web.Request) -> web.Response:
        """How many recipients are on a list."""
        with self._store.reading() as connection:
            recipients = serialisers.count_recipients(connection, self._list(connection, request))
        return web.json_response({"count": self._faults.reported_count(recipients)})

    async def retrieve_distinct_values(self, request: web.Request) -> web.Response:
        """The values of a field that are on a list. Of what the lists hold, only `BroadcastKey` is simulated."""
        with self._store.reading() as connection:
            list_id = self._list(connection, request)
            if request.query.get("attributeName") != "BroadcastKey" or "BroadcastKey" not in fields_of(
                connection, list_id
            ):
                raise parsing.RefusedError(400, "the attribute is not provided, or the list does not have it")
            keys = connection.execute(
                "SELECT DISTINCT broadcast_key FROM recipient WHERE list_id = ? ORDER BY 1", (list_id,)
            ).fetchall()
        return web.json_response({"attributeValues": [row["broadcast_key"] for row in keys]})

    async def is_recipient_valid(self, request: web.Request) -> web.Response:
        """Whether a recipient would be sent a message."""
        recipient, now = request.match_info["recipientId"].lower(), self._clock.now()
        with self._store.reading() as connection:
            list_id = self._list(connection, request)
            reason = _reason(connection, list_id, recipient, now)
        answer: dict[str, object] = {"valid": reason is None, "recipientListId": list_id}
        return web.json_response(answer | ({"validationFailedReason": reason} if reason else {}))

    async def wipe_recipient_history(self, request: web.Request) -> web.Response:
        """Delete the events of a recipient. The records of sent mails stay: they verify the tests."""
        recipient = request.query.get("recipientKey", "").lower()
        if not recipient:
            raise parsing.RefusedError(400, "The required parameter 'recipientKey' is not provided.")
        with self._store.writing() as connection:
            connection.execute("DELETE FROM event WHERE recipient_id = ?", (recipient,))
            connection.execute(
                "INSERT INTO wipe VALUES (?, ?, ?)", (recipient, request.query.get("reason", ""), self._clock.now())
            )
        return web.Response(status=202)

    @staticmethod
    def _list(connection: sqlite3.Connection, request: web.Request) -> int:
        """The ID of the list in the path. Target groups are not simulated."""
        if "targetGroup" in request.query:
            raise parsing.RefusedError(400, "there is no such target group")
        recipient_list = parsing.get_row(connection, "recipient_list", request, "recipientListId", missing=404)
        return int(recipient_list["id"])


def _reason(connection: sqlite3.Connection, list_id: int, recipient: str, now: int) -> str | None:
    """Why a recipient would not be mailed; None when they would."""
    if blocklisted(recipient):
        return "blacklisted"
    if (
        unsubscribed_before(recipient)
        or connection.execute(
            "SELECT 1 FROM unsubscribe WHERE recipient_id = ? AND created <= ?", (recipient, now)
        ).fetchone()
    ):
        return "unsubscribed"
    if any(bounces(connection, category, recipient, now) >= threshold for category, threshold in THRESHOLDS.items()):
        return "bounced"
    on_list = connection.execute(
        "SELECT 1 FROM recipient WHERE list_id = ? AND recipient_id = ?", (list_id, recipient)
    ).fetchone()
    return None if on_list else "not_found"
