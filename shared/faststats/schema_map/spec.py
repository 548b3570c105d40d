"""What the bridge needs of WS_DB, RS_DB and PS_DB, and what it takes for their names. Pure data.

Apteco publishes only part of its databases. An entry that is `published` is named in public material
(docs/why/sources.md, Apteco 3, 4.1 and 4.3); every other is an assumption, built from the field names of Apteco's own
API or from the published delivery commands. Types and keys are assumptions throughout.

From these entries come the keys of the schema map, the tables, what is compared with the real catalogue, and the
page that `bridge schema-map show` prints.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final


class Kind(Enum):
    """What a column holds."""

    NUMBER = "a number"
    TEXT = "text"
    TIME = "a date with its time"
    #: A state or a type: a word or a number, as the schema map says.
    VALUE = "a value of the schema map"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the schema map."""

    key: str
    default: str | int
    published: bool = False
    #: What else is to be said of it.
    note: str = ""
    #: What is lost where it is mapped to nothing; empty: the bridge cannot do without it.
    without: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column(Entry):
    """A column. `default` is its name."""

    kind: Kind
    #: Most characters that the bridge writes; None: any number.
    length: int | None = None
    #: For `Kind.VALUE`: the section and the keys of the values that it can have.
    values: tuple[str, ...] = ()
    written: bool = True
    #: The database gives the value by itself when a row is inserted.
    generated: bool = False
    #: Whether the bridge leaves it empty at times.
    nullable: bool = False
    primary_key: bool = False
    #: `table.column` that it points to, by keys.
    references: str = ""
    indexed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Entry):
    """A table or view. `default` is its name."""

    columns: tuple[Column, ...]
    #: Whether the bridge inserts rows.
    inserted: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Entries that are neither tables nor columns: state values, or XML paths."""

    key: str
    entries: tuple[Entry, ...]
    paths: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSpec:
    """What is needed of one database. `key` is its section in the schema map."""

    key: str
    tables: tuple[Table, ...]
    groups: tuple[Group, ...]

    def sections(self) -> Iterator[tuple[str, tuple[Entry, ...]]]:
        """Every section of the map with its entries, the table's own name first."""
        yield self.key, (SCHEMA,)
        for table in self.tables:
            own = Entry(
                key="table",
                default=table.default,
                published=table.published,
                note=table.note,
                without=table.without,
            )
            yield f"{self.key}.{table.key}", (own, *table.columns)
        for group in self.groups:
            yield f"{self.key}.{group.key}", group.entries


SCHEMA: Final = Entry(
    key="schema",
    default="",
    published=True,
    without="the server looks in the login's own schema, then in dbo",
)

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

