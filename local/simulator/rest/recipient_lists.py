"""Recipient lists."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from local.simulator.rest import paging, parsing, serialisers
from local.simulator.rest.resource import Resource


class RecipientLists(Resource):
    """Operations on recipient lists."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Its operations."""
        return [
            web.get("/recipientlists", self.select_recipient_lists),
            web.get("/recipientlists/{recipientListId}", self.get_recipient_list),
            web.get("/recipientlists/{recipientListId}/fields", self.get_recipient_list_fields),
            web.get("/recipientlists/{recipientListId}/attributeNames", self.get_recipient_list_attribute_names),
        ]

    async def select_recipient_lists(self, request: web.Request) -> web.Response:
        """A page of all recipient lists."""
        sort = parsing.choice(request, "sort", ("name", "created", "modified"), "created")
        direction = parsing.choice(request, "direction", ("ASC", "DESC"), "ASC")
        include_test_lists = parsing.boolean(request.query, "includeTestLists", default=True)
        with self._store.reading() as connection:
            return paging.page(
                request,
                connection,
                f"SELECT * FROM recipient_list WHERE NOT test_list OR ? ORDER BY {sort} {direction}, id {direction}",  # noqa: S608 - from fixed choices
                (include_test_lists,),
                lambda row: self._serialised(connection, row),
            )

    async def get_recipient_list(self, request: web.Request) -> web.Response:
        """One recipient list; 409 for one of another client."""
        with self._store.reading() as connection:
            recipient_list = parsing.get_row(connection, "recipient_list", request, "recipientListId", missing=409)
            return web.json_response(self._serialised(connection, recipient_list))

    async def get_recipient_list_fields(self, request: web.Request) -> web.Response:
        """The fields of a recipient list."""
        with self._store.reading() as connection:
            recipient_list = parsing.get_row(connection, "recipient_list", request, "recipientListId", missing=409)
            return paging.page(
                request,
                connection,
                "SELECT * FROM list_field WHERE list_id = ? ORDER BY position",
                (recipient_list["id"],),
                lambda field: {
                    "internalName": field["internal_name"],
                    "displayName": field["display_name"],
                    "type": field["type"],
                    "required": bool(field["required"]),
                },
                offsets=False,
            )

    async def get_recipient_list_attribute_names(self, request: web.Request) -> web.Response:
        """The names of the fields of a recipient list."""
        with self._store.reading() as connection:
            recipient_list = parsing.get_row(connection, "recipient_list", request, "recipientListId", missing=409)
            names = connection.execute(
                "SELECT internal_name FROM list_field WHERE list_id = ? ORDER BY position", (recipient_list["id"],)
            ).fetchall()
        return web.json_response({"attributeNames": [row["internal_name"] for row in names]})

    def _serialised(self, connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
        return serialisers.recipient_list(
            row, self._faults.reported_count(serialisers.count_recipients(connection, row["id"]))
        )
