"""What Optimizely has sent since a time, compared with the ledger: after a restore of RS_DB (docs/how-to/restore.md).

Every Smart Campaign that was started since, or that starts by itself, is listed: those of the bridge, and those of
marketers. A copy made for a broadcast is recognised by its id, by the key in its name or by the tag of its batch.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from shared.bridge import Bridge
from shared.broadcast import BEFORE_UPLOAD, KEY_PATTERN, Broadcast, State
from shared.ledger.effects import Kind
from shared.operations.broadcasts import UPLOADED_AGAIN
from shared.optimizely.rest.answers import SmartCampaign

#: The key in the name of a copy: between brackets, or as `copy_name` of a closed loop has it.
_KEY: Final = re.compile(rf"(?<![0-9A-Za-z]){KEY_PATTERN}(?![0-9A-Za-z])")
#: Activated: its Wait node starts it.
_ARMED: Final = "activated"
#: States in which the ledger knows that the message is or was sent.
_STARTED: Final = frozenset({State.SENDING, State.SENT, State.CLOSED})


class Verdict(StrEnum):
    """What the ledger knows of a Smart Campaign."""

    KNOWN = "known"  #: the ledger knows that it was started
    BEHIND = "behind"  #: the ledger has its broadcast, and does not know that it was started
    MISSING = "missing"  #: its name has the key of a broadcast that the ledger does not have
    FOREIGN = "foreign"  #: nothing ties it to the bridge: a marketer's, or the copy of a closed loop


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A Smart Campaign that was started, or starts by itself."""

    campaign_id: int
    name: str
    #: In the vendor's words.
    status: str
    #: None while it is only armed.
    started: datetime | None
    verdict: Verdict
    #: Key of its broadcast, if it is known.
    broadcast: str | None
    state: State | None
    #: The command without which the message would be sent again when the hold is lifted. Routes other than the closed
    #: loop find the Smart Campaign of their broadcast again by themselves.
    command: str | None


def sent_since(bridge: Bridge, since: datetime) -> Iterator[Sent]:
    """What was started since a time, latest first, then what starts by itself. Nothing is changed.

    Raises:
        TerminalError, TransientError: as the REST API raises.
    """
    tags = {batch.campaign_id: batch.tag for batch in bridge.rest.select_sending_batches()}
    for campaign in bridge.rest.select_smart_campaigns(by_start=True):
        if campaign.started is not None:
            if campaign.started < since:
                break
            yield _compare(bridge, campaign, tags.get(campaign.id, ""))
    for campaign in bridge.rest.select_smart_campaigns(_ARMED):
        if campaign.started is None:
            yield _compare(bridge, campaign, tags.get(campaign.id, ""))


def _compare(bridge: Bridge, campaign: SmartCampaign, tag: str) -> Sent:
    match = _KEY.search(f"{campaign.name} {tag}")
    key = match[0] if match else None
    broadcasts = bridge.ledger.broadcasts
    key = broadcasts.by_campaign([campaign.id]).get(campaign.id, key)
    broadcast = None if key is None else broadcasts.find(key)
    if broadcast is None:
        verdict, state, command = Verdict.MISSING if key else Verdict.FOREIGN, None, None
    elif _is_known(bridge, broadcast, campaign):
        key, verdict, state, command = broadcast.key, Verdict.KNOWN, broadcast.state, None
    else:
        key, verdict, state = broadcast.key, Verdict.BEHIND, broadcast.state
        command = _command(broadcast, campaign)
    return Sent(
        campaign_id=campaign.id,
        name=campaign.name,
        status=campaign.status,
        started=campaign.started,
        verdict=verdict,
        broadcast=key,
        state=state,
        command=command,
    )


def _is_known(bridge: Bridge, broadcast: Broadcast, campaign: SmartCampaign) -> bool:
    if broadcast.campaign_id != campaign.id:
        return False
    start = bridge.ledger.effects.find(broadcast, Kind.START)
    return broadcast.state in _STARTED or (start is not None and start.done_at is not None)


def _command(broadcast: Broadcast, campaign: SmartCampaign) -> str | None:
    resolve = f"bridge broadcast resolve {broadcast.key} --started --campaign {campaign.id}"
    if broadcast.state is State.NEEDS_OPERATOR:
        return resolve
    if broadcast.state in BEFORE_UPLOAD and broadcast.request.route in UPLOADED_AGAIN:
        return f"bridge broadcast park {broadcast.key} && {resolve}"
    return None
