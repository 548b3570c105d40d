"""Wait nodes: creating, changing and deleting them."""

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web
from multidict import MultiMapping

from local.simulator.rest import parsing, serialisers
from local.simulator.rest.parsing import RefusedError
from local.simulator.rest.resource import Resource
from local.simulator.wait_nodes import nodes_of

_SCHEDULE_FIELDS = ("scheduledAt", "scheduledAfterRecipientImport", "scheduledAfterRecipientImportAtTime")
_NEIGHBOURS = ("predecessorNodeId", "successorNodeId")


@dataclass(frozen=True, slots=True)
class _Schedule:
    scheduled_at: int | None
    after_import: bool
    #: `HH:mm`, in the vendor's zone.
    at_time: str | None


class WaitNodes(Resource):
    """Operations on the Wait nodes of a Smart Campaign.

    ASSUMPTION: they can be changed while the campaign is neither activated nor started (else 409), a node must have
    something to wait for (else 400), and a node created without neighbours goes before the message. Send time
    optimisation is not simulated.
    """

    def routes(self) -> Iterable[web.RouteDef]:
        """Its operations."""
        return [
            web.get("/smartcampaigns/{campaignId}/schedules", self.find_wait_nodes),
            web.post("/smartcampaigns/{campaignId}/schedules", self.create_wait_node),
            web.get("/smartcampaigns/{campaignId}/schedules/{waitNodeId}", self.get_wait_node),
            web.post("/smartcampaigns/{campaignId}/schedules/{waitNodeId}", self.update_wait_node),
            web.delete("/smartcampaigns/{campaignId}/schedules/{waitNodeId}", self.delete_wait_node),
        ]

    async def find_wait_nodes(self, request: web.Request) -> web.Response:
        """The Wait nodes, as a plain array."""
        with self._store.reading() as connection:
            campaign = parsing.get_row(connection, "campaign", request, "campaignId", missing=404)
            nodes = nodes_of(connection, campaign["id"])
            return web.json_response([serialisers.wait_node(connection, node) for node in nodes])

    async def get_wait_node(self, request: web.Request) -> web.Response:
        """One Wait node."""
        with self._store.reading() as connection:
            campaign = parsing.get_row(connection, "campaign", request, "campaignId", missing=404)
            return web.json_response(serialisers.wait_node(connection, _node(connection, campaign, request)))

    async def create_wait_node(self, request: web.Request) -> web.Response:
        """Insert a Wait node between two adjacent nodes."""
        form = await parsing.form(request)
        with self._store.writing() as connection:
            campaign = self._changeable(connection, request)
            schedule = _schedule(form)
            if schedule is None:
                raise RefusedError(400, "the node has nothing to wait for")
            position = _position(serialisers.node_ids(connection, campaign["id"]), form)
            node_id = connection.execute(
                "INSERT INTO wait_node (campaign_id, position, after_import) VALUES (?, -1, 0)", (campaign["id"],)
            ).lastrowid
            _move(connection, campaign["id"], node_id, position)
            answer = self._changed(connection, campaign, node_id, schedule)
        location = f"{request.url.with_query(None)}/w{node_id}"
        return web.json_response(answer, status=201, headers={"Location": location})

    async def update_wait_node(self, request: web.Request) -> web.Response:
        """Change what a Wait node waits for, or its position."""
        form = await parsing.form(request)
        with self._store.writing() as connection:
            campaign = self._changeable(connection, request)
            node = _node(connection, campaign, request)
            schedule = _schedule(form)
            if any(form.get(name) for name in _NEIGHBOURS):
                others = [
                    other for other in serialisers.node_ids(connection, campaign["id"]) if other != f"w{node['id']}"
                ]
                _move(connection, campaign["id"], node["id"], _position(others, form))
            return web.json_response(self._changed(connection, campaign, node["id"], schedule))

    async def delete_wait_node(self, request: web.Request) -> web.Response:
        """Remove a Wait node: its neighbours become adjacent."""
        with self._store.writing() as connection:
            campaign = self._changeable(connection, request)
            node = _node(connection, campaign, request)
            connection.execute("DELETE FROM wait_node WHERE id = ?", (node["id"],))
            self._set_modified(connection, campaign)
        return web.Response(status=204)

    def _changeable(self, connection: sqlite3.Connection, request: web.Request) -> sqlite3.Row:
        campaign = parsing.get_row(connection, "campaign", request, "campaignId", missing=404)
        if campaign["status"] not in {"invalid", "activationRequired"}:
            raise RefusedError(409, f"the status {campaign['status']} does not allow this")
        return campaign

    def _changed(
        self, connection: sqlite3.Connection, campaign: sqlite3.Row, node_id: int | None, schedule: _Schedule | None
    ) -> dict[str, object]:
        if schedule is not None:
            connection.execute(
                "UPDATE wait_node SET scheduled_at = ?, after_import = ?, at_time = ? WHERE id = ?",
                (schedule.scheduled_at, schedule.after_import, schedule.at_time, node_id),
            )
        self._set_modified(connection, campaign)
        row = connection.execute("SELECT * FROM wait_node WHERE id = ?", (node_id,)).fetchone()
        return serialisers.wait_node(connection, row)

    def _set_modified(self, connection: sqlite3.Connection, campaign: sqlite3.Row) -> None:
        connection.execute("UPDATE campaign SET modified = ? WHERE id = ?", (self._clock.now(), campaign["id"]))


