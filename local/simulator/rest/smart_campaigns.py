"""Smart Campaigns: copies, statuses, reports, their recipient lists and their deletion."""

import sqlite3
from collections.abc import Callable, Iterable

from aiohttp import web

from local.simulator import campaigns, sending
from local.simulator.rest import paging, parsing, serialisers
from local.simulator.rest.parsing import RefusedError
from local.simulator.rest.resource import Resource

_STATUSES = ("invalid", "activationRequired", "activated", "canceled", "paused", "running", "finished")
#: Sort columns. All descriptions are empty.
_SORTS = {
    name: "id" if name == "description" else name
    for name in ("id", "name", "description", "status", "created", "modified", "started", "finished")
}


class SmartCampaigns(Resource):
    """Operations on Smart Campaigns."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Its operations."""
        return [
            web.get("/smartcampaigns", self.select_smart_campaigns),
            web.post("/smartcampaigns", self.create_or_copy_smart_campaign),
            web.get("/smartcampaigns/{campaignId}", self.get_smart_campaign),
            web.delete("/smartcampaigns/{campaignId}", self.delete_smart_campaign),
            web.post("/smartcampaigns/{campaignId}/activate", self.activate_smart_campaign),
            web.post("/smartcampaigns/{campaignId}/deactivate", self.deactivate_smart_campaign),
            web.post("/smartcampaigns/{campaignId}/start", self.start_smart_campaign),
            web.post("/smartcampaigns/{campaignId}/pause", self.pause_smart_campaign),
            web.post("/smartcampaigns/{campaignId}/stop", self.stop_smart_campaign),
            web.get("/smartcampaigns/{campaignId}/report", self.get_report),
            web.get("/smartcampaigns/{campaignId}/recipientLists", self.get_recipient_lists_node),
            web.post("/smartcampaigns/{campaignId}/recipientLists", self.create_or_update_recipient_lists_node),
        ]

    async def select_smart_campaigns(self, request: web.Request) -> web.Response:
        """A page of all Smart Campaigns. All of them send email, and none is in a folder."""
        sort = _SORTS[parsing.choice(request, "sort", _SORTS, "created")]
        direction = parsing.choice(request, "direction", ("ASC", "DESC"), "ASC")
        detailed = parsing.choice(request, "resultView", ("SUMMARY", "DETAILED"), "SUMMARY") == "DETAILED"
        status = parsing.choice(request, "status", ("", *_STATUSES), "")
        media = parsing.choice(request, "mediaType", ("email", "sms", "letter", "push"), "email")
        with self._store.reading() as connection:
            return paging.page(
                request,
                connection,
                f"SELECT * FROM campaign WHERE ? IN ('', status) AND ? ORDER BY {sort} {direction}, id {direction}",  # noqa: S608 - from fixed choices
                (status, media == "email" and "folderId" not in request.query),
                lambda row: serialisers.smart_campaign(connection, row, detailed=detailed),
            )

    async def get_smart_campaign(self, request: web.Request) -> web.Response:
        """One Smart Campaign."""
        with self._store.reading() as connection:
            campaign = parsing.get_row(connection, "campaign", request, "campaignId", missing=404)
            return web.json_response(serialisers.smart_campaign(connection, campaign, detailed=True))

    async def delete_smart_campaign(self, request: web.Request) -> web.Response:
        """Delete one. ASSUMPTION: 404 when there is none."""
        with self._store.writing() as connection:
            campaign = parsing.get_row(connection, "campaign", request, "campaignId", missing=404)
            try:
                campaigns.delete(connection, campaign)
            except campaigns.StartedError:
                raise RefusedError(400, "it contains already started messages") from None
        return web.Response(status=204)

    async def create_or_copy_smart_campaign(self, request: web.Request) -> web.Response:
        """Copy a Smart Campaign. Creating one without a source is not simulated."""
        form = await parsing.form(request)
        with self._store.writing() as connection:
            source_id = parsing.integer_id(form.get("sourceCampaignId", ""), "sourceCampaignId")
            source = campaigns.campaign(connection, source_id)
            if source is None:
                raise RefusedError(400, "there is no such sourceCampaignId")
            list_id = _only_list(connection, parsing.items(form, "recipientListIds"), source["list_id"])
            copied = campaigns.copy(connection, source, form.get("name") or source["name"], list_id, self._clock.now())
            return _answer(connection, copied, status=201)

    async def activate_smart_campaign(self, request: web.Request) -> web.Response:
        """Activate: the campaign starts by itself when its Wait nodes are passed, at once when it has none."""
        return self._change(request, _activate)

    async def deactivate_smart_campaign(self, request: web.Request) -> web.Response:
        """Revoke an activation."""
        return self._change(request, _deactivate)

    async def start_smart_campaign(self, request: web.Request) -> web.Response:
        """Start, or resume after a pause."""
        return self._change(request, sending.start)

    async def pause_smart_campaign(self, request: web.Request) -> web.Response:
        """Hold the remaining mails."""
        return self._change(request, sending.pause)

    async def stop_smart_campaign(self, request: web.Request) -> web.Response:
        """Cancel: the remaining mails are never sent."""
        return self._change(request, sending.stop)

    def _change(self, request: web.Request, change: Callable[[sqlite3.Connection, int, int], None]) -> web.Response:
        """Change the status; 409 when the current one does not allow it."""
        with self._store.writing() as connection:
            campaign = parsing.get_row(connection, "campaign", request, "campaignId", missing=409)
            try:
                # The time is read inside the transaction: no mail is due before an event that is already reported.
                change(connection, campaign["id"], self._clock.now())
            except sending.WrongStatusError:
                raise RefusedError(409, f"the status {campaign['status']} does not allow this") from None
            return _answer(connection, campaign["id"])

    async def get_report(self, request: web.Request) -> web.Response:
        """The totals of a Smart Campaign as known now. ASSUMPTION: canceled mails are `skipped`."""
        now = self._clock.now()
        with self._store.reading() as connection:
            campaign = parsing.get_row(connection, "campaign", request, "campaignId", missing=404)
            sent = connection.execute(
                "SELECT count(*) FROM mail_sent WHERE campaign_id = ?", (campaign["id"],)
            ).fetchone()[0]
            counts = {
                (row["message_type"], row["bounce_type"]): (row["total"], row["people"])
                for row in connection.execute(
                    "SELECT message_type, bounce_type, count(*) AS total, count(DISTINCT recipient_id) AS people "
                    "FROM event WHERE campaign_id = ? AND registered_at <= ? GROUP BY 1, 2",
                    (campaign["id"], now),
                )
            }
        hard, soft = counts.get(("Bounce", "HardBounce"), (0, 0)), counts.get(("Bounce", "SoftBounce"), (0, 0))
        opens, clicks = counts.get(("Open", ""), (0, 0)), counts.get(("Click", ""), (0, 0))
        total = campaign["recipients"] or 0
        unsent = total - sent
        return web.json_response(
            {
                "campaignId": campaign["id"],
                "campaignName": campaign["name"],
                "recipients": {
                    "total": total,
                    "net": sent - hard[1] - soft[1],
                    "skipped": unsent if campaign["status"] == "canceled" else 0,
                    "inQueue": 0 if campaign["status"] == "canceled" else unsent,
                },
                "bounces": {"hard": hard[0], "soft": soft[0]},
                "unsubscribes": counts.get(("Unsubscription", ""), (0, 0))[1],
                "opens": {"total": opens[0], "unique": opens[1]},
                "clicks": {"total": clicks[0], "unique": clicks[1]},
            }
        )

    async def get_recipient_lists_node(self, request: web.Request) -> web.Response:
        """The recipient list that a Smart Campaign sends to."""
        with self._store.reading() as connection:
            campaign = parsing.get_row(connection, "campaign", request, "campaignId", missing=404)
            return web.json_response(serialisers.lists_node(connection, campaign))

    async def create_or_update_recipient_lists_node(self, request: web.Request) -> web.Response:
        """Point a Smart Campaign at another list. ASSUMPTION: 409 once it is activated or has started."""
        form = await parsing.form(request)
        with self._store.writing() as connection:
            campaign = parsing.get_row(connection, "campaign", request, "campaignId", missing=404)
            list_id = _only_list(connection, parsing.items(form, "recipientListIds"), None)
            if form.get("successorNodeId") not in {None, serialisers.node_ids(connection, campaign["id"])[1]}:
                raise RefusedError(400, "the successor of a recipients node is not changed here")
            if campaign["status"] not in {"invalid", "activationRequired"}:
                raise RefusedError(409, f"the status {campaign['status']} does not allow this")
            connection.execute(
                "UPDATE campaign SET list_id = ?, modified = ? WHERE id = ?",
                (list_id, self._clock.now(), campaign["id"]),
            )
            changed = campaigns.campaign(connection, campaign["id"]) or campaign
            return web.json_response(serialisers.lists_node(connection, changed))


