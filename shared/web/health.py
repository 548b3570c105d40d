"""Whether the app can work: what the availability test requests.

Anybody may request it, so the answer has codes of the error catalogue, the version, and what is held, by whom and why
(`bridge hold` says that anybody sees it); nothing else. An app that holds everything is healthy.

It shows that an instance can start: settings, database, tables, storage. That the timers run is shown by the log line
`standing` of housekeeping; an alert is raised when it stops.
"""

import json
import logging
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock
from typing import Any, Final

from shared.bridge import Bridge
from shared.clock import Clock, SystemClock
from shared.config.version import version
from shared.errors import BridgeError, StorageUnavailable, UnexpectedError
from shared.ledger.holds import Hold
from shared.ledger.schema import Schema
from shared.telemetry import log, traceback_location

#: Seconds for which an answer is reused, however often somebody asks.
_KEPT_SECONDS: Final = 20


class Health:
    """The health of this process; `bridge` raises an error of the catalogue while it cannot start."""

    def __init__(self, bridge: Callable[[], Bridge], clock: Clock | None = None) -> None:
        self._bridge = bridge
        self._clock = clock or SystemClock()
        self._checking = Lock()
        self._last: tuple[int, str] | None = None
        self._until = 0.0

    def answer(self) -> tuple[int, str]:
        """The HTTP status, 200 or 503, and JSON.

        The JSON is `{"ok": …, "checks": [{"check": …, "ok": …, "code": …}], "holds": […], "test_installation": …,
        "version": …}`; a hold is
        `{"code": …, "reason": …, "placed_by": …, "placed_at": …}`.

        One call at a time runs the checks; the others get the last answer, so that a check that hangs blocks one
        thread only.
        """
        if self._last is not None and self._clock.monotonic() < self._until:
            return self._last
        # Only the first answer has to be waited for.
        if not self._checking.acquire(blocking=self._last is None):
            return self._last or (HTTPStatus.SERVICE_UNAVAILABLE, _text([], []))
        try:
            if self._last is None or self._clock.monotonic() >= self._until:
                self._last = self._check()
                self._until = self._clock.monotonic() + _KEPT_SECONDS
            return self._last
        finally:
            self._checking.release()

    def _check(self) -> tuple[int, str]:
        bridge, start = _checked("start", self._bridge)
        checks, holds = [start], None
        if bridge is not None:
            holds, database = _checked("database", lambda: _check_database(bridge))
            checks += [database, _checked("storage", lambda: _check_storage(bridge))[1]]
        ok = all(check["ok"] for check in checks)
        test = bridge is not None and bridge.only_mail is not None
        return HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE, _text(checks, holds or [], test=test)


def _check_database(bridge: Bridge) -> list[Hold]:
    """The holds in force."""
    Schema(bridge.rs_database).check()
    return bridge.ledger.hold.in_force()


def _check_storage(bridge: Bridge) -> None:
    if not bridge.lists.exists():
        raise StorageUnavailable(operation="find a container", reason="it does not exist")
    bridge.queues.length(bridge.settings.upload_list_queue)


def _checked[Result](name: str, check: Callable[[], Result]) -> tuple[Result | None, dict[str, Any]]:
    """The result of a check, if any, and its entry in the answer."""
    try:
        result = check()
    except BridgeError as error:
        code, level, text = error.code, logging.WARNING, str(error)
    except Exception as error:  # noqa: BLE001 - the log has type and traceback
        code, level, text = UnexpectedError.code, logging.ERROR, traceback_location(error)
    else:
        return result, {"check": name, "ok": True, "code": None}
    log.log(level, "Health, %s: %s", name, text, extra={"action": "health", "check": name, "code": code})
    return None, {"check": name, "ok": False, "code": code}


def _text(checks: list[dict[str, Any]], holds: list[Hold], *, test: bool = False) -> str:
    ok = bool(checks) and all(check["ok"] for check in checks)
    held = [
        {
            "code": hold.code,
            "reason": hold.reason,
            "placed_by": hold.placed_by,
            "placed_at": hold.placed_at.isoformat(timespec="seconds"),
        }
        for hold in holds
    ]
    return json.dumps({"ok": ok, "checks": checks, "holds": held, "test_installation": test, "version": version()})
