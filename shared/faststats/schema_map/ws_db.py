"""What the bridge needs of WS_DB, the Web Service Control database, and the usual names."""

from typing import Final

from shared.faststats.schema_map.entries import Column, DatabaseSpec, Entry, Group, Kind, Table

_BY_API: Final = "named as in the API's JobSummary"
_BY_COMMANDS: Final = "published for the delivery commands of PS_DB"

WS_DB: Final = DatabaseSpec(
    key="ws_db",
    tables=(
        Table(
            key="job_queue",
            default="JobQueue",
            published=True,
            inserted=False,
            columns=(
                Column(
                    key="job_id",
                    default="JobID",
                    published=True,
                    kind=Kind.NUMBER,
                    written=False,
                    generated=True,
                    primary_key=True,
                ),
                Column(key="time_added", default="TimeAdded", published=True, kind=Kind.TIME, written=False),
                Column(
                    key="priority",
                    default="Priority",
                    note=_BY_API,
                    kind=Kind.NUMBER,
                    written=False,
                    without="jobs are taken by age alone",
                ),
                Column(
                    key="state",
                    default="State",
                    note=_BY_API,
                    kind=Kind.VALUE,
                    values=tuple(
                        f"ws_db.states.{key}" for key in ("waiting", "claimed", "done", "failed", "cancelled")
                    ),
                ),
                Column(
                    key="cancel_requested",
                    default="CancelRequested",
                    note=_BY_API,
                    kind=Kind.NUMBER,
                    written=False,
                    nullable=True,
                    without="a client can cancel a job only by changing its state",
                ),
                Column(
                    key="time_sent",
                    default="TimeSent",
                    note=_BY_API,
                    kind=Kind.TIME,
                    nullable=True,
                    without="several pollers take over each other's fresh claims, which costs time only",
                ),
                Column(
                    key="time_finished",
                    default="TimeFinished",
                    note=_BY_API,
                    kind=Kind.TIME,
                    nullable=True,
                    without="the client does not see when a job ended",
                ),
                Column(key="server", default="Server", note=_BY_API, kind=Kind.TEXT, length=255, nullable=True),
                Column(
                    key="system_name",
                    default="SystemName",
                    note=_BY_API,
                    kind=Kind.TEXT,
                    length=100,
                    written=False,
                    without="the setting SYSTEM_NAME stands for it",
                ),
                Column(
                    key="job_type",
                    default="JobType",
                    note=_BY_API,
                    kind=Kind.VALUE,
                    values=("ws_db.job_types.broadcast",),
                    written=False,
                ),
            ),
        ),
        Table(
            key="commands",
            default="JobQueueCommands",
            published=True,
            inserted=False,
            columns=(
                Column(
                    key="job_id",
                    default="JobId",
                    published=True,
                    kind=Kind.NUMBER,
                    written=False,
                    primary_key=True,
                    references="job_queue.job_id",
                ),
                Column(key="command", default="Command", kind=Kind.TEXT, written=False, nullable=True),
            ),
        ),
        Table(
            key="results",
            default="JobQueueResults",
            published=True,
            without="the client does not see results and errors",
            columns=(
                Column(
                    key="job_id",
                    default="JobId",
                    published=True,
                    kind=Kind.NUMBER,
                    primary_key=True,
                    references="job_queue.job_id",
                ),
                Column(key="results", default="Results", kind=Kind.TEXT),
            ),
        ),
        Table(
            key="delivery_job_summary",
            default="DeliveryJobSummary",
            published=True,
            note="its case and its columns are assumptions",
            without="the client does not see how far a job is",
            columns=(
                Column(key="job_id", default="JobId", kind=Kind.NUMBER, references="job_queue.job_id", indexed=True),
                Column(
                    key="time_added",
                    default="TimeAdded",
                    kind=Kind.TIME,
                    without="lines have no time",
                ),
                Column(key="message", default="Message", kind=Kind.TEXT, length=1000),
            ),
        ),
    ),
    groups=(
        Group(
            key="states",
            entries=(
                Entry(key="waiting", default="unassigned", note="a word of the API; how WS_DB stores it is not known"),
                Entry(key="claimed", default="incomplete", note="a word of the API; how WS_DB stores it is not known"),
                Entry(key="done", default="done", note="a word of the API; how WS_DB stores it is not known"),
                Entry(key="failed", default="done", note="the API has no word of its own for it"),
                Entry(key="cancelled", default="cancel", note="a word of the API; how WS_DB stores it is not known"),
            ),
        ),
        Group(
            key="job_types",
            entries=(Entry(key="broadcast", default="Broadcast", note="the list of job types is not public"),),
        ),
        Group(
            key="command",
            paths=True,
            entries=(
                Entry(key="details", default="BroadcastActionDetails", note=_BY_COMMANDS),
                Entry(key="file_path", default="FilePath", note=_BY_COMMANDS),
                Entry(key="parameters", default="Parameters", note=_BY_COMMANDS),
                Entry(key="urn_column", default="UrnColumnName", note=_BY_COMMANDS),
                Entry(key="email_column", default="EmailColumnName", note=_BY_COMMANDS),
                Entry(
                    key="communication_key_column",
                    default="FileSpecification/CommunicationKeyColumnName",
                    note=_BY_COMMANDS,
                ),
                Entry(key="step_id", default="StepId | ExternalId/Id", note=_BY_COMMANDS),
                Entry(key="run", default="Run", note=_BY_COMMANDS),
                Entry(key="list_name", default="ListName"),
                Entry(key="message_name", default="MessageName"),
                Entry(key="upload_only", default="UploadOnly"),
            ),
        ),
    ),
)
