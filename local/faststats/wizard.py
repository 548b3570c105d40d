"""Plays the Email Broadcasting Wizard of FastStats: inserts a job into WS_DB."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from xml.etree.ElementTree import Element, SubElement, tostring

from sqlalchemy import func, insert, select

from shared.database.connections import Database
from shared.faststats.command_xml import XmlPath
from shared.faststats.schema_map.names import WsDbSchema


@dataclass(frozen=True, slots=True, kw_only=True)
class BroadcastJob:
    """A job of the wizard. Column names are those in the header of the delivery file."""

    list_name: str
    message_name: str
    #: Path as FastStats writes it: on its own Windows machine.
    file_path: str
    system: str = "Demo"
    urn_column: str = "Kunden ID"
    email_column: str = "Email"
    communication_key_column: str = "Communication Key"
    upload_only: bool = False
    #: Additional parameters of the channel, `key=value;key=value`, such as `Channel=…` and `SendAt=…`.
    parameters: str = ""
    priority: int = 10


def insert_job(
    ws_database: Database, job: BroadcastJob, *, zone: str, now: datetime, command: str | None = None
) -> int:
    """Insert a waiting job and its command, as the wizard does.

    Args:
        ws_database: WS_DB.
        job: the job.
        zone: time zone of WS_DB.
        now: time of the insertion.
        command: command to use instead of the one made from `job`.

    Returns:
        The JobID.
    """
    schema = WsDbSchema(zone)
    with ws_database.writing() as connection:
        job_id = connection.execute(
            insert(schema.job_queue)
            .values(
                priority=job.priority,
                state=schema.states["waiting"],
                cancel_requested=0,
                time_added=now,
                system_name=job.system,
                job_type=schema.broadcast_job_type,
            )
            .returning(schema.job_queue.c.job_id)
        ).scalar_one()
        connection.execute(
            insert(schema.commands).values(job_id=job_id, command=command or command_xml(job, schema.paths))
        )
    return int(job_id)


def count_jobs(ws_database: Database, *, zone: str) -> int:
    """The number of jobs in WS_DB, in any state."""
    with ws_database.reading() as connection:
        return connection.execute(select(func.count()).select_from(WsDbSchema(zone).job_queue)).scalar_one()


def command_xml(job: BroadcastJob, paths: Mapping[str, XmlPath]) -> str:
    """The command of a broadcast job."""
    root = Element("DeliveryCommand")
    details = SubElement(root, paths["details"].alternatives[0])
    values = {
        paths["file_path"]: job.file_path,
        paths["list_name"]: job.list_name,
        paths["message_name"]: job.message_name,
        paths["urn_column"]: job.urn_column,
        paths["email_column"]: job.email_column,
        paths["communication_key_column"]: job.communication_key_column,
        paths["upload_only"]: str(job.upload_only).lower(),
        paths["parameters"]: ";".join(
            filter(None, (f"ListName={job.list_name}", f"MessageName={job.message_name}", job.parameters))
        ),
        paths["run"]: "1",
        paths["step_id"]: "4711",
    }
    for path, value in values.items():
        node = details
        for name in path.alternatives[0].split("/"):
            child = node.find(name)
            node = SubElement(node, name) if child is None else child
        node.text = value
    return tostring(root, encoding="unicode")
