"""Raises an alert when response files stop coming.

Optimizely keeps response data for 14 to 30 days (docs/why/sources.md, Optimizely 3.3): what is noticed later is lost.
"""

from datetime import timedelta

from shared.bridge import Bridge
from shared.ledger.alerts import AlertKind
from shared.telemetry import fenced


def check_response_arrival(bridge: Bridge) -> list[str]:
    """Raise an alert for every response layout without a file for longer than its limit; clear the other alerts.

    For a layout that never had a file, the time counts from the first broadcast that was sent. Returns the layouts with
    an active alert.
    """
    ledger, time = bridge.ledger, bridge.clock.now()
    last, first_sent = ledger.response_files.last_gathered(), ledger.broadcasts.first_sent()
    late = []
    for name, layout in bridge.channels.responses.items():
        since = last.get(name, last.get(None, first_sent))
        if not layout.alert_after_hours or since is None:
            continue
        if time - since > timedelta(hours=layout.alert_after_hours):
            text = (
                f"No response file of layout {name} has been gathered since {since:%Y-%m-%d %H:%M} UTC, which exceeds "
                f"the limit of {layout.alert_after_hours:g} hours. Ask Optimizely support whether the export runs, "
                f"and check the SFTP site for files whose names match no layout: responses are kept there for only "
                f"14 to 30 days."
            )
            late.append(name)
            with fenced(f"The alert about layout {name} is not raised yet", action="housekeep-later"):
                ledger.alerts.report(AlertKind.NO_RESPONSE_FILE, name, text)
    ledger.alerts.clear_others(AlertKind.NO_RESPONSE_FILE, late)
    return late
