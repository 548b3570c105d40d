"""The timer trigger: fires on a schedule, on one host at a time, and makes up for a missed firing.

Of several hosts on one storage account, the one that holds a lock fires a timer; when it dies, another
takes over. With `useMonitor` the last and next firing are stored in a blob, so that a host that starts
too late fires at once (`IsPastDue`).
"""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient

from local.host.lock import Lock
from local.host.log import log
from local.host.ncrontab import Schedule
from local.host.waiting import is_set_within
from local.host.worker import Datum, InvocationError, Invoke

_CONTAINER = "azure-webjobs-hosts"
#: Timers that fire more often are not monitored.
_MIN_MONITORED_INTERVAL = timedelta(minutes=1)
_LOCK_CHECK_SECONDS = 0.2
#: How .NET represents never.
_NEVER = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ScheduleStatus:
    """The last and next firing of a timer."""

    last: datetime
    following: datetime
    updated: datetime

    @classmethod
    def first(cls, schedule: Schedule, now: datetime) -> Self:
        """The status of a timer that has never fired."""
        return cls(_NEVER, schedule.after(now), now)

    def fired(self, schedule: Schedule, at: datetime) -> Self:
        """The status after a firing."""
        return type(self)(at, schedule.after(at), at)

    def adjusted(self, schedule: Schedule, now: datetime) -> Self:
        """The status for the current schedule. After a change of schedule, a timer is never past due."""
        since = self.updated if self.last == _NEVER else self.last
        following = schedule.after(since)
        if following == self.following:
            return self
        if following < now:
            since, following = now, schedule.after(now)
        return type(self)(_NEVER, following, since)

    def to_json(self) -> dict[str, str]:
        """The format in which the timer extension stores it and passes it to functions."""
        names = {"Last": self.last, "Next": self.following, "LastUpdated": self.updated}
        return {name: time.isoformat() for name, time in names.items()}

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """The inverse of `to_json`.

        Raises:
            ValueError: the text is not a status.
        """
        stored = json.loads(text)
        try:
            last, following, updated = (
                datetime.fromisoformat(stored[name]).astimezone(UTC) if stored.get(name) else _NEVER
                for name in ("Last", "Next", "LastUpdated")
            )
        except (TypeError, AttributeError, KeyError, OverflowError) as error:
            raise ValueError("this is not a timer status") from error
        return cls(last, following, updated)


class TimerTrigger:
    """Fires the timer of a function.

    Args:
        invoke: invokes the function.
        name: name of the function.
        blobs: the storage account.
        host_id: shared by the hosts of one app.
        schedule: when the timer fires.
        use_monitor: keep the status over restarts.
        run_on_startup: fire at the start as well.
    """

    def __init__(
        self,
        invoke: Invoke,
        name: str,
        blobs: BlobServiceClient,
        host_id: str,
        schedule: Schedule,
        *,
        use_monitor: bool = True,
        run_on_startup: bool = False,
    ) -> None:
        self._invoke = invoke
        self._name = name
        self._schedule = schedule
        self._monitored = use_monitor and schedule.interval(_now()) >= _MIN_MONITORED_INTERVAL
        self._run_on_startup = run_on_startup
        self._container = blobs.get_container_client(_CONTAINER)
        self._lock = Lock(self._container.get_blob_client(f"locks/{host_id}/Host.Functions.{name}.Listener"))
        self._stored = self._container.get_blob_client(f"timers/{host_id}/Host.Functions.{name}/status")

    async def start(self) -> None:
        """Create the container and the lock if they are missing."""
        with contextlib.suppress(ResourceExistsError):
            await self._container.create_container()
        await self._lock.create()

    async def run(self, stop: asyncio.Event) -> None:
        """Fire on schedule while this host holds the lock, until `stop` is set."""
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(self._lock.keep())
            while not await is_set_within(stop, _LOCK_CHECK_SECONDS):
                try:
                    if self._lock.held:
                        await self._fire_while_held(stop)
                except AzureError as error:
                    log(f"{self._name}: its status cannot be read ({type(error).__name__}); will retry.")
            keeping.cancel()

    async def _fire_while_held(self, stop: asyncio.Event) -> None:
        status = await self._load_status()
        if self._monitored and status.following < _now():
            status = await self._fire(status, at=_now(), past_due=True)
        elif self._run_on_startup:
            status = await self._fire(status, at=_now())
        self._run_on_startup = False
        while not stop.is_set() and self._lock.held:
            remaining = (status.following - _now()).total_seconds()
            if remaining > 0:
                # In short steps: the lock can be lost, and a laptop can sleep.
                await is_set_within(stop, min(remaining, 1))
            else:
                status = await self._fire(status, at=_now())

    async def _fire(self, status: ScheduleStatus, *, at: datetime, past_due: bool = False) -> ScheduleStatus:
        timer = {
            "Schedule": {"AdjustForDST": True},
            "ScheduleStatus": status.to_json() if self._monitored else None,
            "IsPastDue": past_due,
        }
        with contextlib.suppress(InvocationError):  # it is logged, and the schedule continues
            await self._invoke(Datum(json.dumps(timer), "json"), reason="past due" if past_due else "timer")
        # Firings missed meanwhile are made up for by one: a timer never overlaps itself.
        status = status.fired(self._schedule, at)
        await self._store(status)
        return status

    async def _load_status(self) -> ScheduleStatus:
        """The stored status, adjusted to the schedule; without one, that of a timer that never fired."""
        status = ScheduleStatus.first(self._schedule, _now())
        if not self._monitored:
            return status
        stored = None
        with contextlib.suppress(ResourceNotFoundError, ValueError):
            stored = ScheduleStatus.from_json(await (await self._stored.download_blob()).readall())
            status = stored.adjusted(self._schedule, _now())
        if status != stored:
            await self._store(status)
        return status

    async def _store(self, status: ScheduleStatus) -> None:
        if self._monitored:
            try:
                await self._stored.upload_blob(json.dumps(status.to_json()), overwrite=True)
            except AzureError as error:
                # This host continues with the status in memory: with the stored one it would fire twice.
                log(f"{self._name}: its status cannot be stored ({type(error).__name__}).")


def _now() -> datetime:
    return datetime.now(UTC)
