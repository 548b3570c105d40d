"""Logs the backlog: one line that says what is under way and for how long, and one for each active alert.

The first is logged in every run of housekeeping, even when nothing is under way: its silence raises an alert in Azure.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Final

from shared.bridge import Bridge
from shared.broadcast import ENDED, State
from shared.config.settings import Settings
from shared.ledger.backlog import Waiting, broadcasts_under_way, ferg_files_under_way, response_files_under_way
from shared.response_file import FileState
from shared.telemetry import fenced, log

#: States in which a broadcast waits for something.
UNDER_WAY: Final = tuple(state for state in State if state not in ENDED)
#: Where the Functions host puts messages that failed too often.
_POISON: Final = "-poison"


def report_backlog(bridge: Bridge) -> None:
    """Log what is under way and which alerts are active. What cannot be counted is left out."""
    database, time = bridge.ledger.database, bridge.clock.now()
    poison = {
        name: _count(f"messages in queue {queue}{_POISON}", partial(bridge.queues.length, queue + _POISON))
        for name, queue in queues(bridge.settings).items()
    }
    fields = backlog_fields(
        _count("broadcasts under way", partial(broadcasts_under_way, database, now=time)),
        _count("response files under way", partial(response_files_under_way, database)),
        _count("files for FERG under way", partial(ferg_files_under_way, database)),
        poison,
        now=time,
    )
    parts = [
        f"{fields[state]} {state} (the oldest for {fields[f'{state}_minutes']} min)"
        for state in UNDER_WAY
        if fields.get(state)
    ]
    nothing = "nothing" if UNDER_WAY[0] in fields else "not known"
    log.info("Under way: %s.", ", ".join(parts) or nothing, extra={"action": "standing", **fields})
    with fenced("Whether everything is held is not known", action="housekeep-later"):
        for hold in bridge.ledger.hold.in_force():
            text, extra = "Everything is held by %s since %s: %s", {"action": "hold-stands", "code": hold.code}
            log.warning(text, hold.placed_by, hold.placed_at, hold.reason, extra=extra)
    # An alert is logged when it is raised; a rule in Azure that stays on while it is active needs further lines.
    for alert in bridge.ledger.alerts.active():
        extra = {"action": "alert-stands", "alert": alert.kind, "subject": alert.subject}
        log.warning("The alert %s about %s is active.", alert.kind, alert.subject, extra=extra)


def _count[Number](what: str, count: Callable[[], Number]) -> Number | None:
    """The number; None if it cannot be read."""
    number: Number | None = None
    with fenced(f"The number of {what} is not known", action="housekeep-later"):
        number = count()
    return number  # noqa: RET504 - the fenced block need not reach its end


def queues(settings: Settings) -> dict[str, str]:
    """The queues between the functions by the names of their settings without `_QUEUE`."""
    names = (name for name in Settings.model_fields if name.endswith("_queue"))
    return {name.removesuffix("_queue"): getattr(settings, name) for name in names}


def backlog_fields(
    broadcasts: Mapping[State, Waiting] | None,
    files: Mapping[FileState, Waiting] | None,
    ferg_files: Waiting | None,
    poison: Mapping[str, int | None],
    *,
    now: datetime,
) -> dict[str, int | str | None]:
    """The fields of the log line `standing`.

    Returns:
        For every state under way `<state>`: how many broadcasts; `<state>_minutes`: how long the oldest has waited;
        `<state>_oldest`: its key. The same without a key for `files_seen`, `files_gathered`, `files_failed` and
        `ferg_files`. `poison_<queue>`: messages that failed too often. What is not known (None) has no field.
    """
    nothing, waiting = Waiting(0), dict[str, Waiting]()
    if broadcasts is not None:
        waiting |= {str(state): broadcasts.get(state, nothing) for state in UNDER_WAY}
    fields: dict[str, int | str | None] = {f"{name}_oldest": entry.oldest for name, entry in waiting.items()}
    if files is not None:
        waiting |= {f"files_{state}": files.get(state, nothing) for state in FileState if state is not FileState.LOADED}
    if ferg_files is not None:
        waiting["ferg_files"] = ferg_files
    for name, entry in waiting.items():
        fields[name] = entry.number
        seconds = 0 if entry.since is None else (now - entry.since).total_seconds()
        fields[f"{name}_minutes"] = max(0, int(seconds // 60))
    return fields | {f"poison_{name}": number for name, number in poison.items() if number is not None}