def _answer(connection: sqlite3.Connection, campaign_id: int, *, status: int = 200) -> web.Response:
    row = connection.execute("SELECT * FROM campaign WHERE id = ?", (campaign_id,)).fetchone()
    return web.json_response(serialisers.smart_campaign(connection, row, detailed=True), status=status)


def _only_list(connection: sqlite3.Connection, list_ids: list[str], default: int | None) -> int:
    """The requested recipient list. Campaigns that send to several lists are not simulated."""
    if not list_ids and default is not None:
        return default
    if len(list_ids) != 1:
        raise RefusedError(400, "recipientListIds is not one list")
    list_id = parsing.integer_id(list_ids[0], "recipientListIds")
    if not connection.execute("SELECT 1 FROM recipient_list WHERE id = ?", (list_id,)).fetchone():
        raise RefusedError(400, "there is no such recipient list")
    return list_id


def _activate(connection: sqlite3.Connection, campaign_id: int, now: int) -> None:
    changed = connection.execute(
        "UPDATE campaign SET status = 'activated', activated = ?, modified = ? "
        "WHERE id = ? AND status = 'activationRequired'",
        (now, now, campaign_id),
    ).rowcount
    if not changed:
        raise sending.WrongStatusError


def _deactivate(connection: sqlite3.Connection, campaign_id: int, now: int) -> None:
    changed = connection.execute(
        "UPDATE campaign SET status = 'activationRequired', activated = NULL, modified = ? "
        "WHERE id = ? AND status = 'activated'",
        (now, campaign_id),
    ).rowcount
    if not changed:
        raise sending.WrongStatusError
