"""missed_responses: tell when no response file comes any more.

Optimizely keeps response data for 14 to 30 days (docs/why/sources.md, Optimizely 3.3): what is noticed later than
that is lost.
"""

from datetime import timedelta

from shared.bridge import Bridge
from shared.ledger.alerts import AlertKind


def look_for_missed_responses(bridge: Bridge) -> list[str]:
    """Raise an alert for every response layout of which no file was gathered for longer than is set; clear the others.

    A layout of which none ever came counts from the first broadcast that was sent.

    Returns:
        The layouts whose alert stands.

    Raises:
        DatabaseUnavailable: the ledger could not be read or written.
    """
    ledger, time = bridge.ledger, bridge.clock.now()
    last, first_sent = ledger.response_files.last_gathered(), ledger.broadcasts.first_sent()
    missed = []
    for name, layout in bridge.channels.responses.items():
        since = last.get(name, last.get(None, first_sent))
        if not layout.alert_after_hours or since is None:
            continue
        if time - since > timedelta(hours=layout.alert_after_hours):
            text = (
                f"No response file of the layout {name} was gathered since {since:%Y-%m-%d %H:%M} UTC, which is longer "
                f"than {layout.alert_after_hours:g} hours. Ask Optimizely support whether the export runs, and look "
                f"whether files lie on the SFTP site under names that no layout has: responses are kept there for "
                f"14 to 30 days only."
            )
            ledger.alerts.stand(AlertKind.NO_RESPONSE_FILE, name, text)
            missed.append(name)
    ledger.alerts.clear_others(AlertKind.NO_RESPONSE_FILE, missed)
    return missed
