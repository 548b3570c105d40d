"""The ways in: FastStats or PeopleStage is played, and asks for the demo's broadcast. Asking again changes nothing."""

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient

from local.demo.folder import DROPPED, ZONE, DemoFolder, Plan
from local.faststats.delivery_file_generator import delivery_file_name, write_delivery_file
from local.faststats.peoplestage import ScriptBroadcaster, record_script
from local.faststats.wizard import BroadcastJob, count_jobs, insert_job
from shared.bridge import now
from shared.broadcast import SendMode
from shared.config.settings import Settings
from shared.database.connections import Database
from shared.faststats.channel_parameters import parse_parameters

#: How long after the job, by Optimizely's clock, a broadcast is sent that is sent at a time.
_SENT_AFTER: Final = timedelta(hours=36)
#: Columns of the generated delivery file.
_URN, _EMAIL, _COMMUNICATION_KEY = "Kunden ID", "Email", "Communication Key"

type Tell = Callable[[str], None]


def insert_broadcast_job(
    ws_database: Database, folder: DemoFolder, plan: Plan, settings: Settings, at: datetime, tell: Tell
) -> None:
    """FastStats' Email Broadcasting Wizard: a delivery file in the folder of deliveries, a job in WS_DB.

    Args:
        ws_database: WS_DB.
        folder: the demo's folder.
        plan: what is asked for.
        settings: the bridge's.
        at: the time now by Optimizely's clock.
        tell: is told what is done.
    """
    if count_jobs(ws_database, zone=ZONE):
        return
    file = _delivery_file(folder.deliveries, plan)
    job = BroadcastJob(
        list_name=plan.list_name,
        message_name=plan.message_name,
        file_path=windows_path(file.name),
        system=settings.system_name,
        urn_column=_URN,
        email_column=_EMAIL,
        communication_key_column=_COMMUNICATION_KEY,
        upload_only=plan.send == SendMode.UPLOAD_ONLY,
        parameters=_send_at(plan, at, tell),
    )
    job_id = insert_job(ws_database, job, zone=ZONE, now=now())
    tell(f"FastStats has written the delivery file {file.name} and inserted job {job_id} in WS_DB.")


def drop_file(folder: DemoFolder, plan: Plan, storage_connection: str, tell: Tell) -> None:
    """Somebody's export: a delivery file in the container that the channel watches.

    Args:
        folder: the demo's folder.
        plan: what is asked for.
        storage_connection: Azurite's connection string.
        tell: is told what is done.
    """
    file = _delivery_file(folder.path, plan)
    with ContainerClient.from_connection_string(storage_connection, DROPPED) as container, file.open("rb") as content:
        with contextlib.suppress(ResourceExistsError):
            container.create_container()
        try:
            container.upload_blob(file.name, content)
        except ResourceExistsError:
            return
    tell(f"The delivery file {file.name} was dropped into the container “{DROPPED}”.")


def play_peoplestage(
    rs_database: Database, folder: DemoFolder, plan: Plan, host: Mapping[str, Any], at: datetime, tell: Tell
) -> None:
    """PeopleStage's channel: its scripts upload a delivery and have it broadcast.

    Args:
        rs_database: RS_DB, in which FastStats notes what the scripts return.
        folder: the demo's folder.
        plan: what is asked for.
        host: what the Functions host says of itself.
        at: the time now by Optimizely's clock.
        tell: is told what is done.

    Raises:
        SlotError: a slot refused.
        OSError: the host did not answer.
    """
    file = _delivery_file(folder.deliveries, plan)
    parameters = dict(parse_parameters(_send_at(plan, at, tell)))
    scripts = ScriptBroadcaster(host["url"], host["function_key"], {"Wait": "false"} | parameters)
    upload_only = plan.send == SendMode.UPLOAD_ONLY
    uploaded = scripts.upload(
        file,
        windows_path(file.name),
        ListName=plan.list_name,
        MessageName="" if upload_only else plan.message_name,
        UrnFieldName=_URN,
        EmailFieldName=_EMAIL,
        CommunicationKeyFieldName=_COMMUNICATION_KEY,
        TransactionType="Replace",
    )
    tell(
        f"PeopleStage's Upload script has put {file.name} into the container: {uploaded['Recipients']:,} "
        f"recipients are staged, {uploaded['RecipientsRejected']:,} rows are rejected."
    )
    row = record_script(rs_database, uploaded, zone=ZONE, list_name=plan.list_name)
    if not upload_only:
        delivered = scripts.broadcast(uploaded)
        record_script(rs_database, delivered, zone=ZONE, list_name=plan.list_name, broadcast_id=row)
        tell("PeopleStage's Broadcast script has released it.")


def windows_path(name: str) -> str:
    """Path of a delivery file as FastStats writes it."""
    return rf"D:\Apteco\Publish\Demo\system\Deliveries\{name}"


def _delivery_file(folder: Path, plan: Plan) -> Path:
    file = folder / delivery_file_name(plan.list_name, plan.seed)
    write_delivery_file(file, plan.recipients, plan.seed)
    return file


def _send_at(plan: Plan, at: datetime, tell: Tell) -> str:
    if plan.send != SendMode.AT_TIME:
        return ""
    tell(f"It is to be sent at {at + _SENT_AFTER:%Y-%m-%d %H:%M} UTC by Optimizely's clock.")
    return f"SendAt={(at + _SENT_AFTER).isoformat(timespec='seconds')}"
