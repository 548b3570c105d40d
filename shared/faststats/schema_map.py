"""The schema map: tables, columns, state values and XML paths of WS_DB and RS_DB.

Apteco publishes only part of both databases. What is here is what public material gives evidence for
(`JobQueue`, `JobQueueCommands`, `JobQueueResults` with `JobID`/`JobId` and `TimeAdded`; the tables of
RS_DB with their columns); every other name is an ASSUMPTION, marked so, built from the field names of
Apteco's own API. Column types and keys are assumptions throughout.

The tables serve the statements of `ws_db.py` and `rs_db.py`, and as reference DDL for the demo and
the tests. A column's `key` is the name that our code uses.
"""

from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, MetaData, String, Table, Text

from shared.database import LocalDateTime

_Id = BigInteger().with_variant(Integer, "sqlite")


@dataclass(frozen=True, slots=True)
class JobStates:
    """State values of a job. The words are those of Apteco's API; how WS_DB stores them is an ASSUMPTION."""

    waiting: str = "unassigned"
    claimed: str = "incomplete"
    done: str = "done"
    cancelled: str = "cancel"


@dataclass(frozen=True, slots=True)
class CommandPaths:
    """XML paths in the command of a broadcast job, from its root element.

    Evidenced for the delivery commands of PS_DB (`DeliveryCommand/BroadcastActionDetails`); that a job
    of WS_DB has the same form, and that it names list and message so, is an ASSUMPTION.
    """

    details: str = "BroadcastActionDetails"
    file_path: str = "FilePath"
    parameters: str = "Parameters"
    urn_column: str = "UrnColumnName"
    email_column: str = "EmailColumnName"
    communication_key_column: str = "FileSpecification/CommunicationKeyColumnName"
    step_id: str = "ExternalId/Id"
    run: str = "Run"
    list_name: str = "ListName"
    message_name: str = "MessageName"
    upload_only: str = "UploadOnly"


class WsDbSchema:
    """Tables of WS_DB, the Web Service Control database.

    Args:
        zone: zone of the times in it.
    """

    #: Job type of an email broadcast. ASSUMPTION: the list of types is not public.
    broadcast_job_type = "Broadcast"

    def __init__(self, zone: str) -> None:
        self.zone = zone
        self.states = JobStates()
        self.command = CommandPaths()
        self.metadata = MetaData()
        time = LocalDateTime(zone)
        self.job_queue = Table(
            "JobQueue",
            self.metadata,
            Column("JobID", _Id, key="job_id", primary_key=True),
            Column("TimeAdded", time, key="time_added", nullable=False),
            # ASSUMPTION: named as in the API's JobSummary.
            Column("Priority", Integer, key="priority", nullable=False),
            Column("State", String(20), key="state", nullable=False),
            Column("CancelRequested", Integer, key="cancel_requested", nullable=False, default=0),
            Column("TimeSent", time, key="time_sent"),
            Column("TimeFinished", time, key="time_finished"),
            Column("Server", String(255), key="server"),
            Column("SystemName", String(100), key="system_name", nullable=False),
            Column("ThreadNumber", Integer, key="thread_number"),
            Column("Username", String(255), key="username"),
            Column("JobType", String(50), key="job_type", nullable=False),
        )
        self.commands = Table(
            "JobQueueCommands",
            self.metadata,
            Column("JobId", ForeignKey(self.job_queue.c.job_id), key="job_id", primary_key=True),
            Column("Command", Text, key="command", nullable=False),  # ASSUMPTION
        )
        self.results = Table(
            "JobQueueResults",
            self.metadata,
            Column("JobId", ForeignKey(self.job_queue.c.job_id), key="job_id", primary_key=True),
            Column("Results", Text, key="results", nullable=False),  # ASSUMPTION
        )
        # The table is evidenced, its columns are an ASSUMPTION.
        self.delivery_job_summary = Table(
            "DeliveryJobSummary",
            self.metadata,
            Column("Id", _Id, key="id", primary_key=True),
            Column("JobId", ForeignKey(self.job_queue.c.job_id), key="job_id", nullable=False),
            Column("TimeAdded", time, key="time_added", nullable=False),
            Column("Message", Text, key="message", nullable=False),
        )


class RsDbSchema:
    """Tables of RS_DB, the response database. `ResponseStats` exists too, but none of its columns is public.

    Args:
        zone: zone of the times in it.
    """

    #: `Broadcasts.Broadcaster` of the broadcasts that this bridge carries.
    broadcaster = "Optimizely"
    prepared = "Prepared"
    delivered = "Delivered"
    completed = "Completed"

    def __init__(self, zone: str) -> None:
        self.metadata = MetaData()
        time = LocalDateTime(zone)
        self.broadcasts = Table(
            "Broadcasts",
            self.metadata,
            Column("Id", _Id, key="id", primary_key=True),
            Column("Broadcaster", String(50), key="broadcaster", nullable=False),
            Column("ListName", String(255), key="list_name", nullable=False),
            Column("StepId", BigInteger, key="step_id"),
            Column("Run", BigInteger, key="run"),
            Column("Parameters", Text, key="parameters"),  # the column is evidenced, its name an ASSUMPTION
        )
        self.broadcasts_detail = Table(
            "BroadcastsDetail",
            self.metadata,
            Column("Id", _Id, key="id", primary_key=True),  # ASSUMPTION
            Column("BroadcastId", ForeignKey(self.broadcasts.c.id), key="broadcast_id", nullable=False, index=True),
            Column("ActionType", String(50), key="action_type", nullable=False),
            Column("Status", String(50), key="status", nullable=False),
            Column("Parameters", Text, key="parameters"),
            Column("BroadcasterTransactionId", String(255), key="broadcaster_transaction_id"),
            Column("RecipientsUploaded", Integer, key="recipients_uploaded"),
            Column("RecipientsRejected", Integer, key="recipients_rejected"),
            Column("RecipientsBroadcast", Integer, key="recipients_broadcast"),
        )
        self.response = Table(
            "Response",
            self.metadata,
            Column("Id", _Id, key="id", primary_key=True),
            Column("Email", String(320), key="email"),
            Column("Urn", String(255), key="urn"),
            Column("CommunicationKey", String(64), key="communication_key"),  # inferred from FERG's parameters
            Column("MessageType", String(50), key="message_type", nullable=False),
            Column("MessageName", String(255), key="message_name"),
            Column("DeliveryDate", time, key="delivery_date"),
            Column("ClickUrl", String(2000), key="click_url"),
            Column("ClickDate", time, key="click_date"),
            Column("EventTriggeredDate", time, key="event_triggered_date", nullable=False),
            Column("BroadcastId", ForeignKey(self.broadcasts.c.id), key="broadcast_id", index=True),
        )
        self.response_details = Table(
            "ResponseDetails",
            self.metadata,
            Column("Id", ForeignKey(self.response.c.id), key="id", primary_key=True),
            Column("Name", String(255), key="name", primary_key=True),
            Column("Value", String(4000), key="value"),
        )
