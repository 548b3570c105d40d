"""The timer trigger: fires on a schedule, on one host at a time, and makes up for what was missed.

Of several hosts on one storage account the one that holds a blob lease fires a timer; when it dies, its
lease runs out and another takes over. With `useMonitor` the last and next firing are kept in a blob, so
that a host that starts too late knows and fires at once (`IsPastDue`).
"""

import asyncio
import contextlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobClient, BlobLeaseClient, BlobServiceClient

from local.log import log
from local.ncrontab import Schedule
from local.worker import Datum, Function, InvocationError, Worker

_CONTAINER = "azure-webjobs-hosts"
_LEASE_SECONDS, _RENEWAL_SECONDS = 15, 5
#: Timers that fire more often are not monitored (as in the timer extension).
_SHORTEST_MONITORED = timedelta(minutes=1)


class TimerTrigger:
    """Fires one function.

    Args:
        worker: invokes it.
        function: the function.
        blobs: the storage account.
        schedule: when it fires.
        host_id: shared by the hosts of one app.
    """

    def __init__(
        self, worker: Worker, function: Function, blobs: BlobServiceClient, schedule: Schedule, host_id: str
    ) -> None:
        self._worker = worker
        self._function = function
        self._schedule = schedule
        self._run_on_startup = bool(function.trigger.get("runOnStartup"))
        self._monitored = bool(function.trigger.get("useMonitor", True))
        self._container = blobs.get_container_client(_CONTAINER)
        name = f"Host.Functions.{function.name}"
        self._lock = self._container.get_blob_client(f"locks/{host_id}/{name}.Listener")
        self._status = self._container.get_blob_client(f"timers/{host_id}/{name}/status")
        self._idle = asyncio.Event()
        self._idle.set()

    async def listen(self) -> None:
        """Fire on schedule whenever this host holds the lease, until cancelled."""
        await _create(self._container, self._lock)
        while True:
            lease = await self._acquire()
            firing = asyncio.create_task(self._fire_on_schedule())
            try:
                await self._keep(lease)
            finally:
                firing.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await firing
                with contextlib.suppress(AzureError):
                    await lease.release()

    async def finish(self) -> None:
        """Wait for the invocation under way."""
        await self._idle.wait()

    async def _acquire(self) -> BlobLeaseClient:
        while True:
            with contextlib.suppress(AzureError):
                return await self._lock.acquire_lease(lease_duration=_LEASE_SECONDS)
            await asyncio.sleep(_RENEWAL_SECONDS / 2)

    async def _keep(self, lease: BlobLeaseClient) -> None:
        """Renew the lease until it is lost."""
        while True:
            await asyncio.sleep(_RENEWAL_SECONDS)
            try:
                await lease.renew()
            except HttpResponseError:
                log(f"{self._function.name}: another host fires this timer now.")
                return
            except AzureError:
                continue  # it lives for another while

    async def _fire_on_schedule(self) -> None:
        monitored = self._monitored and self._schedule.interval(_now()) >= _SHORTEST_MONITORED
        status = await self._read_status() if monitored else None
        due = datetime.fromisoformat(status["Next"]) if status else None
        if due is not None and due <= _now():
            await self._fire(status, past_due=True, monitored=monitored)
        elif self._run_on_startup:
            self._run_on_startup = False
            await self._fire(status, past_due=False, monitored=monitored)
        following = self._schedule.after(_now())
        if monitored and not status:
            await self._write_status(_now(), following)
        while True:
            await asyncio.sleep(max(0.0, (following - _now()).total_seconds()))
            await self._fire(status, past_due=False, monitored=monitored)
            status = await self._read_status() if monitored else None
            # Firings that an invocation overran are left out: a timer never overlaps itself.
            following = self._schedule.after(max(following, _now()))

    async def _fire(self, status: Mapping[str, Any] | None, *, past_due: bool, monitored: bool) -> None:
        given = {"Schedule": {"AdjustForDST": True}, "ScheduleStatus": status, "IsPastDue": past_due}
        self._idle.clear()
        try:
            # Shielded: losing the lease or stopping the host does not tear an invocation apart.
            await asyncio.shield(self._invoke(json.dumps(given)))
        finally:
            self._idle.set()
        if monitored:
            await self._write_status(_now(), self._schedule.after(_now()))

    async def _invoke(self, value: str) -> None:
        try:
            await self._worker.invoke(self._function, Datum(value, "json"))
        except InvocationError as error:
            log(f"{self._function.name} failed: {error}; it fires again on schedule.")

    async def _read_status(self) -> dict[str, Any] | None:
        try:
            status: dict[str, Any] = json.loads(await (await self._status.download_blob()).readall())
        except (ResourceNotFoundError, ValueError):
            return None
        return status

    async def _write_status(self, last: datetime, following: datetime) -> None:
        status = {"Last": last.isoformat(), "Next": following.isoformat(), "LastUpdated": _now().isoformat()}
        await self._status.upload_blob(json.dumps(status), overwrite=True)


async def _create(container: Any, lock: BlobClient) -> None:  # noqa: ANN401 - a container client
    with contextlib.suppress(ResourceExistsError):
        await container.create_container()
    with contextlib.suppress(ResourceExistsError, HttpResponseError):  # a leased blob cannot be written
        await lock.upload_blob(b"", overwrite=False)


def _now() -> datetime:
    return datetime.now(UTC)
