"""Asks for broadcasts on all routes and intakes: as FastStats, as another system, as PeopleStage."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Final

import requests
from azure.storage.blob import ContainerClient

from local.chaos.installation import DROPPED, LISTS, Installation
from local.demo.folder import ZONE
from local.demo.intake import windows_path
from local.demo.processes import NotReadyError
from local.faststats.delivery_file_generator import delivery_file_name, write_delivery_file
from local.faststats.peoplestage import ScriptBroadcaster, SlotError
from local.faststats.wizard import BroadcastJob, insert_job
from shared.broadcast import guid_in

#: Rows of a delivery file.
_FEWEST, _MOST = 3, 9
#: What is asked for, and how often among each other. The closed loop takes one broadcast at a time.
_KINDS: Final = {
    "import job": 8,
    "after import": 5,
    "at a time": 3,
    "upload only": 3,
    "closed loop": 3,
    "sending batch": 7,
    "export": 4,
    "drop": 7,
    "PeopleStage": 5,
}
_CHANNELS: Final = {"after import": "after", "closed loop": "loop", "sending batch": "batch", "export": "export"}
_COLUMNS: Final = {"urn_column": "Kunden ID", "email_column": "Email", "communication_key_column": "Communication Key"}
#: Calls of a script until PeopleStage gives a delivery up.
_CALLS: Final = 60


class Intake:
    """Asks for broadcasts, and knows what was asked for.

    Args:
        installation: whom it asks.
        chance: chooses what is asked for.
    """

    def __init__(self, installation: Installation, chance: Random) -> None:
        self._installation = installation
        self._chance = chance
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="PeopleStage")
        self.asked: Counter[str] = Counter()
        self.jobs: list[int] = []
        self.files: list[str] = []
        self.deliveries: list[str] = []
        with ContainerClient.from_connection_string(installation.storage, DROPPED) as container:
            container.create_container()

    def ask(self) -> None:
        """Ask for one broadcast."""
        kind = self._chance.choices(list(_KINDS), list(_KINDS.values()))[0]
        self.asked[kind] += 1
        number = self.asked.total()
        list_name = self._chance.choice(LISTS)
        file = self._installation.deliveries / delivery_file_name(list_name, number)
        # People of its own: who unsubscribes is not mailed again, so that ever more broadcasts would be short.
        write_delivery_file(file, self._chance.randint(_FEWEST, _MOST), number, first=number * (_MOST + 1))
        match kind:
            case "drop":
                self._drop(file)
            case "PeopleStage":
                self.deliveries.append(file.name)
                self._pool.submit(self._deliver, file, list_name)
            case _:
                self._order(kind, file, list_name)

    def finish(self) -> None:
        """Wait until PeopleStage has delivered everything, or has given it up."""
        self._pool.shutdown()

    def _order(self, kind: str, file: Path, list_name: str) -> None:
        parameters = f"Channel={_CHANNELS.get(kind, 'default')}"
        if kind == "at a time":
            parameters += f";SendAt={self._optimizely_time() + timedelta(hours=2):%Y-%m-%dT%H:%M:%S}Z"
        job = BroadcastJob(
            list_name=list_name,
            message_name="Spring Newsletter",
            file_path=windows_path(file.name),
            system="Chaos",
            upload_only=kind == "upload only",
            parameters=parameters,
            **_COLUMNS,  # type: ignore[arg-type]
        )
        self.jobs.append(insert_job(self._installation.ws_database, job, zone=ZONE, now=datetime.now(UTC)))

    def _optimizely_time(self) -> datetime:
        url = f"{self._installation.optimizely['control_url']}/clock"
        answer = requests.post(url, json={}, timeout=60)
        return datetime.fromisoformat(answer.json()["simulated_time"])

    def _drop(self, file: Path) -> None:
        self.files.append(file.name)
        with (
            ContainerClient.from_connection_string(self._installation.storage, DROPPED) as container,
            file.open("rb") as content,
        ):
            container.upload_blob(file.name, content)

    def _deliver(self, file: Path, list_name: str) -> None:
        """Run the Upload and the Broadcast script, again and again as PeopleStage repeats a delivery."""
        inputs = {
            "ListName": list_name,
            "MessageName": "Spring Newsletter",
            "UrnFieldName": "Kunden ID",
            "EmailFieldName": "Email",
            "CommunicationKeyFieldName": "Communication Key",
            "TransactionType": "Replace",
        }
        for number in range(_CALLS):
            try:
                ready = self._installation.hosts[number % 2].wait_ready()  # a host that was restarted has another port
                scripts = ScriptBroadcaster(ready["url"], ready["function_key"], {"Wait": "false"})
                scripts.broadcast(scripts.upload(file, windows_path(file.name), **inputs))
            except SlotError as error:
                if error.code == "delivery-ended":
                    return  # somebody cancelled it, or it waits for an operator
            except (OSError, ValueError, requests.RequestException, TimeoutError, NotReadyError):
                pass  # the host was killed, or is frozen
            else:
                return
            time.sleep(2)

    def keys_of_deliveries(self) -> list[str]:
        """The keys of PeopleStage's deliveries."""
        return [f"D{guid.hex}" for name in self.deliveries if (guid := guid_in(name)) is not None]
