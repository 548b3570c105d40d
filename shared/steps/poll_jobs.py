"""poll_jobs: take dropped delivery files and the broadcast jobs of WS_DB into the ledger.

Any number of pollers may run at once. A job that comes back is the broadcast that it was: FastStats may give a job
free again by itself. While its broadcast is under way nothing happens but a new claim; when it has ended, its results
are written again. It is never sent a second time, not even when it failed: that is for `bridge broadcast retry`, or
for a new job.
"""

from collections.abc import Sequence
from datetime import timedelta

from shared.bridge import Bridge, new_owner
from shared.broadcast import RESTING
from shared.errors import TerminalError, UnexpectedError
from shared.faststats.job_command import Job, read_job_command
from shared.faststats.ws_db import MAX_CLAIMED, WsDb
from shared.steps.runner import report_end
from shared.steps.take_dropped_files import take_dropped_files
from shared.telemetry import log, traceback_location


def poll_jobs(bridge: Bridge) -> int:
    """Take in dropped delivery files, claim waiting jobs, and queue a broadcast for each.

    Returns:
        How many broadcasts were taken in.

    Raises:
        SchemaMapMismatch: WS_DB or RS_DB is not as the schema map says; no job was claimed.
        DatabaseUnavailable: WS_DB did not answer; what was claimed is taken up by a later run.
    """
    dropped = take_dropped_files(bridge)
    ws_db = bridge.ws_db
    if ws_db is None:
        return dropped
    bridge.rs_check.require()  # a job that is claimed must be able to go on
    owner = new_owner()
    cancelled = ws_db.end_cancelled()
    if cancelled:
        log.info("%d jobs were cancelled before they were taken.", cancelled, extra={"action": "cancel"})
    taken, left = 0, bridge.settings.jobs_per_poll
    while left > 0 and (jobs := ws_db.claim(min(left, MAX_CLAIMED))):
        left -= len(jobs)
        taken += _take_in(bridge, ws_db, jobs, owner)
    # Who claimed them stopped before they were in the ledger.
    after, claimed_before = -1, bridge.clock.now() - timedelta(seconds=bridge.settings.lease_seconds)
    while jobs := ws_db.orphans(after=after, claimed_before=claimed_before):
        after = jobs[-1].id
        taken += _take_in(bridge, ws_db, jobs, owner)
    return dropped + taken


def _take_in(bridge: Bridge, ws_db: WsDb, jobs: Sequence[Job], owner: str) -> int:
    """Take claimed jobs in. What is wrong with one stops no other: a later run takes it up again."""
    recorded: list[int] = []
    taken = 0
    for job in jobs:
        try:
            taken += _record(bridge, ws_db, job, owner, recorded)
        except Exception as error:  # noqa: BLE001 - whatever it is; the log has type and place
            extra = {"action": "unexpected", "broadcast": job.key, "code": UnexpectedError.code}
            log.error("Job %d is not taken in: %s", job.id, traceback_location(error), extra=extra)
    ws_db.clear_claim_marks(recorded)
    return taken


def _record(bridge: Bridge, ws_db: WsDb, job: Job, owner: str, recorded: list[int]) -> bool:
    try:
        request = read_job_command(job, ws_db.schema, bridge.channels)
    except TerminalError as error:
        log.error(
            "Job %d: %s", job.id, error, extra={"action": "job-refused", "broadcast": job.key, "code": error.code}
        )
        ws_db.refuse(job, error)
        return False
    broadcast = bridge.ledger.broadcasts.add(request, owner=owner)
    recorded.append(job.id)
    if broadcast is None:
        _came_again(bridge, job)
        return False
    log.info(
        "Job %d is claimed as broadcast %s.",
        job.id,
        broadcast.key,
        extra={"action": "claim", "broadcast": broadcast.key},
    )
    bridge.send_on(broadcast)
    return True


def _came_again(bridge: Bridge, job: Job) -> None:
    """The ledger has the job's broadcast: another poller adopted it meanwhile, or FastStats gave the job free again."""
    broadcast = bridge.ledger.broadcasts.get(job.key)
    log.info(
        "Job %d is broadcast %s already, which is %s.",
        job.id,
        broadcast.key,
        broadcast.state,
        extra={"action": "known", "broadcast": broadcast.key},
    )
    if broadcast.state in RESTING:
        report_end(bridge, broadcast)
