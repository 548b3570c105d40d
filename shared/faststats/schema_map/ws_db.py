"""What the bridge needs of WS_DB, the Web Service Control database, with the default names."""

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
                Column("job_id", "JobID", Kind.NUMBER, published=True, written=False, generated=True, primary_key=True),
                Column("time_added", "TimeAdded", Kind.TIME, published=True, written=False),
                Column(
                    "priority",
                    "Priority",
                    Kind.NUMBER,
                    note=_BY_API,
                    written=False,
                    consequence="jobs are claimed by age alone",
                ),
                Column(
                    "state",
                    "State",
                    Kind.VALUE,
                    note=_BY_API,
                    values=tuple(
                        f"ws_db.states.{key}" for key in ("waiting", "claimed", "done", "failed", "cancelled")
                    ),
                ),
                Column(
                    "cancel_requested",
                    "CancelRequested",
                    Kind.NUMBER,
                    note=_BY_API,
                    written=False,
                    nullable=True,
                    consequence="a client can cancel a job only by changing its state",
                ),
                Column(
                    "time_sent",
                    "TimeSent",
                    Kind.TIME,
                    note=_BY_API,
                    nullable=True,
                    consequence="several pollers take over each other's new claims, which only costs time",
                ),
                Column(
                    "time_finished",
                    "TimeFinished",
                    Kind.TIME,
                    note=_BY_API,
                    nullable=True,
                    consequence="the client does not see when a job ended",
                ),
                Column("server", "Server", Kind.TEXT, note=_BY_API, length=255, nullable=True),
                Column(
                    "system_name",
                    "SystemName",
                    Kind.TEXT,
                    note=_BY_API,
                    length=100,
                    written=False,
                    consequence="the setting SYSTEM_NAME is used instead",
                ),
                Column(
                    "job_type",
                    "JobType",
                    Kind.VALUE,
                    note=_BY_API,
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
                    "job_id",
                    "JobId",
                    Kind.NUMBER,
                    published=True,
                    written=False,
                    primary_key=True,
                    references="job_queue.job_id",
                ),
                Column("command", "Command", Kind.TEXT, written=False, nullable=True),
            ),
        ),
        Table(
            key="results",
            default="JobQueueResults",
            published=True,
            consequence="the client does not see results or errors",
            columns=(
                Column("job_id", "JobId", Kind.NUMBER, published=True, primary_key=True, references="job_queue.job_id"),
                Column("results", "Results", Kind.TEXT),
            ),
        ),
        Table(
            key="delivery_job_summary",
            default="DeliveryJobSummary",
            published=True,
            note="the case of the name and the columns are assumptions",
            consequence="the client does not see the progress of a job",
            columns=(
                Column("job_id", "JobId", Kind.NUMBER, references="job_queue.job_id", indexed=True),
                Column("time_added", "TimeAdded", Kind.TIME, consequence="lines have no time"),
                Column("message", "Message", Kind.TEXT, length=1000),
            ),
        ),
    ),
    groups=(
        Group(
            key="states",
            entries=(
                Entry("waiting", "unassigned", note="a word of the API; how WS_DB stores it is unknown"),
                Entry("claimed", "incomplete", note="a word of the API; how WS_DB stores it is unknown"),
                Entry("done", "done", note="a word of the API; how WS_DB stores it is unknown"),
                Entry("failed", "done", note="the API has no word for it"),
                Entry("cancelled", "cancel", note="a word of the API; how WS_DB stores it is unknown"),
            ),
        ),
        Group(key="job_types", entries=(Entry("broadcast", "Broadcast", note="the job types are not public"),)),
        Group(
            key="command",
            paths=True,
            entries=(
                Entry("details", "BroadcastActionDetails", note=_BY_COMMANDS),
                Entry("file_path", "FilePath", note=_BY_COMMANDS),
                Entry("parameters", "Parameters", note=_BY_COMMANDS),
                Entry("urn_column", "UrnColumnName", note=_BY_COMMANDS),
                Entry("email_column", "EmailColumnName", note=_BY_COMMANDS),
                Entry("communication_key_column", "FileSpecification/CommunicationKeyColumnName", note=_BY_COMMANDS),
                Entry("step_id", "StepId | ExternalId/Id", note=_BY_COMMANDS),
                Entry("run", "Run", note=_BY_COMMANDS),
                Entry("list_name", "ListName"),
                Entry("message_name", "MessageName"),
                Entry("upload_only", "UploadOnly"),
            ),
        ),
    ),
)
