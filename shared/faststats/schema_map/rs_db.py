"""What the bridge needs of RS_DB, the response database, with the default names."""

from typing import Final

from shared.faststats.schema_map.entries import NUMBER, TEXT, TIME, VALUE, Column, DatabaseSpec, Entry, Group, Table

_NOT_JOINED: Final = "responses are not joined to PeopleStage's communications"
_NO_COUNT: Final = "the count is not recorded"

_BROADCASTS: Final = (
    Column("id", "Id", NUMBER, published=True, written=False, generated=True, primary_key=True),
    Column("broadcaster", "Broadcaster", VALUE, published=True, values=("rs_db.values.broadcaster",)),
    Column("list_name", "ListName", TEXT, published=True, length=255),
    Column("step_id", "StepId", NUMBER, published=True, nullable=True, consequence=_NOT_JOINED),
    Column("run", "Run", NUMBER, published=True, nullable=True, consequence=_NOT_JOINED),
    Column(
        "parameters",
        "Parameters",
        TEXT,
        note="the column is published, its name is not",
        nullable=True,
        consequence="the channel's parameters are not recorded",
    ),
)
_BROADCASTS_DETAIL: Final = (
    Column("id", "Id", NUMBER, written=False, generated=True, primary_key=True, consequence="nothing is lost"),
    Column("broadcast_id", "BroadcastId", NUMBER, published=True, references="broadcasts.id", indexed=True),
    Column(
        "action_type", "ActionType", VALUE, published=True, values=("rs_db.values.prepared", "rs_db.values.delivered")
    ),
    Column("status", "Status", VALUE, published=True, values=("rs_db.values.completed",)),
    Column(
        "parameters",
        "Parameters",
        TEXT,
        published=True,
        nullable=True,
        consequence="the broadcast's key is not recorded",
    ),
    Column("broadcaster_transaction_id", "BroadcasterTransactionId", TEXT, published=True, length=255, nullable=True),
    Column("recipients_uploaded", "RecipientsUploaded", NUMBER, published=True, nullable=True, consequence=_NO_COUNT),
    Column("recipients_rejected", "RecipientsRejected", NUMBER, published=True, nullable=True, consequence=_NO_COUNT),
    Column("recipients_broadcast", "RecipientsBroadcast", NUMBER, published=True, nullable=True, consequence=_NO_COUNT),
)
_RESPONSE: Final = (
    Column("id", "Id", NUMBER, published=True, written=False, generated=True, primary_key=True),
    Column("email", "Email", TEXT, published=True, length=320, nullable=True, consequence="responses have no address"),
    Column("urn", "Urn", TEXT, published=True, length=255, nullable=True, consequence="responses have no URN"),
    Column(
        "communication_key",
        "CommunicationKey",
        TEXT,
        note="inferred from a parameter of FERG",
        length=64,
        nullable=True,
        consequence="responses have no Communication Key",
    ),
    Column("message_type", "MessageType", TEXT, published=True, length=50),
    Column(
        "message_name",
        "MessageName",
        TEXT,
        published=True,
        length=255,
        nullable=True,
        consequence="responses have no message name",
    ),
    Column(
        "delivery_date",
        "DeliveryDate",
        TIME,
        published=True,
        nullable=True,
        consequence="responses have no time of delivery",
    ),
    Column("click_url", "ClickUrl", TEXT, published=True, length=2000, nullable=True, consequence="clicks have no URL"),
    Column(
        "click_date",
        "ClickDate",
        TIME,
        published=True,
        nullable=True,
        consequence="clicks have only the time of their event",
    ),
    Column("event_triggered_date", "EventTriggeredDate", TIME, published=True),
    Column(
        "broadcast_id", "BroadcastId", NUMBER, published=True, nullable=True, references="broadcasts.id", indexed=True
    ),
)
_RESPONSE_DETAILS: Final = (
    Column("id", "Id", NUMBER, published=True, primary_key=True, references="response.id"),
    Column("name", "Name", TEXT, published=True, length=255, primary_key=True),
    Column("value", "Value", TEXT, published=True, length=4000, nullable=True),
)
RS_DB: Final = DatabaseSpec(
    "rs_db",
    tables=(
        Table("broadcasts", "Broadcasts", _BROADCASTS, published=True),
        Table("broadcasts_detail", "BroadcastsDetail", _BROADCASTS_DETAIL, published=True),
        Table("response", "Response", _RESPONSE, published=True),
        Table("response_details", "ResponseDetails", _RESPONSE_DETAILS, published=True),
    ),
    groups=(
        Group(
            "values",
            (
                Entry(
                    "broadcaster",
                    "Optimizely",
                    note="the broadcaster's name in the Channel Editor; that of its predecessor is `Optivo`",
                ),
                Entry("prepared", "Prepared", published=True),
                Entry("delivered", "Delivered", published=True),
                Entry("completed", "Completed", published=True),
            ),
        ),
    ),
)