RS_DB: Final = DatabaseSpec(
    key="rs_db",
    tables=(
        Table(
            key="broadcasts",
            default="Broadcasts",
            published=True,
            columns=(
                Column(
                    key="id",
                    default="Id",
                    published=True,
                    kind=Kind.NUMBER,
                    written=False,
                    generated=True,
                    primary_key=True,
                ),
                Column(
                    key="broadcaster",
                    default="Broadcaster",
                    published=True,
                    kind=Kind.VALUE,
                    values=("rs_db.values.broadcaster",),
                ),
                Column(key="list_name", default="ListName", published=True, kind=Kind.TEXT, length=255),
                Column(
                    key="step_id",
                    default="StepId",
                    published=True,
                    kind=Kind.NUMBER,
                    nullable=True,
                    without="responses are not joined to PeopleStage's communications",
                ),
                Column(
                    key="run",
                    default="Run",
                    published=True,
                    kind=Kind.NUMBER,
                    nullable=True,
                    without="responses are not joined to PeopleStage's communications",
                ),
                Column(
                    key="parameters",
                    default="Parameters",
                    note="that there is such a column is published, its name is not",
                    kind=Kind.TEXT,
                    nullable=True,
                    without="the channel's parameters are not kept",
                ),
            ),
        ),
        Table(
            key="broadcasts_detail",
            default="BroadcastsDetail",
            published=True,
            columns=(
                Column(
                    key="id",
                    default="Id",
                    kind=Kind.NUMBER,
                    written=False,
                    generated=True,
                    primary_key=True,
                    without="nothing is lost",
                ),
                Column(
                    key="broadcast_id",
                    default="BroadcastId",
                    published=True,
                    kind=Kind.NUMBER,
                    references="broadcasts.id",
                    indexed=True,
                ),
                Column(
                    key="action_type",
                    default="ActionType",
                    published=True,
                    kind=Kind.VALUE,
                    values=("rs_db.values.prepared", "rs_db.values.delivered"),
                ),
                Column(
                    key="status",
                    default="Status",
                    published=True,
                    kind=Kind.VALUE,
                    values=("rs_db.values.completed",),
                ),
                Column(
                    key="parameters",
                    default="Parameters",
                    published=True,
                    kind=Kind.TEXT,
                    nullable=True,
                    without="the broadcast's key is not kept beside it",
                ),
                Column(
                    key="broadcaster_transaction_id",
                    default="BroadcasterTransactionId",
                    published=True,
                    kind=Kind.TEXT,
                    length=255,
                    nullable=True,
                ),
                *(
                    Column(
                        key=key,
                        default=name,
                        published=True,
                        kind=Kind.NUMBER,
                        nullable=True,
                        without="the count is not kept",
                    )
                    for key, name in (
                        ("recipients_uploaded", "RecipientsUploaded"),
                        ("recipients_rejected", "RecipientsRejected"),
                        ("recipients_broadcast", "RecipientsBroadcast"),
                    )
                ),
            ),
        ),
        Table(
            key="response",
            default="Response",
            published=True,
            columns=(
                Column(
                    key="id",
                    default="Id",
                    published=True,
                    kind=Kind.NUMBER,
                    written=False,
                    generated=True,
                    primary_key=True,
                ),
                Column(
                    key="email",
                    default="Email",
                    published=True,
                    kind=Kind.TEXT,
                    length=320,
                    nullable=True,
                    without="responses have no address",
                ),
                Column(
                    key="urn",
                    default="Urn",
                    published=True,
                    kind=Kind.TEXT,
                    length=255,
                    nullable=True,
                    without="responses have no URN",
                ),
                Column(
                    key="communication_key",
                    default="CommunicationKey",
                    note="inferred from a parameter of FERG",
                    kind=Kind.TEXT,
                    length=64,
                    nullable=True,
                    without="responses have no Communication Key",
                ),
                Column(
                    key="message_type",
                    default="MessageType",
                    published=True,
                    kind=Kind.TEXT,
                    length=50,
                ),
                Column(
                    key="message_name",
                    default="MessageName",
                    published=True,
                    kind=Kind.TEXT,
                    length=255,
                    nullable=True,
                    without="responses do not name their message",
                ),
                Column(
                    key="delivery_date",
                    default="DeliveryDate",
                    published=True,
                    kind=Kind.TIME,
                    nullable=True,
                    without="responses do not tell when the message was sent",
                ),
                Column(
                    key="click_url",
                    default="ClickUrl",
                    published=True,
                    kind=Kind.TEXT,
                    length=2000,
                    nullable=True,
                    without="clicks do not tell their link",
                ),
                Column(
                    key="click_date",
                    default="ClickDate",
                    published=True,
                    kind=Kind.TIME,
                    nullable=True,
                    without="clicks have the time of their event only",
                ),
                Column(
                    key="event_triggered_date",
                    default="EventTriggeredDate",
                    published=True,
                    kind=Kind.TIME,
                ),
                Column(
                    key="broadcast_id",
                    default="BroadcastId",
                    published=True,
                    kind=Kind.NUMBER,
                    nullable=True,
                    references="broadcasts.id",
                    indexed=True,
                ),
            ),
        ),
        Table(
            key="response_details",
            default="ResponseDetails",
            published=True,
            columns=(
                Column(
                    key="id",
                    default="Id",
                    published=True,
                    kind=Kind.NUMBER,
                    primary_key=True,
                    references="response.id",
                ),
                Column(key="name", default="Name", published=True, kind=Kind.TEXT, length=255, primary_key=True),
                Column(key="value", default="Value", published=True, kind=Kind.TEXT, length=4000, nullable=True),
            ),
        ),
    ),
    groups=(
        Group(
            key="values",
            entries=(
                Entry(
                    key="broadcaster",
                    default="Optimizely",
                    note="the broadcaster's name in the Channel Editor; for its forerunner Broadcasts has `Optivo`",
                ),
                Entry(key="prepared", default="Prepared", published=True),
                Entry(key="delivered", default="Delivered", published=True),
                Entry(key="completed", default="Completed", published=True),
            ),
        ),
    ),
)

PS_DB: Final = DatabaseSpec(
    key="ps_db",
    tables=(
        Table(
            key="delivery_commands",
            default="vDeliveryCommands",
            published=True,
            inserted=False,
            columns=(
                Column(
                    key="date_added",
                    default="DateAdded",
                    published=True,
                    kind=Kind.TIME,
                    written=False,
                    without="every command is searched, and of several for one file any is taken",
                ),
                Column(key="command", default="Command", published=True, kind=Kind.TEXT, written=False, nullable=True),
            ),
        ),
    ),
    groups=(
        Group(
            key="command",
            paths=True,
            entries=(
                Entry(key="details", default="BroadcastActionDetails | FtpActionDetails", published=True),
                Entry(key="file_path", default="FilePath", published=True),
                Entry(
                    key="step_id",
                    default="StepId | ExternalId/Id",
                    published=True,
                    note="which of the two `Broadcasts.StepId` holds is an assumption",
                ),
                Entry(key="run", default="Run", published=True),
                Entry(key="delivery_key", default="DeliveryKey", published=True),
            ),
        ),
    ),
)

DATABASES: Final = (WS_DB, RS_DB, PS_DB)
