"""Submits the demo's broadcast as FastStats, PeopleStage or a dropped file. Submitting it again changes nothing."""

import contextlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import ContainerClient

from local.demo.folder import DROPPED, ZONE, DemoFolder, Plan
from local.faststats.delivery_file_generator import delivery_file_name, write_delivery_file
from local.faststats.peoplestage import ScriptBroadcaster, record_script
from local.faststats.wizard import BroadcastJob, count_jobs, insert_job
from shared.broadcast import SendMode
from shared.config.settings import Settings
from shared.database.connections import Database
from shared.faststats.channel_parameters import parse_parameters

#: Delay of a broadcast that is sent at a time, by Optimizely's clock.
_SEND_DELAY: Final = timedelta(hours=36)
#: Columns of the generated delivery file.
_URN, _EMAIL, _COMMUNICATION_KEY = "Kunden ID", "Email", "Communication Key"

type Report = Callable[[str], None]


def insert_broadcast_job(
    ws_database: Database, folder: DemoFolder, plan: Plan, settings: Settings, optimizely_time: datetime, report: Report
) -> None:
    """Submit as the Email Broadcasting Wizard of FastStats: a delivery file, and a job in WS_DB.

    Args:
        ws_database: WS_DB.
        folder: the demo's folder.
        plan: the broadcast.
        settings: the settings of the bridge.
        optimizely_time: current time by Optimizely's clock.
        report: called with each progress message.
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
        parameters=_send_at(plan, optimizely_time, report),
    )
    job_id = insert_job(ws_database, job, zone=ZONE, now=datetime.now(UTC))
    report(
        f"FastStats wrote the delivery file {file.name} ({plan.recipients:,} rows) "
        f"and inserted job {job_id} into WS_DB."
    )


def drop_file(folder: DemoFolder, plan: Plan, storage_connection: str, report: Report) -> None:
    """Submit as an export of another system: a delivery file in the container that the channel watches.

    Args:
        folder: the demo's folder.
        plan: the broadcast.
        storage_connection: Azurite's connection string.
        report: called with each progress message.
    """
    file = _delivery_file(folder.path, plan)
    with ContainerClient.from_connection_string(storage_connection, DROPPED) as container, file.open("rb") as content:
        with contextlib.suppress(ResourceExistsError):
            container.create_container()
        try:
            container.upload_blob(file.name, content)
        except ResourceExistsError:
            return
    report(f"Uploaded the delivery file {file.name} to the container “{DROPPED}”.")


def play_peoplestage(
    rs_database: Database,
    folder: DemoFolder,
    plan: Plan,
    host: Mapping[str, Any],
    optimizely_time: datetime,
    report: Report,
) -> None:
    """Submit through PeopleStage's channel: its scripts upload a delivery and release the broadcast.

    Args:
        rs_database: RS_DB, in which FastStats records what the scripts return.
        folder: the demo's folder.
        plan: the broadcast.
        host: content of the ready file of the Functions host.
        optimizely_time: current time by Optimizely's clock.
        report: called with each progress message.

    Raises:
        SlotError: a slot responded with an error.
        OSError: the host did not respond.
    """
    file = _delivery_file(folder.deliveries, plan)
    parameters = dict(parse_parameters(_send_at(plan, optimizely_time, report)))
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
    report(
        f"PeopleStage's Upload script uploaded the delivery file {file.name}: "
        f"{uploaded['Recipients']:,} recipients staged, {uploaded['RecipientsRejected']:,} rows rejected."
    )
    row = record_script(rs_database, uploaded, zone=ZONE, list_name=plan.list_name)
    if not upload_only:
        delivered = scripts.broadcast(uploaded)
        record_script(rs_database, delivered, zone=ZONE, list_name=plan.list_name, broadcast_id=row)
        report("PeopleStage's Broadcast script released the broadcast.")


def windows_path(name: str) -> str:
    """The path of a delivery file as FastStats writes it into a job."""
    return rf"D:\Apteco\Publish\Demo\system\Deliveries\{name}"


def _delivery_file(folder: Path, plan: Plan) -> Path:
    file = folder / delivery_file_name(plan.list_name, plan.seed)
    write_delivery_file(file, plan.recipients, plan.seed)
    return file


def _send_at(plan: Plan, optimizely_time: datetime, report: Report) -> str:
    if plan.send != SendMode.AT_TIME:
        return ""
    report(f"The message is scheduled for {optimizely_time + _SEND_DELAY:%Y-%m-%d %H:%M} UTC by Optimizely's clock.")
    return f"SendAt={(optimizely_time + _SEND_DELAY).isoformat(timespec='seconds')}"
