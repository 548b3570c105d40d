"""Scheduled jobs. ASSUMPTION: they include import jobs, but neither sending batches nor the closed loop."""

from collections.abc import Iterable

from aiohttp import web

from local.simulator.import_job import INTERVAL, job_name, last_firing
from local.simulator.rest import paging, serialisers
from local.simulator.rest.resource import Resource


class Jobs(Resource):
    """Operations on scheduled jobs."""

    def routes(self) -> Iterable[web.RouteDef]:
        """Its operations."""
        return [
            web.get("/customerjobs/configured", self.select_all_configured_jobs),
            web.get("/customerjobs/running", self.select_all_running_jobs),
        ]

    async def select_all_configured_jobs(self, request: web.Request) -> web.Response:
        """The import job of each list."""
        fired = last_firing(self._clock.now())
        with self._store.reading() as connection:
            return paging.page(
                request,
                connection,
                "SELECT * FROM recipient_list WHERE id NOT IN (SELECT list_id FROM pool_list) ORDER BY id",
                (),
                lambda row: {
                    "name": job_name(row["name"]),
                    "description": "Clears the list, then imports a file",
                    "type": "RECIPIENT_IMPORT",
                    "jobData": {"recipientListId": str(row["id"])},
                    "triggers": [
                        {
                            "name": f"every {INTERVAL // 60} minutes",
                            "state": "NORMAL",
                            "lastFiredTime": serialisers.iso(fired),
                            "nextFireTime": serialisers.iso(fired + INTERVAL),
                        }
                    ],
                },
                offsets=False,
            )

    async def select_all_running_jobs(self, request: web.Request) -> web.Response:
        """The running import jobs."""
        now = self._clock.now()
        with self._store.reading() as connection:
            return paging.page(
                request,
                connection,
                "SELECT name, started FROM import_run JOIN recipient_list ON recipient_list.id = list_id "
                "WHERE state = 'running' ORDER BY import_run.id",
                (),
                lambda row: {
                    "name": job_name(row["name"]),
                    "started": serialisers.iso(row["started"]),
                    "elapsedRunningTime": {
                        "seconds": now - row["started"],
                        "nano": 0,
                        "zero": now == row["started"],
                        "negative": False,
                    },
                },
                offsets=False,
            )
