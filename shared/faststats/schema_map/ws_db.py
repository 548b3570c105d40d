"""What the bridge needs of WS_DB, the Web Service Control database, with the default names."""

from typing import Final

from shared.faststats.schema_map.entries import NUMBER, TEXT, TIME, VALUE, Column, DatabaseSpec, Entry, Group, Table

_BY_API: Final = "named as in the API's JobSummary"
_BY_COMMANDS: Final = "published for the delivery commands of PS_DB"
_BY_WORD: Final = "a word of the API; how WS_DB stores it is unknown"

STATES: Final = (
    Entry("waiting", "unassigned", note=_BY_WORD),
    Entry("claimed", "incomplete", note=_BY_WORD),
    Entry("done", "done", note=_BY_WORD),
    Entry("failed", "done", note="the API has no word for it"),
    Entry("cancelled", "cancel", note=_BY_WORD),
)
_JOB_QUEUE: Final = (
    Column("job_id", "JobID", NUMBER, published=True, written=False, generated=True, primary_key=True),
    Column("time_added", "TimeAdded", TIME, published=True, written=False),
    Column("priority", "Priority", NUMBER, note=_BY_API, written=False, consequence="jobs are claimed by age alone"),
    Column("state", "State", VALUE, note=_BY_API, values=tuple(f"ws_db.states.{state.key}" for state in STATES)),
    Column(
        "cancel_requested",
        "CancelRequested",
        NUMBER,
        note=_BY_API,
        written=False,
        nullable=True,
        consequence="a client can cancel a job only by changing its state",
    ),
    Column(
        "time_sent",
        "TimeSent",
        TIME,
        note=_BY_API,
        nullable=True,
        consequence="several pollers take over each other's new claims, which only costs time",
    ),
    Column(
        "time_finished",
        "TimeFinished",
        TIME,
        note=_BY_API,
        nullable=True,
        consequence="the client does not see when a job ended",
    ),
    Column("server", "Server", TEXT, note=_BY_API, length=255, nullable=True),
    Column(
        "system_name",
        "SystemName",
        TEXT,
        note=_BY_API,
        length=100,
        written=False,
        consequence="the setting SYSTEM_NAME is used instead",
    ),
    Column("job_type", "JobType", VALUE, note=_BY_API, values=("ws_db.job_types.broadcast",), written=False),
)
_COMMANDS: Final = (
    Column("job_id", "JobId", NUMBER, published=True, written=False, primary_key=True, references="job_queue.job_id"),
    Column("command", "Command", TEXT, written=False, nullable=True),
)
_RESULTS: Final = (
    Column("job_id", "JobId", NUMBER, published=True, primary_key=True, references="job_queue.job_id"),
    Column("results", "Results", TEXT),
)
_DELIVERY_JOB_SUMMARY: Final = (
    Column("job_id", "JobId", NUMBER, references="job_queue.job_id", indexed=True),
    Column("time_added", "TimeAdded", TIME, consequence="lines have no time"),
    Column("message", "Message", TEXT, length=1000),
)
WS_DB: Final = DatabaseSpec(
    "ws_db",
    tables=(
        Table("job_queue", "JobQueue", _JOB_QUEUE, published=True, inserted=False),
        Table("commands", "JobQueueCommands", _COMMANDS, published=True, inserted=False),
        Table(
            "results",
            "JobQueueResults",
            _RESULTS,
            published=True,
            consequence="the client does not see results or errors",
        ),
        Table(
            "delivery_job_summary",
            "DeliveryJobSummary",
            _DELIVERY_JOB_SUMMARY,
            published=True,
            note="the case of the name and the columns are assumptions",
            consequence="the client does not see the progress of a job",
        ),
    ),
    groups=(
        Group("states", STATES),
        Group("job_types", (Entry("broadcast", "Broadcast", note="the job types are not public"),)),
        Group(
            "command",
            (
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
            paths=True,
        ),
    ),
)
