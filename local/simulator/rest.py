"""The REST API: the operations that the bridge uses, in the shapes of the vendor's OpenAPI description.

Handlers are named after the operations. An answer has no property that the description does not know.
"""

import base64
import hmac
import sqlite3
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from local.simulator import sending
from local.simulator.clock import Clock
from local.simulator.identity import Identity
from local.simulator.import_job import INTERVAL, blocklisted, job_name, last_firing, unsubscribed_before
from local.simulator.store import CLIENT_ID, Store

_ZONE = ZoneInfo("Europe/Berlin")
_DEFAULT_LIMIT, _LIMIT = 100, 10_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Rest:
    """The REST API over the simulator's records.

    Args:
        store: the simulator's records.
        clock: simulated time.
        identity: whose login is accepted.
    """

    def __init__(self, store: Store, clock: Clock, identity: Identity) -> None:
        self._store = store
        self._clock = clock
        self._identity = identity

    def application(self) -> web.Application:
        """The web application, to be mounted at `/rest/<client id>`."""
        app = web.Application(middlewares=[self._login])
        app.add_routes(
            [
                web.get("/users/authenticated", self.get_authenticated_user),
                web.get("/recipientlists", self.select_recipient_lists),
                web.get(r"/recipientlists/{list:\d+}", self.get_recipient_list),
                web.get(r"/recipientlists/{list:\d+}/fields", self.get_recipient_list_fields),
                web.get(r"/recipientlists/{list:\d+}/attributeNames", self.get_recipient_list_attribute_names),
                web.get(r"/recipients/{list:\d+}/count", self.count_recipients),
                web.get(r"/recipients/{list:\d+}/{recipient}/valid", self.is_recipient_valid),
                web.get("/smartcampaigns", self.select_smart_campaigns),
                web.post("/smartcampaigns", self.create_or_copy_smart_campaign),
                web.get(r"/smartcampaigns/{campaign:\d+}", self.get_smart_campaign),
                web.get(r"/smartcampaigns/{campaign:\d+}/messages", self.get_messages),
                web.get(r"/smartcampaigns/{campaign:\d+}/report", self.get_report),
                web.get(r"/smartcampaigns/{campaign:\d+}/recipientLists", self.get_recipient_lists_node),
                web.post(r"/smartcampaigns/{campaign:\d+}/{action:activate|deactivate|start|pause|stop}", self.change),
                web.get("/customerjobs/configured", self.select_all_configured_jobs),
                web.get("/customerjobs/running", self.select_all_running_jobs),
                web.get("/unsubscribes", self.select_unsubscribes),
                web.get("/blacklistentries", self.find_all_blacklist_entries),
            ]
        )
        return app

    @web.middleware
    async def _login(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        user = f"{self._identity.api_user}:{self._identity.api_password}"
        wanted = "Basic " + base64.b64encode(user.encode()).decode()
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(), wanted.encode()):
            return _error(401, "The login is wrong.")
        try:
            return await handler(request)
        except _RefusedError as refused:
            return _error(refused.status, str(refused))
        except web.HTTPException as refused:
            return _error(refused.status, refused.reason)

    async def get_authenticated_user(self, _request: web.Request) -> web.Response:
        """The API user."""
        name = self._identity.api_user
        return web.json_response({"id": 1, "username": name, "email": name})

    # Recipient lists

    async def select_recipient_lists(self, request: web.Request) -> web.Response:
        """Every recipient list, a page of them."""
        with self._store.reading() as connection:
            lists = connection.execute("SELECT * FROM recipient_list ORDER BY created, id").fetchall()
            if request.query.get("includeTestLists", "true") == "false":
                lists = [one for one in lists if not one["test_list"]]
            return _page(request, lists, lambda one: _list(connection, one))

    async def get_recipient_list(self, request: web.Request) -> web.Response:
        """One recipient list; 409 for one of another client."""
        with self._store.reading() as connection:
            return web.json_response(
                _list(connection, _one(connection, "recipient_list", request, "list", missing=409))
            )

    async def get_recipient_list_fields(self, request: web.Request) -> web.Response:
        """The fields of a recipient list."""
        with self._store.reading() as connection:
            found = _one(connection, "recipient_list", request, "list", missing=409)
            fields = connection.execute(
                "SELECT * FROM list_field WHERE list_id = ? ORDER BY position", (found["id"],)
            ).fetchall()
        return _page(
            request,
            fields,
            lambda field: {
                "internalName": field["internal_name"],
                "displayName": field["display_name"],
                "type": field["type"],
                "required": bool(field["required"]),
            },
        )

    async def get_recipient_list_attribute_names(self, request: web.Request) -> web.Response:
        """The names of the fields of a recipient list."""
        with self._store.reading() as connection:
            found = _one(connection, "recipient_list", request, "list", missing=409)
            names = connection.execute(
                "SELECT internal_name FROM list_field WHERE list_id = ? ORDER BY position", (found["id"],)
            ).fetchall()
        return web.json_response({"attributeNames": [row["internal_name"] for row in names]})

    async def count_recipients(self, request: web.Request) -> web.Response:
        """How many recipients are on a list."""
        with self._store.reading() as connection:
            return web.json_response({"count": _count_recipients(connection, int(request.match_info["list"]))})

    async def is_recipient_valid(self, request: web.Request) -> web.Response:
        """Whether a recipient would be sent a message."""
        list_id, recipient = int(request.match_info["list"]), request.match_info["recipient"].lower()
        with self._store.reading() as connection:
            on_list = connection.execute(
                "SELECT 1 FROM recipient WHERE list_id = ? AND recipient_id = ?", (list_id, recipient)
            ).fetchone()
            gone = connection.execute("SELECT 1 FROM unsubscribe WHERE recipient_id = ?", (recipient,)).fetchone()
        reason = None
        if blocklisted(recipient):
            reason = "blacklisted"
        elif gone or unsubscribed_before(recipient):
            reason = "unsubscribed"
        elif not on_list:
            reason = "not_found"
        answer: dict[str, object] = {"valid": reason is None, "recipientListId": list_id}
        return web.json_response(answer | ({"validationFailedReason": reason} if reason else {}))

    # Smart Campaigns

    async def select_smart_campaigns(self, request: web.Request) -> web.Response:
        """Every Smart Campaign, a page of them."""
        sort = request.query.get("sort", "created")
        if sort not in {"id", "name", "description", "status", "created", "modified", "started", "finished"}:
            raise _RefusedError(400, "unknown sort")
        column = "id" if sort == "description" else sort
        descending = request.query.get("direction") == "DESC"
        with self._store.reading() as connection:
            campaigns = connection.execute("SELECT * FROM campaign").fetchall()
            campaigns.sort(key=lambda one: (str(one[column] or ""), one["id"]), reverse=descending)
            if status := request.query.get("status"):
                campaigns = [one for one in campaigns if one["status"] == status]
            detailed = request.query.get("resultView") == "DETAILED"
            return _page(request, campaigns, lambda one: _campaign(connection, one, detailed=detailed))

    async def get_smart_campaign(self, request: web.Request) -> web.Response:
        """One Smart Campaign."""
        with self._store.reading() as connection:
            found = _one(connection, "campaign", request, "campaign", missing=404)
            return web.json_response(_campaign(connection, found, detailed=True))

    async def create_or_copy_smart_campaign(self, request: web.Request) -> web.Response:
        """Copy a Smart Campaign; it can be started at once."""
        form, now = await request.post(), self._clock.now()
        with self._store.writing() as connection:
            source = connection.execute(
                "SELECT * FROM campaign WHERE id = ?", (str(form.get("sourceCampaignId", "")),)
            ).fetchone()
            if source is None:
                raise _RefusedError(400, "only copies are played here: sourceCampaignId is missing or unknown")
            lists = str(form.get("recipientListIds") or source["list_id"]).split(",")
            known = connection.execute("SELECT id FROM recipient_list WHERE id = ?", (lists[0],)).fetchone()
            if known is None:
                raise _RefusedError(400, "unknown recipient list")
            copy_id = connection.execute("SELECT max(id) + 1 FROM campaign").fetchone()[0]
            connection.execute(
                "INSERT INTO campaign (id, name, status, list_id, source_id, created, modified) VALUES (?,?,?,?,?,?,?)",
                (
                    copy_id,
                    form.get("name") or source["name"],
                    "activationRequired",
                    known["id"],
                    source["id"],
                    now,
                    now,
                ),
            )
            connection.execute(
                "INSERT INTO message (mailing_id, campaign_id, name) SELECT (SELECT max(mailing_id) FROM message) + "
                "row_number() OVER (ORDER BY mailing_id), ?, name FROM message WHERE campaign_id = ?",
                (copy_id, source["id"]),
            )
            copy = connection.execute("SELECT * FROM campaign WHERE id = ?", (copy_id,)).fetchone()
            return web.json_response(_campaign(connection, copy, detailed=True), status=201)

    async def change(self, request: web.Request) -> web.Response:
        """activate, deactivate, start, pause or stop a Smart Campaign; 409 from a wrong status."""
        action, now = request.match_info["action"], self._clock.now()
        changes = {
            "activate": ({"activationRequired"}, "activated"),
            "deactivate": ({"activated"}, "activationRequired"),
            "pause": ({"running"}, "paused"),
            "stop": ({"running", "paused"}, "canceled"),
        }
        with self._store.writing() as connection:
            found = _one(connection, "campaign", request, "campaign", missing=404)
            if action == "start":
                try:
                    sending.start(connection, found["id"], now)
                except sending.NotStartableError:
                    raise _RefusedError(409, "the status does not allow a start") from None
            else:
                allowed, status = changes[action]
                if found["status"] not in allowed:
                    raise _RefusedError(409, f"the status does not allow to {action}")
                connection.execute(
                    "UPDATE campaign SET status = ?, modified = ? WHERE id = ?", (status, now, found["id"])
                )
            changed = connection.execute("SELECT * FROM campaign WHERE id = ?", (found["id"],)).fetchone()
            return web.json_response(_campaign(connection, changed, detailed=True))

    async def get_messages(self, request: web.Request) -> web.Response:
        """The messages of a Smart Campaign, as a plain array."""
        with self._store.reading() as connection:
            found = _one(connection, "campaign", request, "campaign", missing=404)
            return web.json_response(_messages(connection, found))

    async def get_report(self, request: web.Request) -> web.Response:
        """The totals of a Smart Campaign as far as they are known now."""
        now = self._clock.now()
        with self._store.reading() as connection:
            found = _one(connection, "campaign", request, "campaign", missing=404)
            total = _number(connection, "SELECT count(*) FROM mail_sent WHERE campaign_id = ?", found["id"])
            sent = _number(
                connection, "SELECT count(*) FROM mail_sent WHERE campaign_id = ? AND sent_at <= ?", found["id"], now
            )
            counts = {
                (row["message_type"], row["bounce_type"]): (row["total"], row["people"])
                for row in connection.execute(
                    "SELECT message_type, bounce_type, count(*) AS total, count(DISTINCT recipient_id) AS people "
                    "FROM event WHERE campaign_id = ? AND registered_at <= ? GROUP BY 1, 2",
                    (found["id"], now),
                )
            }
        hard, soft = counts.get(("Bounce", "HardBounce"), (0, 0)), counts.get(("Bounce", "SoftBounce"), (0, 0))
        opens, clicks = counts.get(("Open", ""), (0, 0)), counts.get(("Click", ""), (0, 0))
        return web.json_response(
            {
                "campaignId": found["id"],
                "campaignName": found["name"],
                "recipients": {
                    "total": total,
                    "net": sent - hard[1] - soft[1],
                    "skipped": 0,
                    "inQueue": total - sent,
                },
                "bounces": {"hard": hard[0], "soft": soft[0]},
                "unsubscribes": counts.get(("Unsubscription", ""), (0, 0))[0],
                "opens": {"total": opens[0], "unique": opens[1]},
                "clicks": {"total": clicks[0], "unique": clicks[1]},
            }
        )

    async def get_recipient_lists_node(self, request: web.Request) -> web.Response:
        """The recipient lists that a Smart Campaign sends to."""
        with self._store.reading() as connection:
            return web.json_response(_lists_node(_one(connection, "campaign", request, "campaign", missing=404)))

    # Scheduled jobs

    async def select_all_configured_jobs(self, request: web.Request) -> web.Response:
        """The import job of each list."""
        fired = last_firing(self._clock.now())
        with self._store.reading() as connection:
            lists = connection.execute("SELECT * FROM recipient_list ORDER BY id").fetchall()
        return _page(
            request,
            lists,
            lambda one: {
                "name": job_name(one["name"]),
                "description": "Clears the list, then imports a file",
                "type": "RECIPIENT_IMPORT",
                "jobData": {"recipientListId": str(one["id"])},
                "triggers": [
                    {
                        "name": f"every {INTERVAL // 60} minutes",
                        "state": "NORMAL",
                        "lastFiredTime": _time(fired),
                        "nextFireTime": _time(fired + INTERVAL),
                    }
                ],
            },
        )

    async def select_all_running_jobs(self, request: web.Request) -> web.Response:
        """The import jobs that run now."""
        now = self._clock.now()
        with self._store.reading() as connection:
            running = connection.execute(
                "SELECT name, started FROM import_run JOIN recipient_list ON recipient_list.id = list_id "
                "WHERE state = 'running' ORDER BY import_run.id"
            ).fetchall()
        return _page(
            request,
            running,
            lambda one: {
                "name": job_name(one["name"]),
                "started": _time(one["started"]),
                "elapsedRunningTime": {"seconds": now - one["started"], "nano": 0, "zero": False, "negative": False},
            },
        )

    # Who gets no mail

    async def select_unsubscribes(self, request: web.Request) -> web.Response:
        """Recipients who unsubscribed in this simulation."""
        with self._store.reading() as connection:
            found = connection.execute("SELECT * FROM unsubscribe ORDER BY created, recipient_id").fetchall()
        if list_id := request.query.get("recipientListId"):
            found = [one for one in found if str(one["list_id"]) == list_id]
        return _page(
            request,
            found,
            lambda one: {
                "recipientListId": one["list_id"],
                "recipientId": one["recipient_id"],
                "mailingId": one["mailing_id"],
                "reason": one["reason"],
                "created": _time(one["created"]),
                "mediaType": "EMAIL",
            },
        )

    async def find_all_blacklist_entries(self, request: web.Request) -> web.Response:
        """The blocklist."""
        entry = {"mailingGroupId": CLIENT_ID, "pattern": "*@blocked.example", "reason": "agreed"}
        return _page(request, [entry], lambda one: one)


