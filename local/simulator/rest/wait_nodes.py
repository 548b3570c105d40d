"""Wait nodes: creating, changing and deleting them."""

import re
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from aiohttp import web
from multidict import MultiMapping

from local.simulator.rest import asking, shapes
from local.simulator.rest.asking import RefusedError
from local.simulator.rest.part import Part
from local.simulator.wait_nodes import nodes_of

_NAMES = ("scheduledAt", "scheduledAfterRecipientImport", "scheduledAfterRecipientImportAtTime")
_PLACES = ("predecessorNodeId", "successorNodeId")


@dataclass(frozen=True, slots=True)
class _Schedule:
    scheduled_at: int | None
    after_import: bool
    #: `HH:mm`, in the vendor's zone.
    at_time: str | None


class WaitNodes(Part):
    """Operations on the Wait nodes of a Smart Campaign.

    ASSUMPTION: they can be changed as long as the campaign is neither activated nor started (else 409), a node waits
    for something (else 400), and one without neighbours named is put before the message. Send time optimisation is
    not played.
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
            campaign = asking.one(connection, "campaign", request, "campaignId", missing=404)
            nodes = nodes_of(connection, campaign["id"])
            return web.json_response([shapes.wait_node(connection, node) for node in nodes])

    async def get_wait_node(self, request: web.Request) -> web.Response:
        """One Wait node."""
        with self._store.reading() as connection:
            campaign = asking.one(connection, "campaign", request, "campaignId", missing=404)
            return web.json_response(shapes.wait_node(connection, _node(connection, campaign, request)))

    async def create_wait_node(self, request: web.Request) -> web.Response:
        """Put a Wait node between two nodes that follow each other."""
        form = await asking.form(request)
        with self._store.writing() as connection:
            campaign = self._changeable(connection, request)
            schedule = _schedule(form)
            if schedule is None:
                raise RefusedError(400, "the node would wait for nothing")
            position = _position(shapes.node_ids(connection, campaign["id"]), form)
            node_id = connection.execute(
                "INSERT INTO wait_node (campaign_id, position, after_import) VALUES (?, -1, 0)", (campaign["id"],)
            ).lastrowid
            _place(connection, campaign["id"], node_id, position)
            answer = self._changed(connection, campaign, node_id, schedule)
        where = f"{request.url.with_query(None)}/w{node_id}"
        return web.json_response(answer, status=201, headers={"Location": where})

    async def update_wait_node(self, request: web.Request) -> web.Response:
        """Change what a Wait node waits for, or where it stands."""
        form = await asking.form(request)
        with self._store.writing() as connection:
            campaign = self._changeable(connection, request)
            node = _node(connection, campaign, request)
            schedule = _schedule(form)
            if any(form.get(name) for name in _PLACES):
                others = [one for one in shapes.node_ids(connection, campaign["id"]) if one != f"w{node['id']}"]
                _place(connection, campaign["id"], node["id"], _position(others, form))
            return web.json_response(self._changed(connection, campaign, node["id"], schedule))

    async def delete_wait_node(self, request: web.Request) -> web.Response:
        """Take a Wait node out: its neighbours follow each other from then on."""
        with self._store.writing() as connection:
            campaign = self._changeable(connection, request)
            node = _node(connection, campaign, request)
            connection.execute("DELETE FROM wait_node WHERE id = ?", (node["id"],))
            self._touch(connection, campaign)
        return web.Response(status=204)

    def _changeable(self, connection: sqlite3.Connection, request: web.Request) -> sqlite3.Row:
        campaign = asking.one(connection, "campaign", request, "campaignId", missing=404)
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
        self._touch(connection, campaign)
        row = connection.execute("SELECT * FROM wait_node WHERE id = ?", (node_id,)).fetchone()
        return shapes.wait_node(connection, row)

    def _touch(self, connection: sqlite3.Connection, campaign: sqlite3.Row) -> None:
        connection.execute("UPDATE campaign SET modified = ? WHERE id = ?", (self._clock.now(), campaign["id"]))


def _node(connection: sqlite3.Connection, campaign: sqlite3.Row, request: web.Request) -> sqlite3.Row:
    wanted = request.match_info["waitNodeId"]
    found = next((node for node in nodes_of(connection, campaign["id"]) if f"w{node['id']}" == wanted), None)
    if found is None:
        raise RefusedError(404, "there is no such Wait node in this Smart Campaign")
    return found


def _schedule(form: MultiMapping[str]) -> _Schedule | None:
    """What a node shall wait for; None when the form does not say."""
    if asking.truth(form, "sto.enabled", default=False):
        raise RefusedError(400, "send time optimisation is not played here")
    if not any(form.get(name) for name in _NAMES):
        return None
    at_time = form.get("scheduledAfterRecipientImportAtTime") or None
    if at_time and not (found := re.fullmatch(r"((?:[01][0-9]|2[0-3]):[0-5][0-9])(?::[0-5][0-9])?", at_time)):
        raise RefusedError(400, "scheduledAfterRecipientImportAtTime is not a time of day")
    after_import = asking.truth(form, "scheduledAfterRecipientImport", default=bool(at_time))
    fixed = form.get("scheduledAt")
    if bool(fixed) == after_import or (at_time and not after_import):
        raise RefusedError(400, "a node waits either for a time or for an import")
    return _Schedule(
        asking.moment(fixed, "scheduledAt") if fixed else None, after_import, found[1] if at_time and found else None
    )


def _position(nodes: list[str], form: MultiMapping[str]) -> int:
    """How many of these nodes come before the place that a form names by its neighbours."""
    before, after = (form.get(name) for name in _PLACES)
    if (before and before not in nodes[:-1]) or (after and after not in nodes[1:]):
        raise RefusedError(400, "a neighbour is no such node of this Smart Campaign")
    position = len(nodes) - 1
    if before:
        position = nodes.index(before) + 1
    if after:
        if before and nodes.index(after) != position:
            raise RefusedError(400, "the neighbours do not follow each other")
        position = nodes.index(after)
    return position


def _place(connection: sqlite3.Connection, campaign_id: int, node_id: int | None, position: int) -> None:
    """Let a node be the one at this position; the recipients node is at 0."""
    others = [node["id"] for node in nodes_of(connection, campaign_id) if node["id"] != node_id]
    ordered = [*others[: position - 1], node_id, *others[position - 1 :]]
    connection.executemany(
        "UPDATE wait_node SET position = ? WHERE id = ?", [(place, one) for place, one in enumerate(ordered, 1)]
    )
