"""poll_jobs: take dropped delivery files and the broadcast jobs of WS_DB into the ledger.

Any number of pollers may run at once. FastStats may release a claimed job by itself; such a job is still the same
broadcast. While the broadcast is under way, the job is only claimed again; once it has ended, its results are written
again. It is never sent a second time, not even if it failed: that takes `bridge broadcast retry`, or a new job.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.broadcast import RESTING
from shared.errors import DatabaseUnavailable, SchemaMapMismatch, TerminalError
from shared.faststats.job_command import Job, read_job_command
from shared.faststats.ws_db import MAX_CLAIMED, WsDb
from shared.steps.broadcast_step import report_end
from shared.steps.take_dropped_files import take_dropped_files
from shared.telemetry import fenced, log

#: What ends a run; any other error in one part of it does not stop the next.
_ENDS: Final = (DatabaseUnavailable, SchemaMapMismatch)


def poll_jobs(bridge: Bridge) -> int:
    """Take in dropped delivery files, claim waiting jobs, and queue a broadcast for each; returns how many.

    Raises:
        SchemaMapMismatch: WS_DB or RS_DB does not match the schema map; no job was claimed.
        DatabaseUnavailable: WS_DB did not answer; a later run takes in the claimed jobs.
    """
    dropped = take_dropped_files(bridge)
    ws_db = bridge.ws_db
    if ws_db is None:
        return dropped
    bridge.rs_check.require()  # a job that is claimed must be able to go on
    owner = new_owner()
    with fenced("Jobs that were cancelled before their claim are not ended yet", *_ENDS, action="job-later"):
        cancelled = ws_db.end_cancelled()
        if cancelled:
            log.info("%d jobs were cancelled before they were claimed.", cancelled, extra={"action": "cancel"})
    taken, left = 0, bridge.settings.jobs_per_poll
    with fenced("Waiting jobs are claimed later", *_ENDS, action="job-later"):
        while left > 0 and (jobs := ws_db.claim(min(left, MAX_CLAIMED))):
            left -= len(jobs)
            taken += _take_in(bridge, ws_db, jobs, owner)
    with fenced("Claimed jobs that are not in the ledger are recorded later", *_ENDS, action="job-later"):
        # Jobs whose poller stopped before they were in the ledger.
        after, claimed_before = -1, bridge.clock.now() - timedelta(seconds=bridge.settings.lease_seconds)
        while jobs := ws_db.orphans(after=after, claimed_before=claimed_before):
            after = jobs[-1].id
            taken += _take_in(bridge, ws_db, jobs, owner)
    return dropped + taken


def _take_in(bridge: Bridge, ws_db: WsDb, jobs: Sequence[Job], owner: str) -> int:
    """Take in claimed jobs. A later run takes in those that fail."""
    recorded: list[int] = []
    taken = 0
    for job in jobs:
        with fenced(f"Job {job.id} cannot be recorded", action="unexpected", broadcast=job.key):
            taken += _record(bridge, ws_db, job, owner, recorded)
    ws_db.clear_claim_marks(recorded)
    return taken


def _record(bridge: Bridge, ws_db: WsDb, job: Job, owner: str, recorded: list[int]) -> bool:
    try:
        request = read_job_command(job, ws_db.schema, bridge.channels)
    except TerminalError as error:
        extra = {"action": "job-refused", "broadcast": job.key, **error.log_context()}
        log.error("Job %d is refused: %s", job.id, error, extra=extra)
        ws_db.refuse(job, error)
        return False
    broadcast = bridge.ledger.broadcasts.add(request, owner=owner)
    recorded.append(job.id)
    if broadcast is None:
        _report_again(bridge, job)
        return False
    extra = {"action": "claim", **broadcast.log_context()}
    log.info("Job %d is claimed as broadcast %s.", job.id, broadcast.key, extra=extra)
    bridge.send_on(broadcast)
    return True


def _report_again(bridge: Bridge, job: Job) -> None:
    """The ledger has the job's broadcast: another poller took it in meanwhile, or FastStats released the job."""
    broadcast = bridge.ledger.broadcasts.get(job.key)
    extra = {"action": "known", **broadcast.log_context()}
    log.info("Job %d is already broadcast %s, which is %s.", job.id, broadcast.key, broadcast.state, extra=extra)
    if broadcast.state in RESTING:
        report_end(bridge, broadcast)