class _RefusedError(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def _error(status: int, message: str) -> web.Response:
    """An error in the shape that the vendor's own client reads (`optimizely.md` 1.1)."""
    return web.json_response({"httpStatusCode": status, "errorMessage": message, "violations": []}, status=status)


def _page(request: web.Request, found: Sequence[Any], shape: Callable[[Any], Mapping[str, Any]]) -> web.Response:
    """A page of a collection, with a link to the next."""
    try:
        offset, limit = int(request.query.get("offset", 0)), int(request.query.get("limit", _DEFAULT_LIMIT))
    except ValueError:
        raise _RefusedError(400, "offset and limit are numbers") from None
    if not 0 < limit < _LIMIT or offset < 0:
        raise _RefusedError(400, "Invalid limit request. Change the limit to less than 10000.")
    elements = [shape(one) for one in found[offset : offset + limit]]
    links = []
    if offset + limit < len(found):
        following = request.url.update_query(offset=str(offset + limit), limit=str(limit))
        links.append({"rel": "next", "href": str(following)})
    return web.json_response(
        {"elements": elements, "links": links, "count": len(elements), "offset": offset, "limit": limit}
    )


def _one(connection: sqlite3.Connection, table: str, request: web.Request, name: str, *, missing: int) -> sqlite3.Row:
    found: sqlite3.Row | None = connection.execute(
        f"SELECT * FROM {table} WHERE id = ?",  # noqa: S608 - the names of two tables, from above
        (request.match_info[name],),
    ).fetchone()
    if found is None:
        raise _RefusedError(missing, "there is none with this ID")
    return found


def _number(connection: sqlite3.Connection, query: str, *parameters: object) -> int:
    return int(connection.execute(query, parameters).fetchone()[0])


def _count_recipients(connection: sqlite3.Connection, list_id: int) -> int:
    return _number(connection, "SELECT count(*) FROM recipient WHERE list_id = ?", list_id)


def _list(connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    return {
        "id": row["id"],
        "name": row["name"],
        "description": "",
        "recipients": _count_recipients(connection, row["id"]),
        "mediaTypes": ["email"],
        "testList": bool(row["test_list"]),
        "forTransactionApi": False,
        "created": _time(row["created"]),
        "modified": _time(row["modified"]),
    }


def _campaign(connection: sqlite3.Connection, row: sqlite3.Row, *, detailed: bool) -> dict[str, Any]:
    campaign = {
        "id": row["id"],
        "name": row["name"],
        "mailingGroupId": CLIENT_ID,
        "description": "",
        "status": row["status"],
        "type": "regular",
        "created": _time(row["created"]),
        "modified": _time(row["modified"]),
        **_started_finished(row),
    }
    if detailed:
        campaign |= {"recipientLists": _lists_node(row), "targetGroups": [], "messages": _messages(connection, row)}
    return campaign


def _messages(connection: sqlite3.Connection, campaign: sqlite3.Row) -> list[dict[str, Any]]:
    return [
        {
            "nodeId": f"m{row['mailing_id']}",
            "name": row["name"],
            "mailingId": row["mailing_id"],
            "mediaType": "email",
            "status": campaign["status"],
            "created": _time(campaign["created"]),
            "modified": _time(campaign["modified"]),
            **_started_finished(campaign),
        }
        for row in connection.execute(
            "SELECT * FROM message WHERE campaign_id = ? ORDER BY mailing_id", (campaign["id"],)
        )
    ]


def _lists_node(campaign: sqlite3.Row) -> dict[str, Any]:
    return {"nodeId": f"r{campaign['id']}", "recipientListIds": [campaign["list_id"]]}


def _started_finished(campaign: sqlite3.Row) -> dict[str, str]:
    return {name: _time(campaign[name]) for name in ("started", "finished") if campaign[name] is not None}


def _time(seconds: int) -> str:
    """A time as the vendor writes it: ISO 8601 with offset, without fractions."""
    moment = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC")) + timedelta(seconds=seconds)
    return moment.astimezone(_ZONE).isoformat(timespec="seconds")
