"""Plays PeopleStage's script broadcaster: the calls of the scripts in `integrations/peoplestage`."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import requests
from sqlalchemy import insert

from shared.database.connections import Database
from shared.faststats.schema_map.names import RsDbSchema

#: Seconds between two calls while the slot is not done.
_PAUSE_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 300
_TIMEOUT_SECONDS: Final = 60
#: Bytes of a block, as in the scripts.
BLOCK: Final = 32 * 1024 * 1024


class SlotError(Exception):
    """A slot responded with an error: a script throws it, and PeopleStage shows it."""

    def __init__(self, status: int, response: Mapping[str, str]) -> None:
        super().__init__(f"{response.get('error')} [{response.get('code')}]")
        self.status = status
        self.code = response.get("code")


class ScriptBroadcaster:
    """The scripts of one channel.

    Args:
        address: address of the functions, including `/api`.
        key: the function key.
        parameters: parameters of all scripts: Integration Parameters.
    """

    def __init__(self, address: str, key: str = "", parameters: Mapping[str, str] | None = None) -> None:
        self._address = address.rstrip("/")
        self._headers = {"x-functions-key": key} if key else {}
        self._parameters = dict(parameters or {})

    def call(self, slot: str, **inputs: object) -> Any:  # noqa: ANN401 - JSON
        """Call a slot.

        Raises:
            SlotError: the slot responded with an error.
        """
        response = requests.post(
            f"{self._address}/peoplestage/{slot}",
            json={"Username": "PeopleStage", "Password": "-", **self._parameters, **inputs},
            headers=self._headers,
            timeout=_TIMEOUT_SECONDS,
        )
        if not response.ok:
            raise SlotError(response.status_code, response.json())
        return response.json()

    def upload(self, file: Path, path: str, **inputs: str) -> dict[str, Any]:
        """The Upload script: upload the file, and wait until it is checked and staged.

        Args:
            file: the delivery file on this machine.
            path: path of the file as FastStats writes it.
            inputs: the other inputs of the slot.
        """
        body = {"Path": path, "Size": file.stat().st_size, **inputs}
        response: dict[str, Any] = self.call("upload", **body)
        if "UploadUrl" in response:
            upload_blob(file, response["UploadUrl"])
            response = self.call("upload", **body)
        return self._until_done("upload", response, body)

    def broadcast(self, uploaded: Mapping[str, Any], **inputs: str) -> dict[str, Any]:
        """The Broadcast script: release the uploaded delivery, and wait as the channel requires.

        Args:
            uploaded: the result of the Upload script.
            inputs: the other inputs of the slot.
        """
        body = {**uploaded, **inputs}
        return self._until_done("broadcast", self.call("broadcast", **body), body)

    def _until_done(self, slot: str, response: dict[str, Any], body: Mapping[str, object]) -> dict[str, Any]:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not response["Done"]:
            if time.monotonic() > deadline:
                raise TimeoutError(slot)
            time.sleep(_PAUSE_SECONDS)
            response = self.call(slot, **body)
        return {name: value for name, value in response.items() if name not in {"Done", "State"}}


def record_script(
    rs_database: Database, result: Mapping[str, Any], *, zone: str, list_name: str, broadcast_id: int | None = None
) -> int:
    """Write the rows that FastStats writes to RS_DB from the result of a script of PeopleStage's channel.

    Args:
        rs_database: RS_DB.
        result: result of the Upload or the Broadcast script.
        zone: time zone of RS_DB.
        list_name: list name of the delivery.
        broadcast_id: `Broadcasts.Id`, for a result of the Broadcast script.

    Returns:
        `Broadcasts.Id`.
    """
    schema = RsDbSchema(zone)
    with rs_database.writing() as connection:
        if broadcast_id is None:
            row = insert(schema.broadcasts).values(broadcaster="PowerShell", list_name=list_name)
            new_id = connection.execute(row.returning(schema.broadcasts.c.id)).scalar_one()
        connection.execute(
            insert(schema.broadcasts_detail).values(
                broadcast_id=new_id if broadcast_id is None else broadcast_id,
                action_type=schema.prepared if broadcast_id is None else schema.delivered,
                status=schema.completed,
                parameters="".join(f"{name}={value};" for name, value in result.items()),
                broadcaster_transaction_id=result["TransactionId"],
                recipients_uploaded=result["Recipients"],
                recipients_rejected=result["RecipientsRejected"],
            )
        )
    return int(new_id) if broadcast_id is None else broadcast_id


def upload_blob(file: Path, url: str) -> None:
    """Upload a file to blob storage in blocks, with a signed address."""
    ids: list[str] = []
    with file.open("rb") as content:
        while block := content.read(BLOCK):
            ids.append(f"{len(ids):08}".encode().hex()[:16])
            _put(f"{url}&comp=block&blockid={ids[-1]}", block)
    blocks = "".join(f"<Latest>{block_id}</Latest>" for block_id in ids)
    _put(f"{url}&comp=blocklist", f'<?xml version="1.0" encoding="utf-8"?><BlockList>{blocks}</BlockList>'.encode())


def _put(url: str, body: bytes) -> None:
    requests.put(url, data=body, timeout=_TIMEOUT_SECONDS).raise_for_status()
