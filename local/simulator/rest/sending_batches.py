"""Sending batches: validates requests and serialises batches."""

import json
import re
import sqlite3
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from local.simulator import batches, campaigns
from local.simulator.recipient_rows import fields_of
from local.simulator.rest import paging, parsing
from local.simulator.rest.parsing import RefusedError
from local.simulator.rest.resource import Resource

#: Names of chunks; ASSUMPTION: tags as well.
_NAME = re.compile(r"[A-Za-z0-9_-]{1,250}")


class SendingBatches(Resource):
    """Operations on sending batches."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Its operations."""
        return [
            web.get("/sending/batches", self.select_sending_batches),
            web.post("/sending/batches", self.prepare_new_batch),
            web.get("/sending/batches/{sendingBatchId}", self.get_sending_batch),
            web.put("/sending/batches/{sendingBatchId}", self.add_recipients),
            web.post("/sending/batches/{sendingBatchId}", self.import_recipients_and_send_batch),
        ]

    async def select_sending_batches(self, request: web.Request) -> web.Response:
        """A page of all sending batches."""
        with self._store.reading() as connection:
            return paging.page(
                request, connection, "SELECT * FROM sending_batch ORDER BY id", (), lambda row: _batch(connection, row)
            )

    async def get_sending_batch(self, request: web.Request) -> web.Response:
        """One sending batch."""
        with self._store.reading() as connection:
            return web.json_response(_batch(connection, _get_batch(connection, request)))

    async def prepare_new_batch(self, request: web.Request) -> web.Response:
        """Acquire a list of the pool, and use or copy a Smart Campaign. The form must be multipart."""
        if request.content_type != "multipart/form-data":
            raise RefusedError(400, "the form is not multipart/form-data")
        form = await parsing.form(request)
        action, tag = form.get("campaignAction"), form.get("tag", "")
        if action not in {"use", "copy"} or (tag and not _NAME.fullmatch(tag)):
            raise RefusedError(400, "campaignAction or tag is not valid")
        campaign_id = parsing.integer_id(form.get("campaign", ""), "campaign")
        with self._store.writing() as connection:
            campaign = campaigns.campaign(connection, campaign_id)
            if campaign is None:
                raise RefusedError(400, "there is no such master campaign")
            if action == "use" and campaign["status"] != "activationRequired":
                raise RefusedError(409, f"a campaign with status {campaign['status']} cannot be used")
            try:
                batch_id = batches.prepare(connection, campaign, tag, self._clock.now(), copied=action == "copy")
            except batches.PoolEmptyError:
                raise RefusedError(409, "Recipient List Pool is not properly configured for the client") from None
            batch = connection.execute("SELECT * FROM sending_batch WHERE id = ?", (batch_id,)).fetchone()
            return web.json_response(_batch(connection, batch), status=201)

    async def add_recipients(self, request: web.Request) -> web.Response:
        """Add a chunk; respond with the number of its recipients who would be mailed."""
        body = await _json(request)
        with self._store.writing() as connection:
            batch = _get_open_batch(connection, request)
            name, rows = _chunk(connection, batch, body)
            count = batches.add_chunk(connection, batch, name, rows, self._clock.now())
        return web.json_response({"chunk": name, "count": count})

    async def import_recipients_and_send_batch(self, request: web.Request) -> web.Response:
        """Begin the import, after adding a last chunk if the request has one."""
        body = await _json(request) if await request.read() else {}
        with self._store.writing() as connection:
            batch, now = _get_open_batch(connection, request), self._clock.now()
            if body != {}:
                batches.add_chunk(connection, batch, *_chunk(connection, batch, body), now)
                batch = _get_batch(connection, request)
            try:
                batches.send(connection, batch, now, self._faults)
            except batches.NotSendableError:
                raise RefusedError(409, "the batch has no chunks, or its campaign cannot be started") from None
        return web.Response(status=202)


def _get_batch(connection: sqlite3.Connection, request: web.Request) -> sqlite3.Row:
    return parsing.get_row(connection, "sending_batch", request, "sendingBatchId", missing=404)


def _get_open_batch(connection: sqlite3.Connection, request: web.Request) -> sqlite3.Row:
    """The batch whose ID is in the path; refused if it is already sent."""
    batch = _get_batch(connection, request)
    if batch["state"] == "sent":
        raise RefusedError(409, "The sending batch is already sent.")
    return batch


def _batch(connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
    """RestSendingBatch."""
    return {
        "id": row["id"],
        "campaignId": row["campaign_id"],
        "recipientListId": row["list_id"],
        "tag": row["tag"],
        "chunks": batches.chunks(connection, row["id"]),
        "state": batches.state(connection, row),
    }


async def _json(request: web.Request) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError):
        raise RefusedError(400, "the body is not JSON") from None


def _chunk(connection: sqlite3.Connection, batch: sqlite3.Row, body: object) -> tuple[str, list[dict[str, str]]]:
    """The name and the recipients of a chunk.

    For an unknown field, or an empty value of a numeric field, the vendor responds with 500 and no details
    (docs/why/sources.md, Optimizely 5.2 and 6).
    """
    if not isinstance(body, dict) or not isinstance(recipients := body.get("recipients"), list):
        raise RefusedError(400, "there are no recipients")
    if not isinstance(name := body.get("chunk"), str) or not _NAME.fullmatch(name):
        raise RefusedError(400, "the name of the chunk is not valid")
    fields = fields_of(connection, batch["list_id"])
    rows = [_row(recipient) for recipient in recipients]
    for row in rows:
        if row.keys() - fields.keys() or any(not value and fields[field] == "INTEGER" for field, value in row.items()):
            raise RefusedError(500, "Internal Server Error")
    return name, rows


def _row(recipient: object) -> dict[str, str]:
    """A recipient's values by field name. ASSUMPTION: an Email that differs from the recipient ID is invalid."""
    if not isinstance(recipient, dict) or not isinstance(recipient_id := recipient.get("id"), str):
        raise RefusedError(400, "a recipient has no id")
    data = recipient.get("data", {})
    if not isinstance(data, dict):
        raise RefusedError(400, "the data of a recipient are not valid")
    row = {name: _text(value) for name, value in data.items()}
    "".join((recipient_id, *row.values())).encode()  # JSON can hold lone surrogates, a list cannot
    same = row.get("Email", recipient_id).lower() == recipient_id.lower()
    return row | {"Email": recipient_id if same else ""}


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return str(value)
    raise RefusedError(400, "a value is neither a text nor a number")
