"""What the bridge needs of RS_DB, the response database, with the default names."""

from typing import Final

from shared.faststats.schema_map.entries import Column, DatabaseSpec, Entry, Group, Kind, Table

RS_DB: Final = DatabaseSpec(
    key="rs_db",
    tables=(
        Table(
            key="broadcasts",
            default="Broadcasts",
            published=True,
            columns=(
                Column("id", "Id", Kind.NUMBER, published=True, written=False, generated=True, primary_key=True),
                Column("broadcaster", "Broadcaster", Kind.VALUE, published=True, values=("rs_db.values.broadcaster",)),
                Column("list_name", "ListName", Kind.TEXT, published=True, length=255),
                Column(
                    "step_id",
                    "StepId",
                    Kind.NUMBER,
                    published=True,
                    nullable=True,
                    consequence="responses are not joined to PeopleStage's communications",
                ),
                Column(
                    "run",
                    "Run",
                    Kind.NUMBER,
                    published=True,
                    nullable=True,
                    consequence="responses are not joined to PeopleStage's communications",
                ),
                Column(
                    "parameters",
                    "Parameters",
                    Kind.TEXT,
                    note="the column is published, its name is not",
                    nullable=True,
                    consequence="the channel's parameters are not recorded",
                ),
            ),
        ),
        Table(
            key="broadcasts_detail",
            default="BroadcastsDetail",
            published=True,
            columns=(
                Column(
                    "id",
                    "Id",
                    Kind.NUMBER,
                    written=False,
                    generated=True,
                    primary_key=True,
                    consequence="nothing is lost",
                ),
                Column(
                    "broadcast_id", "BroadcastId", Kind.NUMBER, published=True, references="broadcasts.id", indexed=True
                ),
                Column(
                    "action_type",
                    "ActionType",
                    Kind.VALUE,
                    published=True,
                    values=("rs_db.values.prepared", "rs_db.values.delivered"),
                ),
                Column("status", "Status", Kind.VALUE, published=True, values=("rs_db.values.completed",)),
                Column(
                    "parameters",
                    "Parameters",
                    Kind.TEXT,
                    published=True,
                    nullable=True,
                    consequence="the broadcast's key is not recorded",
                ),
                Column(
                    "broadcaster_transaction_id",
                    "BroadcasterTransactionId",
                    Kind.TEXT,
                    published=True,
                    length=255,
                    nullable=True,
                ),
                *(
                    Column(
                        key, name, Kind.NUMBER, published=True, nullable=True, consequence="the count is not recorded"
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
                Column("id", "Id", Kind.NUMBER, published=True, written=False, generated=True, primary_key=True),
                Column(
                    "email",
                    "Email",
                    Kind.TEXT,
                    published=True,
                    length=320,
                    nullable=True,
                    consequence="responses have no address",
                ),
                Column(
                    "urn",
                    "Urn",
                    Kind.TEXT,
                    published=True,
                    length=255,
                    nullable=True,
                    consequence="responses have no URN",
                ),
                Column(
                    "communication_key",
                    "CommunicationKey",
                    Kind.TEXT,
                    note="inferred from a parameter of FERG",
                    length=64,
                    nullable=True,
                    consequence="responses have no Communication Key",
                ),
                Column("message_type", "MessageType", Kind.TEXT, published=True, length=50),
                Column(
                    "message_name",
                    "MessageName",
                    Kind.TEXT,
                    published=True,
                    length=255,
                    nullable=True,
                    consequence="responses have no message name",
                ),
                Column(
                    "delivery_date",
                    "DeliveryDate",
                    Kind.TIME,
                    published=True,
                    nullable=True,
                    consequence="responses have no time of delivery",
                ),
                Column(
                    "click_url",
                    "ClickUrl",
                    Kind.TEXT,
                    published=True,
                    length=2000,
                    nullable=True,
                    consequence="clicks have no URL",
                ),
                Column(
                    "click_date",
                    "ClickDate",
                    Kind.TIME,
                    published=True,
                    nullable=True,
                    consequence="clicks have only the time of their event",
                ),
                Column("event_triggered_date", "EventTriggeredDate", Kind.TIME, published=True),
                Column(
                    "broadcast_id",
                    "BroadcastId",
                    Kind.NUMBER,
                    published=True,
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
                Column("id", "Id", Kind.NUMBER, published=True, primary_key=True, references="response.id"),
                Column("name", "Name", Kind.TEXT, published=True, length=255, primary_key=True),
                Column("value", "Value", Kind.TEXT, published=True, length=4000, nullable=True),
            ),
        ),
    ),
    groups=(
        Group(
            key="values",
            entries=(
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
