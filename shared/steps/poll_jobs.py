"""poll_jobs: claim the broadcast jobs of WS_DB and take them into the ledger."""

from collections.abc import Iterator

from shared.bridge import Bridge, new_owner, now
from shared.errors import TerminalError
from shared.faststats.ws_db import Job, WsDb
from shared.telemetry import log, place_of

#: Claimed jobs looked at in one page.
_PAGE = 200


def poll_jobs(bridge: Bridge) -> int:
    """Claim waiting jobs, and queue a broadcast for each.

    Returns:
        How many broadcasts were taken in.
    """
    ws_db = bridge.ws_db
    if ws_db is None:
        return 0
    owner = new_owner()
    taken = sum(_take_in(bridge, ws_db, job, owner) for job in _orphans(bridge, ws_db))
    for _ in range(bridge.settings.jobs_per_poll):
        job = ws_db.claim()
        if job is None:
            break
        taken += _take_in(bridge, ws_db, job, owner)
    return taken


def _orphans(bridge: Bridge, ws_db: WsDb) -> Iterator[Job]:
    """Jobs that this bridge has claimed, but that never reached the ledger: somebody stopped in between."""
    after = -1
    while page := ws_db.claimed(after=after, limit=_PAGE):
        known = bridge.ledger.broadcasts.known([job.key for job in page])
        yield from (job for job in page if job.key not in known)
        after = page[-1].id


def _take_in(bridge: Bridge, ws_db: WsDb, job: Job, owner: str) -> bool:
    """Take one job in. What is wrong with it stops no other: a claimed job is taken up again by the next run."""
    try:
        return _record(bridge, ws_db, job, owner)
    except Exception as error:  # noqa: BLE001 - whatever it is; the log has type and place
        log.error("Job %d is not taken in: %s", job.id, place_of(error), extra={"action": "unexpected"})
        return False


def _record(bridge: Bridge, ws_db: WsDb, job: Job, owner: str) -> bool:
    try:
        request = ws_db.request(job)
    except TerminalError as error:
        log.error("Job %d: %s", job.id, error, extra={"action": "job-refused", "code": error.code})
        ws_db.finish(job.id, {"State": "failed", "ErrorCode": error.code, "Error": error.sentence})
        return False
    broadcast = bridge.ledger.broadcasts.add(request, owner=owner, now=now())
    if broadcast is None:
        return False  # another poller adopted it meanwhile, and queued it
    log.info(
        "Job %d is claimed as broadcast %s.",
        job.id,
        broadcast.key,
        extra={"action": "claim", "broadcast": broadcast.key},
    )
    bridge.send_on(broadcast)
    return True
