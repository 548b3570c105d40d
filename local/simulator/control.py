"""The control API of the simulator: its records, the clock, and faults. Not part of the vendor's API."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from local.simulator.clock import Clock
from local.simulator.faults import FaultInvalidError, Faults, read_fault
from local.simulator.store import Store


class Control:
    """The control API.

    Args:
        store: the simulator's records.
        clock: simulated time.
        faults: the active faults.
    """

    def __init__(self, store: Store, clock: Clock, faults: Faults) -> None:
        self._store = store
        self._clock = clock
        self._faults = faults
        #: Whether nothing more will happen by itself; kept up to date by the simulator.
        self.idle = True

    def application(self) -> web.Application:
        """The web application, to be mounted at `/control`."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/state", self.get_state),
                web.post("/clock", self.set_clock),
                web.get("/faults", self.get_faults),
                web.post("/faults", self.add_fault),
                web.delete("/faults", self.clear_faults),
                web.delete("/faults/{id}", self.clear_fault),
            ]
        )
        return app

    async def get_state(self, _request: web.Request) -> web.Response:
        """Counts of everything that has happened."""
        return web.json_response(self.state())

    async def set_clock(self, request: web.Request) -> web.Response:
        """Change the speed, or move the clock forward."""
        change = await request.json()
        if "speed" in change:
            self._clock.set_speed(float(change["speed"]))
        if "advance_seconds" in change:
            self._clock.advance(timedelta(seconds=float(change["advance_seconds"])))
        return web.json_response({"simulated_time": _iso(self._clock.now())})

    async def get_faults(self, _request: web.Request) -> web.Response:
        """The faults that are not cleared, and how often each has struck."""
        return web.json_response(self._faults.listed())

    async def add_fault(self, request: web.Request) -> web.Response:
        """Add a fault."""
        try:
            fault = read_fault(await request.read())
        except FaultInvalidError as invalid:
            return web.Response(status=400, text=str(invalid))
        return web.json_response({"id": self._faults.add(fault)}, status=201)

    async def clear_faults(self, _request: web.Request) -> web.Response:
        """Clear all faults."""
        self._faults.clear_all()
        return web.Response(status=204)

    async def clear_fault(self, request: web.Request) -> web.Response:
        """Clear one fault."""
        fault_id = request.match_info["id"]
        if not (fault_id.isdecimal() and self._faults.clear(int(fault_id))):
            return web.Response(status=404, text="There is no fault with this ID.")
        return web.Response(status=204)

    def state(self) -> dict[str, Any]:
        """Counts of everything that has happened.

        Returns:
            `simulated_time`, `idle`, `mailed_twice` (recipients whom one broadcast reached more than once, over all
            Smart Campaigns), `keys_mailed_twice` (recipients whom more than one mail reached under the same
            Communication Key, over all Smart Campaigns and broadcasts), `campaigns`, `imports`, `response_files`,
            `wiped` (recipients whose history was wiped).
        """
        idle, now = self.idle, self._clock.now()
        with self._store.reading() as connection:
            campaigns = {
                row["id"]: {
                    "id": row["id"],
                    "name": row["name"],
                    "status": row["status"],
                    "mails_sent": 0,
                    "distinct_recipients_mailed": 0,
                    "mailed_more_than_once": 0,
                    "first_mail_at": None,
                    "events_by_type": {},
                }
                for row in connection.execute("SELECT * FROM campaign ORDER BY id")
            }
            for row in connection.execute(
                "SELECT campaign_id, count(*) AS mails, count(DISTINCT recipient_id) AS people, "
                "min(sent_at) AS first FROM mail_sent "
                "WHERE sent_at <= ? GROUP BY 1",
                (now,),
            ):
                campaigns[row["campaign_id"]]["mails_sent"] = row["mails"]
                campaigns[row["campaign_id"]]["distinct_recipients_mailed"] = row["people"]
                campaigns[row["campaign_id"]]["mailed_more_than_once"] = row["mails"] - row["people"]
                campaigns[row["campaign_id"]]["first_mail_at"] = _iso(row["first"])
            for row in connection.execute(
                "SELECT campaign_id, message_type, count(*) AS events FROM event WHERE registered_at <= ? "
                "GROUP BY 1, 2",
                (now,),
            ):
                campaigns[row["campaign_id"]]["events_by_type"][row["message_type"]] = row["events"]
            twice = connection.execute(
                "SELECT count(*) FROM (SELECT 1 FROM mail_sent GROUP BY broadcast_key, recipient_id "
                "HAVING count(*) > 1)"
            ).fetchone()[0]
            keys_twice = connection.execute(
                "SELECT count(*) FROM (SELECT 1 FROM mail_sent GROUP BY communication_key, recipient_id, "
                "CASE communication_key WHEN '' THEN broadcast_key END HAVING count(*) > 1)"
            ).fetchone()[0]
            imports = [
                {
                    "file": row["file"],
                    "state": row["state"],
                    "rows_read": row["rows_read"],
                    "imported": row["imported"],
                    "skipped": json.loads(row["skipped"]),
                    "error": row["error"],
                }
                for row in connection.execute("SELECT * FROM import_run ORDER BY id")
            ]
            files = [
                {"name": row["name"], "rows": row["rows"]}
                for row in connection.execute("SELECT * FROM response_file WHERE name IS NOT NULL ORDER BY boundary")
            ]
            wiped = [
                {"recipient_id": row["recipient_id"], "reason": row["reason"]}
                for row in connection.execute("SELECT * FROM wipe ORDER BY rowid")
            ]
        return {
            "simulated_time": _iso(now),
            "idle": idle,
            "mailed_twice": twice,
            "keys_mailed_twice": keys_twice,
            "campaigns": list(campaigns.values()),
            "imports": imports,
            "response_files": files,
            "wiped": wiped,
        }


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat()
