"""The slots of PeopleStage's script broadcaster: what each does when its script calls.

The upload and the broadcast script call until the answer is `Done`, and start again when PeopleStage repeats a
delivery. So each call checks the state of the broadcast, does what is missing, and answers how far it is.
"""

from datetime import timedelta
from typing import Final

from shared.bridge import Bridge, new_owner
from shared.broadcast import Broadcast, BroadcastRequest, SendMode, State
from shared.errors import DeliveryDiffers, DeliveryEnded
from shared.faststats.peoplestage_slots import (
    PROVIDER,
    BroadcastCall,
    MessageCall,
    TestSendCall,
    UploadCall,
    broadcast_answer,
    find_difference,
    upload_answer,
)
from shared.operations import test_send as test_sends
from shared.operations.broadcasts import retry
from shared.steps.delivery_source import with_step_and_run
from shared.storage import blob_names
from shared.telemetry import log

#: How long an upload URL is valid.
_UPLOAD_TIME: Final = timedelta(minutes=60)


def test_login(bridge: Bridge) -> dict[str, object]:
    """Log in to the REST API and to the SFTP site. Raises as the two clients."""
    user = bridge.rest.get_authenticated_user()
    with bridge.site.connect():
        return {"Done": True, "User": user.id}


def messages(bridge: Bridge) -> list[dict[str, str]]:
    """The messages that a delivery can name: `id`, `name`."""
    return [{"id": str(source.mailing_id), "name": source.message_name} for source in bridge.names.messages()]


def lists(bridge: Bridge) -> list[dict[str, str]]:
    """The recipient lists: `id`, `name`."""
    return [{"id": str(list_id), "name": name} for list_id, name in bridge.names.lists()]


def upload(bridge: Bridge, call: UploadCall) -> dict[str, object]:
    """Accept a delivery file: first answer with the URL to upload it to; once it is uploaded, check and stage it.

    Raises:
        ChannelCallInvalid, ChannelUnknown, SendModeImpossible: the call cannot be used.
        DeliveryDiffers: the delivery was uploaded before with a different request.
        DeliveryEnded: it was cancelled, or waits for an operator.
    """
    request = call.request(bridge.channels, system=bridge.settings.system_name, zone=bridge.settings.database_time_zone)
    broadcast = bridge.ledger.broadcasts.find(request.key)
    if broadcast is None:
        return _accept_file(bridge, call, request)
    if difference := find_difference(broadcast.request, request):
        raise DeliveryDiffers(broadcast=request.key, what=difference)
    if broadcast.state is State.FAILED and broadcast.repeats_key is None:
        # PeopleStage repeats the delivery. Nobody was mailed by a broadcast that failed.
        broadcast = retry(bridge, request.key, owner=new_owner(), hold=request.held)
    return upload_answer(_require_live(broadcast))


def _accept_file(bridge: Bridge, call: UploadCall, request: BroadcastRequest) -> dict[str, object]:
    blob = blob_names.delivery_file(request.key)
    uploaded = bridge.lists.find(blob)
    if uploaded is not None and uploaded.size != call.size:
        bridge.lists.remove(blob)  # an upload that was abandoned
        uploaded = None
    if uploaded is None:
        expires_at = bridge.clock.now() + _UPLOAD_TIME
        return {
            "Done": False,
            "TransactionId": request.key,
            "UploadUrl": bridge.lists.upload_url(blob, expires_at=expires_at),
            "Expires": expires_at.isoformat(timespec="seconds"),
        }
    request = with_step_and_run(bridge, request)
    broadcast = bridge.ledger.broadcasts.add(request, owner=new_owner())
    if broadcast is None:
        return upload_answer(bridge.ledger.broadcasts.get(request.key))
    extra = {"action": "claim", **broadcast.log_context()}
    log.info("A delivery of PeopleStage is broadcast %s.", broadcast.key, extra=extra)
    bridge.send_on(broadcast)
    return upload_answer(broadcast)


def broadcast(bridge: Bridge, call: BroadcastCall) -> dict[str, object]:
    """Release an uploaded delivery, and answer how far it is.

    Raises:
        BroadcastUnknown: nothing was uploaded under this transaction id.
        DeliveryEnded: it failed, was cancelled, or waits for an operator.
        Held: it is not released, for a hold is in force.
    """
    released = _require_live(bridge.ledger.broadcasts.get(call.transaction_id))
    if released.request.held and released.released_at is None:
        bridge.check_not_held()
        times = {"released_at": bridge.clock.now(), "due_at": bridge.overdue_after()}
        released = bridge.ledger.broadcasts.decide(released, "released by PeopleStage", owner=new_owner(), **times)
        bridge.send_on(released)
    wait = call.wait and released.request.send_mode not in {SendMode.AT_TIME, SendMode.UPLOAD_ONLY}
    return broadcast_answer(released, wait=wait)


def preview(bridge: Bridge, call: MessageCall) -> dict[str, object]:
    """The message as stored at Optimizely, with its placeholders.

    Raises:
        MessageUnknown, MessageAmbiguous: the name names none or several.
    """
    source = bridge.names.get_message(call.message_name)
    message = bridge.rest.get_smart_campaign_message(source.campaign_id, source.mailing_id)
    is_html = "<" in message.content
    return {
        "Type": "Email",
        "FromAddress": message.sender_address,
        "FromName": message.sender_name,
        "ReplyTo": message.reply_to_address or message.sender_address,
        "Subject": message.subject,
        "Html": message.content if is_html else "",
        "Text": "" if is_html else message.content,
    }


def send_test(bridge: Bridge, call: TestSendCall) -> dict[str, object]:
    """Send the message to the channel's seed list. Raises as `test_send.for_message`, or `test_send.repeatable`."""
    if call.request_id is None:
        mails = test_sends.for_message(bridge, call.message_name, channel=call.channel).mails
    else:
        mails = test_sends.repeatable(bridge, call.request_id, call.message_name, channel=call.channel)
    return {
        "Done": True,
        "TransactionId": str(mails.mailing_id),
        "Recipients": mails.valid,
        "RecipientsRejected": mails.without_address + mails.blocklisted,
        "CustomProvider": PROVIDER,
    }


def _require_live(broadcast: Broadcast) -> Broadcast:
    if broadcast.state in {State.FAILED, State.CANCELLED, State.NEEDS_OPERATOR}:
        reason = broadcast.error_code or "on request"
        raise DeliveryEnded(broadcast=broadcast.key, state=str(broadcast.state), reason=reason)
    return broadcast
