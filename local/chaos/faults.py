"""What fails: one fault at a time, chosen by a seed, each for some seconds."""

import os
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from random import Random
from typing import Final

import requests
from azure.core.exceptions import AzureError
from azure.storage.queue import QueueClient

from local.chaos.installation import Installation, hold_write_lock
from local.chaos.proxy import Trouble
from shared.broadcast import State
from shared.errors import BridgeError
from shared.operations import broadcasts as operations

#: Seconds that a fault lasts: shorter and longer than a lease of 8 seconds.
_SHORTEST, _LONGEST = 0.5, 12.0
#: Faults of the simulator, each of which strikes some times.
_SIMULATED: Final = (
    {"kind": "drop", "operation": "*", "when": "after"},
    {"kind": "drop", "operation": "startSmartCampaign", "when": "after"},
    {"kind": "drop", "operation": "createOrCopySmartCampaign", "when": "after"},
    {"kind": "drop", "operation": "importRecipientsAndSendBatch", "when": "after"},
    {"kind": "status", "operation": "*", "when": "after", "status": 503},
    {"kind": "rename-unanswered"},
    {"kind": "break-upload", "after_bytes": 300},
    {"kind": "half-written-response"},
    {"kind": "import-slow", "minutes": 60},
)
#: Queues whose messages are delivered twice, lost, or garbage.
_QUEUES: Final = ("upload-list", "monitor-import", "load-responses")


class Faults:
    """Plays faults, one after the other.

    Args:
        installation: what they strike.
        chance: chooses them.
    """

    def __init__(self, installation: Installation, chance: Random) -> None:
        self._installation = installation
        self._chance = chance
        #: How often each was played.
        self.played: Counter[str] = Counter()
        self._kinds: dict[str, Callable[[], None]] = {
            "host killed": self._kill,
            "host frozen": self._freeze,
            "server stopped, slowed or cut": self._trouble,
            "write lock held": self._lock,
            "answer lost or late": self._simulate,
            "message delivered twice, lost or garbage": self._meddle,
            "operator": self._operate,
        }

    def play(self) -> None:
        """Play one."""
        name = self._chance.choice(list(self._kinds))
        self.played[name] += 1
        self._kinds[name]()

    def stop(self) -> None:
        """End what lasts."""
        self._installation.heal()
        requests.delete(f"{self._installation.optimizely['control_url']}/faults", timeout=30).raise_for_status()
        self._installation.await_hosts()

    def _seconds(self) -> float:
        return self._chance.uniform(_SHORTEST, _LONGEST)

    def _kill(self) -> None:
        number = self._chance.randrange(2)
        os.kill(self._installation.hosts[number].pid, signal.SIGKILL)
        time.sleep(self._seconds() / 4)
        self._installation.restart(number)

    def _freeze(self) -> None:
        pid = self._installation.hosts[self._chance.randrange(2)].pid
        os.kill(pid, signal.SIGSTOP)
        time.sleep(self._seconds() * 1.5)
        os.kill(pid, signal.SIGCONT)

    def _trouble(self) -> None:
        proxy = self._installation.proxies[self._chance.choice(sorted(self._installation.proxies))]
        proxy.play(self._chance.choice([Trouble.STOP, Trouble.SLOW, Trouble.CUT]))
        time.sleep(self._seconds())
        proxy.play(Trouble.NONE)

    def _lock(self) -> None:
        files = (self._installation.ledger, self._installation.ledger, self._installation.jobs)
        hold_write_lock(self._chance.choice(files), self._seconds())

    def _simulate(self) -> None:
        fault = self._chance.choice(_SIMULATED) | {"times": self._chance.randint(1, 3)}
        url = f"{self._installation.optimizely['control_url']}/faults"
        requests.post(url, json=fault, timeout=30).raise_for_status()
        time.sleep(self._seconds() / 4)

    def _meddle(self) -> None:
        name, what = self._chance.choice(_QUEUES), self._chance.randrange(3)
        with suppress(AzureError), QueueClient.from_connection_string(self._installation.storage, name) as queue:
            message = queue.receive_message(visibility_timeout=1)
            if what == 0:
                queue.send_message("no JSON")
            elif message is not None and what == 1:
                queue.send_message(message.content)
            elif message is not None:
                queue.delete_message(message)

    def _operate(self) -> None:
        """Somebody settles what is parked, and cancels a broadcast, or pauses and resumes it."""
        resolve_parked(self._installation)
        with closing(sqlite3.connect(self._installation.ledger, timeout=60)) as ledger:
            rows = ledger.execute(
                "SELECT key, state FROM broadcast "
                "WHERE state NOT IN ('closed', 'failed', 'cancelled', 'needs_operator')"
            ).fetchall()
        if not rows:
            return
        key, state = self._chance.choice(rows)
        bridge, by = self._installation.bridge, "chaos"
        with suppress(BridgeError):  # it has gone on meanwhile
            if state == State.SENDING:
                operations.pause(bridge, key, owner=by)
                time.sleep(self._seconds() / 4)
                operations.resume(bridge, key, owner=by)
            else:
                operations.cancel(bridge, key, owner=by)


def resolve_parked(installation: Installation) -> None:
    """An operator says of every parked broadcast what is true by the simulator's books: was it started?"""
    bridge = installation.bridge
    for broadcast in bridge.ledger.broadcasts.newest(100_000):
        if broadcast.state is not State.NEEDS_OPERATOR:
            continue
        key = broadcast.key
        with closing(sqlite3.connect(installation.books, timeout=60)) as books:
            row = books.execute(
                "SELECT campaign_id FROM mail_sent WHERE broadcast_key = ?1 UNION SELECT campaign_id FROM mail_waiting "
                "WHERE broadcast_key = ?1 UNION SELECT id FROM campaign WHERE id = ?2 AND status <> "
                "'activationRequired' UNION SELECT campaign_id FROM sending_batch WHERE id = ?3 AND state = 'sent'",
                (key, broadcast.campaign_id, broadcast.batch_id),
            ).fetchone()
        exported = any((installation.folder / "simulator/site/partner").glob(f"{key}.csv"))
        with suppress(BridgeError):  # it is too early: the next attempt may succeed
            campaign_id = None if row is None else int(row[0])
            started = exported or row is not None
            operations.resolve(bridge, key, started=started, owner="chaos", campaign_id=campaign_id)
