"""The channel's parameters that the bridge knows, in jobs of WS_DB and in calls of PeopleStage's channel alike.

`Channel` names a channel of CHANNELS_FILE, `SendAt` the time to send at.
"""

from datetime import datetime
from zoneinfo import ZoneInfo

from shared.broadcast import SEND_MODES, SendMode
from shared.clock import utc_from_outside
from shared.config.channels import Channel, Channels
from shared.errors import SendModeImpossible


def parse_parameters(text: str) -> dict[str, str]:
    """The values of `key=value;key=value` by name; case and spaces in names do not matter."""
    pairs = (pair.partition("=") for pair in text.split(";"))
    return {"".join(name.split()).lower(): value.strip() for name, separator, value in pairs if separator}


def send_time(text: str, zone: str, channel: Channel) -> datetime | None:
    """The time to send at, in UTC; None for an empty text.

    Args:
        text: ISO 8601.
        zone: its zone, where the text names none.
        channel: the channel, which may send at certain hours only.

    Raises:
        ValueError: the text is not a time, the time is out of range, the zone skips it, or the channel does not
            send then; the message shows no value. An empty .NET date (0001-01-01) is out of range, and not the same
            as no time: a message that went out at once could not be taken back.
    """
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("not an ISO 8601 time") from None
    local = time if time.tzinfo is not None else time.replace(tzinfo=ZoneInfo(zone))
    try:
        utc = utc_from_outside(local)
    except ValueError as error:
        raise ValueError(f"{error}; leave it out to send without a set time") from None
    if time.tzinfo is None and utc.astimezone(local.tzinfo).replace(tzinfo=None) != time:
        raise ValueError(f"a time that the zone {zone} skips")
    if not channel.sends_at(utc):
        raise ValueError(f"outside the hours in which the channel sends, {channel.send_times}")
    return utc


def send_mode_of(channels: Channels, name: str, *, upload_only: bool, timed: bool) -> SendMode:
    """The send mode that is asked for, else the channel's.

    Raises:
        ChannelUnknown: there is no such channel.
        SendModeImpossible: its route does not support the mode.
    """
    channel = channels[name]
    mode = SendMode.UPLOAD_ONLY if upload_only else SendMode.AT_TIME if timed else channel.default_send_mode
    possible = SEND_MODES[channel.route]
    if mode not in possible:
        modes = ", ".join(sorted(possible))
        raise SendModeImpossible(route=str(channel.route), channel=name, mode=str(mode), possible=modes)
    return mode
