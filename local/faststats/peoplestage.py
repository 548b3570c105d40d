"""Plays PeopleStage's script broadcaster: makes the calls of the scripts in `integrations/peoplestage`."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import requests
from sqlalchemy import insert

from shared.database.connections import Database
from shared.faststats.schema_map.names import RsDbSchema

#: Seconds between two calls that ask whether it is done.
_PAUSE_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 300
_TIMEOUT_SECONDS: Final = 60
#: Bytes of a block, as the scripts have it.
BLOCK: Final = 32 * 1024 * 1024


class SlotError(Exception):
    """A slot refused: what a script throws, and PeopleStage shows."""

    def __init__(self, status: int, told: Mapping[str, str]) -> None:
        super().__init__(f"{told.get('error')} [{told.get('code')}]")
        self.status = status
        self.code = told.get("code")


class ScriptBroadcaster:
    """The scripts of one channel.

    Args:
        address: of the functions, with `/api`.
        key: the function key.
        parameters: what every script is given: Integration Parameters.
    """

    def __init__(self, address: str, key: str = "", parameters: Mapping[str, str] | None = None) -> None:
        self._address = address.rstrip("/")
        self._headers = {"x-functions-key": key} if key else {}
        self._parameters = dict(parameters or {})

    def call(self, slot: str, **inputs: object) -> Any:  # noqa: ANN401 - JSON
        """One call of a slot.

        Raises:
            SlotError: it refused.
        """
        answer = requests.post(
            f"{self._address}/peoplestage/{slot}",
            json={"Username": "PeopleStage", "Password": "-", **self._parameters, **inputs},
            headers=self._headers,
            timeout=_TIMEOUT_SECONDS,
        )
        if not answer.ok:
            raise SlotError(answer.status_code, answer.json())
        return answer.json()

    def upload(self, file: Path, path: str, **inputs: str) -> dict[str, Any]:
        """The Upload script: put the file where the slot says, until it is checked and staged.

        Args:
            file: the delivery file on this machine.
            path: the file's path as FastStats gives it.
            inputs: the other inputs of the slot.
        """
        asked = {"Path": path, "Size": file.stat().st_size, **inputs}
        answer: dict[str, Any] = self.call("upload", **asked)
        if "UploadUrl" in answer:
            put(file, answer["UploadUrl"])
            answer = self.call("upload", **asked)
        return self._until_done("upload", answer, asked)

    def broadcast(self, uploaded: Mapping[str, Any], **inputs: str) -> dict[str, Any]:
        """The Broadcast script: release what was uploaded, and wait as far as the channel says.

        Args:
            uploaded: everything that the upload returned.
            inputs: the other inputs of the slot.
        """
        asked = {**uploaded, **inputs}
        return self._until_done("broadcast", self.call("broadcast", **asked), asked)

    def _until_done(self, slot: str, answer: dict[str, Any], asked: Mapping[str, object]) -> dict[str, Any]:
        give_up = time.monotonic() + _PATIENCE_SECONDS
        while not answer["Done"]:
            if time.monotonic() > give_up:
                raise TimeoutError(slot)
            time.sleep(_PAUSE_SECONDS)
            answer = self.call(slot, **asked)
        return {name: value for name, value in answer.items() if name not in {"Done", "State"}}


def record_script(
    rs_database: Database, returned: Mapping[str, Any], *, zone: str, list_name: str, broadcast_id: int | None = None
) -> int:
    """Write the rows of RS_DB that FastStats writes from what a script of PeopleStage's channel returns.

    Args:
        rs_database: RS_DB.
        returned: by the Upload script, or by the Broadcast script.
        zone: zone of the times in RS_DB.
        list_name: of the delivery.
        broadcast_id: `Broadcasts.Id`, for what the Broadcast script returned.

    Returns:
        `Broadcasts.Id`.
    """
    schema = RsDbSchema(zone)
    with rs_database.writing() as connection:
        if broadcast_id is None:
            row = insert(schema.broadcasts).values(broadcaster="PowerShell", list_name=list_name)
            made = connection.execute(row.returning(schema.broadcasts.c.id)).scalar_one()
        connection.execute(
            insert(schema.broadcasts_detail).values(
                broadcast_id=made if broadcast_id is None else broadcast_id,
                action_type=schema.prepared if broadcast_id is None else schema.delivered,
                status=schema.completed,
                parameters="".join(f"{name}={value};" for name, value in returned.items()),
                broadcaster_transaction_id=returned["TransactionId"],
                recipients_uploaded=returned["Recipients"],
                recipients_rejected=returned["RecipientsRejected"],
            )
        )
    return int(made) if broadcast_id is None else broadcast_id


def put(file: Path, url: str) -> None:
    """Put a file into blob storage in blocks, as a signed address allows."""
    ids: list[str] = []
    with file.open("rb") as content:
        while block := content.read(BLOCK):
            ids.append(f"{len(ids):08}".encode().hex()[:16])
            _put(f"{url}&comp=block&blockid={ids[-1]}", block)
    listed = "".join(f"<Latest>{one}</Latest>" for one in ids)
    _put(f"{url}&comp=blocklist", f'<?xml version="1.0" encoding="utf-8"?><BlockList>{listed}</BlockList>'.encode())


def _put(url: str, body: bytes) -> None:
    requests.put(url, data=body, timeout=_TIMEOUT_SECONDS).raise_for_status()
