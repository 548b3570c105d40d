"""Messages of Smart Campaigns, and test mailings. What a test mailing sends is in no other book than its own."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from local.simulator.rest import asking, shapes
from local.simulator.rest.asking import RefusedError
from local.simulator.rest.part import Part
from local.simulator.suppression import blocklisted

#: Simulated seconds after which a test mail is being sent, and is sent.
_SENDING, _SENT = 60, 120
_MIME_TYPES = ("", "text/plain", "text/html", "text/multipart")


class Messages(Part):
    """Operations on the messages of a Smart Campaign."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Its operations."""
        message = "/smartcampaigns/{campaignId}/messages/{mailingId}"
        return [
            web.get("/smartcampaigns/{campaignId}/messages", self.get_messages),
            web.get(message, self.get_smart_campaign_message),
            web.post(f"{message}/test", self.start_test_mailing),
            web.get(f"{message}/test/{{testMailingId}}", self.get_test_mailing_report),
        ]

    async def get_messages(self, request: web.Request) -> web.Response:
        """The messages of a Smart Campaign, as a plain array."""
        with self._store.reading() as connection:
            found = asking.one(connection, "campaign", request, "campaignId", missing=404)
            return web.json_response(shapes.messages(connection, found))

    async def get_smart_campaign_message(self, request: web.Request) -> web.Response:
        """One message."""
        with self._store.reading() as connection:
            return web.json_response(_message(connection, request))

    async def start_test_mailing(self, request: web.Request) -> web.Response:
        """Send a message to some recipients of a list as a test. ASSUMPTION: who is not on it has no valid address."""
        form = await asking.form(request)
        wanted = list(dict.fromkeys(one.lower() for one in asking.values(form, "recipientIds")))
        if not wanted or form.get("senderAddress") == "" or form.get("mimeType", "") not in _MIME_TYPES:
            raise RefusedError(400, "recipientIds, senderAddress or mimeType is not valid")
        list_id = asking.number(form.get("recipientListId", ""), "recipientListId")
        with self._store.writing() as connection:
            message = _message(connection, request)
            if not connection.execute("SELECT 1 FROM recipient_list WHERE id = ?", (list_id,)).fetchone():
                raise RefusedError(400, "there is no such recipient list")
            on_list = {
                one
                for one in wanted
                if connection.execute(
                    "SELECT 1 FROM recipient WHERE list_id = ? AND recipient_id = ?", (list_id, one)
                ).fetchone()
            }
            blocked = [one for one in wanted if blocklisted(one)]
            valid = [one for one in wanted if one in on_list and one not in blocked]
            test_id = connection.execute(
                "INSERT INTO test_mailing (campaign_id, mailing_id, started) VALUES (?, ?, ?)",
                (int(request.match_info["campaignId"]), message["mailingId"], self._clock.now()),
            ).lastrowid
            connection.executemany("INSERT INTO test_mail VALUES (?, ?)", [(test_id, one) for one in valid])
        return web.json_response(
            {
                "mailingId": test_id,
                "validRecipientAddresses": valid,
                "userIdsOfRecipientsWithoutValidAddresses": [
                    one for one in wanted if one not in on_list and one not in blocked
                ],
                "blacklistedRecipientAddresses": blocked,
            },
            status=202,
        )

    async def get_test_mailing_report(self, request: web.Request) -> web.Response:
        """How far a test mailing is."""
        now = self._clock.now()
        with self._store.reading() as connection:
            message = _message(connection, request)
            test = asking.one(connection, "test_mailing", request, "testMailingId", missing=404)
            if test["mailing_id"] != message["mailingId"]:
                raise RefusedError(404, "the test mailing is of another message")
            recipients = connection.execute(
                "SELECT recipient_id FROM test_mail WHERE test_id = ? ORDER BY recipient_id", (test["id"],)
            ).fetchall()
        passed = now - test["started"]
        status = "enqueued" if passed < _SENDING else "sending" if passed < _SENT else "sent"
        report = {
            "mailingId": test["id"],
            "recipientStatus": {row["recipient_id"]: status for row in recipients},
            "reportDate": shapes.iso(now),
            "mediaType": "email",
            "status": "finished" if status == "sent" else "running",
            "started": shapes.iso(test["started"]),
        }
        if status == "sent":
            report["finished"] = shapes.iso(test["started"] + _SENT)
        return web.json_response(report)


def _message(connection: sqlite3.Connection, request: web.Request) -> dict[str, Any]:
    """The message that the path names."""
    campaign = asking.one(connection, "campaign", request, "campaignId", missing=404)
    mailing_id = asking.number(request.match_info["mailingId"], "mailingId", status=404)
    for message in shapes.messages(connection, campaign):
        if message["mailingId"] == mailing_id:
            return message
    raise RefusedError(404, "there is no such message in this Smart Campaign")
