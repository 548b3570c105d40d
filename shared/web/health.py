"""Whether the app can work: what the availability test asks for.

Anybody may ask, so the answer holds codes of the catalogue and the version, nothing else.

It says that an instance can begin: settings, database, tables, storage. That the timers run is told by the line
`standing` of housekeeping, whose silence is an alert of its own.
"""

import json
from collections.abc import Callable
from http import HTTPStatus
from threading import Lock
from typing import Any, Final

from shared.bridge import Bridge
from shared.clock import Clock, SystemClock
from shared.config.version import version
from shared.errors import BridgeError, StorageUnavailable, UnexpectedError
from shared.ledger.schema import Schema
from shared.telemetry import log, traceback_location

#: Seconds for which an answer is given again: however often somebody asks, the parts are looked at this often.
_KEPT_SECONDS: Final = 20


class Health:
    """The health of this process.

    Args:
        bridge: gives the bridge, or an error of the catalogue while it cannot start.
        clock: by which an answer is kept for a while; without one, that of the machine.
    """

    def __init__(self, bridge: Callable[[], Bridge], clock: Clock | None = None) -> None:
        self._bridge = bridge
        self._clock = clock or SystemClock()
        self._looking = Lock()
        self._last: tuple[int, str] | None = None
        self._until = 0.0

    def answer(self) -> tuple[int, str]:
        """The HTTP status, 200 or 503, and JSON.

        The JSON is `{"ok": …, "checks": [{"check": …, "ok": …, "code": …}], "version": …}`.

        One call at a time looks; the others are given the last answer, so that a part that hangs holds one thread.
        """
        if self._last is not None and self._clock.monotonic() < self._until:
            return self._last
        # Only before the first answer there is nothing to do but to wait.
        if not self._looking.acquire(blocking=self._last is None):
            return self._last or (HTTPStatus.SERVICE_UNAVAILABLE, _text([]))
        try:
            if self._last is None or self._clock.monotonic() >= self._until:
                self._last = self._look()
                self._until = self._clock.monotonic() + _KEPT_SECONDS
            return self._last
        finally:
            self._looking.release()

    def _look(self) -> tuple[int, str]:
        bridge, start = _checked("start", self._bridge)
        checks = [start]
        if bridge is not None:
            checks.append(_checked("database", Schema(bridge.rs_database).check)[1])
            checks.append(_checked("storage", lambda: _ask_storage(bridge))[1])
        ok = all(check["ok"] for check in checks)
        return HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE, _text(checks)


def _ask_storage(bridge: Bridge) -> None:
    if not bridge.lists.exists():
        raise StorageUnavailable(operation="find a container", reason="it is not there")
    bridge.queues.length(bridge.settings.upload_list_queue)


def _checked[Given](name: str, check: Callable[[], Given]) -> tuple[Given | None, dict[str, Any]]:
    """What the check gave, if anything, and what is said of it."""
    try:
        given = check()
    except BridgeError as error:
        log.warning("Health, %s: %s", name, error, extra={"action": "health", "check": name, "code": error.code})
        return None, {"check": name, "ok": False, "code": error.code}
    except Exception as error:  # noqa: BLE001 - whatever it is; the log has type and place
        code = UnexpectedError.code
        log.error(
            "Health, %s: %s", name, traceback_location(error), extra={"action": "health", "check": name, "code": code}
        )
        return None, {"check": name, "ok": False, "code": code}
    return given, {"check": name, "ok": True, "code": None}


def _text(checks: list[dict[str, Any]]) -> str:
    ok = bool(checks) and all(check["ok"] for check in checks)
    return json.dumps({"ok": ok, "checks": checks, "version": version()})
