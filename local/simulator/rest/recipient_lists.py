"""Recipient lists."""

import sqlite3
from collections.abc import Iterable
from typing import Any

from aiohttp import web

from local.simulator.rest import asking, shapes
from local.simulator.rest.part import Part


class RecipientLists(Part):
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
        """Every recipient list, a page of them."""
        sort = asking.choice(request, "sort", ("name", "created", "modified"), "created")
        direction = asking.choice(request, "direction", ("ASC", "DESC"), "ASC")
        tests = asking.truth(request.query, "includeTestLists", default=True)
        with self._store.reading() as connection:
            return asking.page(
                request,
                connection,
                f"SELECT * FROM recipient_list WHERE NOT test_list OR ? ORDER BY {sort} {direction}, id {direction}",  # noqa: S608 - chosen above
                (tests,),
                lambda row: self._shape(connection, row),
            )

    async def get_recipient_list(self, request: web.Request) -> web.Response:
        """One recipient list; 409 for one of another client."""
        with self._store.reading() as connection:
            found = asking.one(connection, "recipient_list", request, "recipientListId", missing=409)
            return web.json_response(self._shape(connection, found))

    async def get_recipient_list_fields(self, request: web.Request) -> web.Response:
        """The fields of a recipient list."""
        with self._store.reading() as connection:
            found = asking.one(connection, "recipient_list", request, "recipientListId", missing=409)
            return asking.page(
                request,
                connection,
                "SELECT * FROM list_field WHERE list_id = ? ORDER BY position",
                (found["id"],),
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
            found = asking.one(connection, "recipient_list", request, "recipientListId", missing=409)
            names = connection.execute(
                "SELECT internal_name FROM list_field WHERE list_id = ? ORDER BY position", (found["id"],)
            ).fetchall()
        return web.json_response({"attributeNames": [row["internal_name"] for row in names]})

    def _shape(self, connection: sqlite3.Connection, row: sqlite3.Row) -> dict[str, Any]:
        return shapes.recipient_list(row, self._faults.told(shapes.recipients_on(connection, row["id"])))
