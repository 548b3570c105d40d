"""Messages of Smart Campaigns, and test mailings. Mails of a test mailing are recorded only in its own tables."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from local.simulator.rest import parsing, serialisers
from local.simulator.rest.parsing import RefusedError
from local.simulator.rest.resource import Resource
from local.simulator.suppression import blocklisted

#: Simulated seconds until a test mail is `sending`, and until it is `sent`.
_SENDING, _SENT = 60, 120
_MIME_TYPES = ("", "text/plain", "text/html", "text/multipart")


class Messages(Resource):
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
            campaign = parsing.get_row(connection, "campaign", request, "campaignId", missing=404)
            return web.json_response(serialisers.messages(connection, campaign))

    async def get_smart_campaign_message(self, request: web.Request) -> web.Response:
        """One message."""
        with self._store.reading() as connection:
            return web.json_response(_message(connection, request))

    async def start_test_mailing(self, request: web.Request) -> web.Response:
        """Send a message to some recipients of a list as a test. ASSUMPTION: others have no valid address."""
        form = await parsing.form(request)
        addresses = list(dict.fromkeys(address.lower() for address in parsing.items(form, "recipientIds")))
        if not addresses or form.get("senderAddress") == "" or form.get("mimeType", "") not in _MIME_TYPES:
            raise RefusedError(400, "recipientIds, senderAddress or mimeType is not valid")
        list_id = parsing.integer_id(form.get("recipientListId", ""), "recipientListId")
        with self._store.writing() as connection:
            message = _message(connection, request)
            if not connection.execute("SELECT 1 FROM recipient_list WHERE id = ?", (list_id,)).fetchone():
                raise RefusedError(400, "there is no such recipient list")
            on_list = {
                address
                for address in addresses
                if connection.execute(
                    "SELECT 1 FROM recipient WHERE list_id = ? AND recipient_id = ?", (list_id, address)
                ).fetchone()
            }
            blocked = [address for address in addresses if blocklisted(address)]
            valid = [address for address in addresses if address in on_list and address not in blocked]
            test_id = connection.execute(
                "INSERT INTO test_mailing (campaign_id, mailing_id, started) VALUES (?, ?, ?)",
                (int(request.match_info["campaignId"]), message["mailingId"], self._clock.now()),
            ).lastrowid
            connection.executemany("INSERT INTO test_mail VALUES (?, ?)", [(test_id, address) for address in valid])
        return web.json_response(
            {
                "mailingId": test_id,
                "validRecipientAddresses": valid,
                "userIdsOfRecipientsWithoutValidAddresses": [
                    address for address in addresses if address not in on_list and address not in blocked
                ],
                "blacklistedRecipientAddresses": blocked,
            },
            status=202,
        )

    async def get_test_mailing_report(self, request: web.Request) -> web.Response:
        """The progress of a test mailing."""
        now = self._clock.now()
        with self._store.reading() as connection:
            message = _message(connection, request)
            test = parsing.get_row(connection, "test_mailing", request, "testMailingId", missing=404)
            if test["mailing_id"] != message["mailingId"]:
                raise RefusedError(404, "the test mailing is of another message")
            recipients = connection.execute(
                "SELECT recipient_id FROM test_mail WHERE test_id = ? ORDER BY recipient_id", (test["id"],)
            ).fetchall()
        elapsed = now - test["started"]
        status = "enqueued" if elapsed < _SENDING else "sending" if elapsed < _SENT else "sent"
        report = {
            "mailingId": test["id"],
            "recipientStatus": {row["recipient_id"]: status for row in recipients},
            "reportDate": serialisers.iso(now),
            "mediaType": "email",
            "status": "finished" if status == "sent" else "running",
            "started": serialisers.iso(test["started"]),
        }
        if status == "sent":
            report["finished"] = serialisers.iso(test["started"] + _SENT)
        return web.json_response(report)


def _message(connection: sqlite3.Connection, request: web.Request) -> dict[str, Any]:
    """The message whose ID is in the path."""
    campaign = parsing.get_row(connection, "campaign", request, "campaignId", missing=404)
    mailing_id = parsing.integer_id(request.match_info["mailingId"], "mailingId", status=404)
    for message in serialisers.messages(connection, campaign):
        if message["mailingId"] == mailing_id:
            return message
    raise RefusedError(404, "there is no such message in this Smart Campaign")