def _node(connection: sqlite3.Connection, campaign: sqlite3.Row, request: web.Request) -> sqlite3.Row:
    node_id = request.match_info["waitNodeId"]
    node = next((node for node in nodes_of(connection, campaign["id"]) if f"w{node['id']}" == node_id), None)
    if node is None:
        raise RefusedError(404, "there is no such Wait node in this Smart Campaign")
    return node


def _schedule(form: MultiMapping[str]) -> _Schedule | None:
    """What a node is to wait for; None when the form has no schedule."""
    if parsing.boolean(form, "sto.enabled", default=False):
        raise RefusedError(400, "send time optimisation is not simulated")
    if not any(form.get(name) for name in _SCHEDULE_FIELDS):
        return None
    at_time = form.get("scheduledAfterRecipientImportAtTime") or None
    if at_time and not (hours_minutes := re.fullmatch(r"((?:[01][0-9]|2[0-3]):[0-5][0-9])(?::[0-5][0-9])?", at_time)):
        raise RefusedError(400, "scheduledAfterRecipientImportAtTime is not a time of day")
    after_import = parsing.boolean(form, "scheduledAfterRecipientImport", default=bool(at_time))
    fixed = form.get("scheduledAt")
    if bool(fixed) == after_import or (at_time and not after_import):
        raise RefusedError(400, "a node waits either for a time or for an import")
    return _Schedule(
        parsing.timestamp(fixed, "scheduledAt") if fixed else None,
        after_import,
        hours_minutes[1] if at_time and hours_minutes else None,
    )


def _position(nodes: list[str], form: MultiMapping[str]) -> int:
    """The position that a form gives by its neighbours: how many of these nodes come before it."""
    before, after = (form.get(name) for name in _NEIGHBOURS)
    if (before and before not in nodes[:-1]) or (after and after not in nodes[1:]):
        raise RefusedError(400, "a neighbour is not a node of this Smart Campaign")
    position = len(nodes) - 1
    if before:
        position = nodes.index(before) + 1
    if after:
        if before and nodes.index(after) != position:
            raise RefusedError(400, "the neighbours are not adjacent")
        position = nodes.index(after)
    return position


def _move(connection: sqlite3.Connection, campaign_id: int, node_id: int | None, position: int) -> None:
    """Move a node to a position; the recipients node is at 0."""
    others = [node["id"] for node in nodes_of(connection, campaign_id) if node["id"] != node_id]
    ordered = [*others[: position - 1], node_id, *others[position - 1 :]]
    connection.executemany("UPDATE wait_node SET position = ? WHERE id = ?", list(enumerate(ordered, 1)))
