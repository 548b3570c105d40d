"""upload_list: check the delivery file and stage it, prepare the Smart Campaign, transfer the list."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from sqlalchemy import Connection

from shared.bridge import Bridge
from shared.broadcast import Broadcast, RouteKind, SendMode, State
from shared.errors import NeverReleased, SuppressionsIncomplete
from shared.ledger.broadcasts import record_rejects
from shared.ledger.effects import Effect, Kind, forget_effects
from shared.routes.evidence import Evidence, StartEvidence
from shared.routes.route import SendStatus, StagedList
from shared.steps import limits
from shared.steps.broadcast_step import BroadcastStep, run_steps
from shared.steps.compare import compare
from shared.steps.row_counts import log_rejects
from shared.steps.runner import Wait
from shared.steps.stage import stage
from shared.steps.staged_list import Staged, is_allowed
from shared.storage import blob_names

#: PeopleStage calls its Broadcast slot right after the Upload slot, unless it has given up the delivery.
_LONGEST_HOLD: Final = timedelta(hours=24)
_HOLD_PAUSE: Final = timedelta(minutes=10)


def upload_list(bridge: Bridge, key: str, version: int) -> None:
    """Take the broadcast and version of a queue message from `claimed` to `uploaded`."""
    run_steps(bridge, key, version, {State.CLAIMED: _stage, State.STAGED: _prepare, State.PREPARED: _transfer})


def _stage(step: BroadcastStep) -> Broadcast:
    """Resolve the names, check the delivery file, and stage the list.

    A broadcast that was staged before keeps the list and the message for which it was prepared.
    """
    bridge, broadcast, request = step.bridge, step.broadcast, step.broadcast.request
    bridge.rs_check.require()  # fails now rather than after the upload
    if bridge.channels[request.channel].suppress and not bridge.ledger.suppressions.complete():
        raise SuppressionsIncomplete(channel=request.channel)
    # An exported file goes into no list.
    list_id = None if request.route is RouteKind.EXPORT_FILE else bridge.names.get_list_id(request.list_name)
    first_time = broadcast.rows is None
    if first_time:
        broadcast = replace(broadcast, list_id=list_id)
        if request.send_mode is not SendMode.UPLOAD_ONLY:
            source = bridge.names.get_message(request.message_name)  # fails now rather than after the upload
            campaign_id, mailing_id = source.campaign_id, source.mailing_id
            broadcast = replace(broadcast, source_campaign_id=campaign_id, source_mailing_id=mailing_id)
    staged = stage(step, list_id=list_id, mailing_id=broadcast.source_mailing_id)

    def record(connection: Connection) -> None:
        record_rejects(connection, broadcast, staged.reasons)

    counts = staged.counts
    changed = step.advance(
        State.STAGED,
        _history_note(staged),
        record,
        list_id=broadcast.list_id,
        source_campaign_id=broadcast.source_campaign_id,
        source_mailing_id=broadcast.source_mailing_id,
        content_digest=staged.digest or broadcast.content_digest,
        rows_read=counts.read,
        rows_uploaded=counts.uploaded,
        rows_rejected=counts.rejected,
        rows_duplicate=counts.duplicates,
        rows_suppressed=counts.suppressed,
    )
    if first_time:
        log_rejects(staged.reasons, file=request.delivery_file)
    return changed


def _history_note(staged: Staged) -> str:
    counts = staged.counts
    note = (
        f"{counts.read} rows read: {counts.uploaded} to upload, {counts.rejected} rejected, "
        f"{counts.duplicates} duplicates, {counts.suppressed} suppressed"
    )
    if staged.left_out:
        note += f"; the list has no field for {', '.join(staged.left_out)}"
    return note


def _prepare(step: BroadcastStep) -> Broadcast | Wait:
    """Make sure that it repeats no other; acquire the exclusive resource of the route; prepare the Smart Campaign."""
    broadcast, route = step.broadcast, step.route
    if broadcast.compared_at is None:
        return compare(step)
    if broadcast.request.held and broadcast.released_at is None:
        return _wait_for_release(step)
    if wait := limits.wait_for_release(step):
        return wait
    limits.check_not_late(step)  # fails now rather than after the upload
    if holder := _acquire_resource(step):
        return step.wait(holder)
    route.check_ready(broadcast)
    name = route.prepared_name(broadcast)
    if name is None:
        return step.advance(State.PREPARED, "nothing to prepare")
    if _is_copy_gone(step):
        # It ended once, and its copy was deleted: it gets another one, and a batch its chunks again.
        with step.lease.writing() as connection:
            forget_effects(connection, broadcast, (Kind.COPY, Kind.UPLOAD))
    prepared = step.run_once(
        Kind.COPY,
        name,
        find=lambda _effect: route.find_prepared(broadcast),
        act=lambda _effect: route.prepare(broadcast, step.lease.renew),
    )
    columns = route.apply_prepared(broadcast, route.prepared_evidence.from_json(prepared.evidence), step.lease.renew)
    note = f"Smart Campaign {columns['campaign_id']} is prepared"
    return step.advance(State.PREPARED, note, lambda _connection: columns)


def _is_copy_gone(step: BroadcastStep) -> bool:
    """Whether what was prepared for the broadcast was deleted."""
    broadcast = step.broadcast
    if broadcast.campaign_id is not None:
        return not step.bridge.campaign.exists(broadcast.campaign_id)
    copy = step.bridge.ledger.effects.find(broadcast, Kind.COPY)
    return copy is not None and copy.done_at is not None and step.route.find_prepared(broadcast) is None


def _wait_for_release(step: BroadcastStep) -> Wait:
    """Its release queues a message of its own; until then there is nothing to do."""
    if step.bridge.clock.now() - step.broadcast.changed_at > _LONGEST_HOLD:
        raise NeverReleased(hours=round(_LONGEST_HOLD / timedelta(hours=1)))
    return Wait(_HOLD_PAUSE, "its release by PeopleStage, which has called the Upload slot but not the Broadcast slot")


def _transfer(step: BroadcastStep) -> Broadcast | Wait:
    """Transfer the list; in the mode `after import`, arm the send first."""
    bridge, broadcast, route = step.bridge, step.broadcast, step.route
    if wait := _wait_for_resource(step):
        return wait
    staged = _find_staged_list(step)
    if staged is None:
        return step.advance(State.CLAIMED, "the staged list was removed; the delivery file is staged again")

    def find(effect: Effect) -> Evidence | None:
        return route.find_transferred(broadcast, staged, route.transfer_evidence.from_json(effect.evidence))

    if wait := limits.wait_to_transfer(step, find):
        return wait

    def transfer(effect: Effect) -> Evidence:
        def record(evidence: Evidence) -> None:
            if broadcast.starts_by_itself and evidence.lets_receiver_act:
                bridge.ledger.hold.check()  # the transfer may have begun before the hold
            bridge.ledger.effects.add_evidence(effect, step.lease, evidence.to_json())

        before = route.transfer_evidence.from_json(effect.evidence)
        transferred: Evidence = route.transfer(broadcast, staged, before, record)
        return transferred

    if broadcast.request.send_mode is SendMode.AFTER_IMPORT:
        _arm(step)
    transferred = step.run_once(
        Kind.UPLOAD,
        route.destination(broadcast),
        before=lambda: route.before_transfer(broadcast),
        find=find,
        act=transfer,
    )

    def record(connection: Connection) -> dict[str, object]:
        return {"rs_broadcast_id": bridge.rs_db.record_prepared(connection, broadcast)}

    return step.advance(State.UPLOADED, f"the list is transferred: {transferred.natural_key}", record)


def _wait_for_resource(step: BroadcastStep) -> Wait | None:
    broadcast = step.broadcast
    if holder := _acquire_resource(step):
        return step.wait(holder)
    transfer = step.bridge.ledger.effects.find(broadcast, Kind.UPLOAD)
    if transfer is None and not step.route.upload_slot_free(broadcast):
        return step.wait(f"the end of an import into the list “{broadcast.request.list_name}”, not of its own file")
    return None


def _arm(step: BroadcastStep) -> None:
    """Let Optimizely start by itself when the import has ended. From here on, it may start."""
    broadcast, route = step.broadcast, step.route

    def find(_effect: Effect) -> Evidence | None:
        if broadcast.campaign_id is None:
            return None
        send = route.send_status(broadcast)
        return None if send.status is SendStatus.WAITING else StartEvidence(status=send.vendor_status)

    def arm(_effect: Effect) -> Evidence:
        route.arm(broadcast)
        return StartEvidence(status="armed")

    step.run_once(Kind.START, str(broadcast.campaign_id or broadcast.key), find=find, act=arm)


def _find_staged_list(step: BroadcastStep) -> StagedList | None:
    """The staged list, unless it was removed, or is not for this installation.

    Raises:
        TestInstallation: it is not, and its transfer has begun.
    """
    bridge, broadcast = step.bridge, step.broadcast
    blob = blob_names.staged_list(broadcast.key)
    file = bridge.lists.find(blob)
    if file is None or broadcast.rows is None:
        return None
    transfer = bridge.ledger.effects.find(broadcast, Kind.UPLOAD)
    if transfer is not None and transfer.tries > 0:
        limits.check_allowed(step)
    elif not is_allowed(bridge, broadcast):
        return None  # it is staged again, for the recipients whom this test installation may mail
    return StagedList(
        size=file.size,
        rows=broadcast.rows.uploaded,
        tag=file.tag,
        open_at=lambda offset: bridge.lists.open(blob, offset),
    )


def _acquire_resource(step: BroadcastStep) -> str | None:
    """Lease the exclusive resource of the route to this broadcast, such as a list that its import clears first.

    Returns:
        What it waits for, held by whom and since when; None once it has the lease, or if there is no such resource.
    """
    ledger, broadcast = step.bridge.ledger, step.broadcast
    name = step.route.exclusive_resource(broadcast)
    if name is None or ledger.leases.acquire_until_released(name, broadcast.key, holder=step.lease):
        return None
    resource, holder = step.route.resource_name(broadcast), ledger.leases.find_holder(name)
    if holder is None:
        return f"{resource}, released just now"
    since = f" since {holder.since:%Y-%m-%d %H:%M} UTC" if holder.since else ""
    other = ledger.broadcasts.find(holder.owner)
    state = f", which is {other.state}" if other else ""
    return f"{resource}, held by broadcast {holder.owner}{since}{state}"
