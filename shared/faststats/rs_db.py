"""RS_DB, the response database: rows of `Broadcasts` and `BroadcastsDetail`, and responses.

Every function works within the caller's transaction, so that what it writes and the ledger's record
of it commit together.
"""

from collections.abc import Sequence

from sqlalchemy import Connection, func, insert, select

from shared.broadcast import Broadcast
from shared.faststats.schema_map import RsDbSchema, present
from shared.response import AttributedResponse


class RsDb:
    """What the bridge writes to RS_DB.

    Args:
        schema: its tables.
    """

    def __init__(self, schema: RsDbSchema) -> None:
        self._schema = schema

    def record_prepared(self, connection: Connection, broadcast: Broadcast) -> int:
        """Record the upload as FastStats does: a row of `Broadcasts` and its `Prepared` row.

        Returns:
            `Broadcasts.Id`, to which responses refer.
        """
        request = broadcast.request
        broadcast_id = connection.execute(
            insert(self._schema.broadcasts)
            .values(
                present(
                    self._schema.broadcasts,
                    {
                        "broadcaster": self._schema.broadcaster,
                        "list_name": request.list_name,
                        "step_id": request.step_id,
                        "run": request.run,
                        "parameters": request.parameters,
                    },
                )
            )
            .returning(self._schema.broadcasts.c.id)
        ).scalar_one()
        self._add_detail(connection, broadcast, broadcast_id, self._schema.prepared, broadcast.key)
        return int(broadcast_id)

    def record_delivered(self, connection: Connection, broadcast: Broadcast) -> None:
        """Record that the message was sent: the `Delivered` row, with the mailing id that responses carry."""
        if broadcast.rs_broadcast_id is not None:
            self._add_detail(
                connection,
                broadcast,
                broadcast.rs_broadcast_id,
                self._schema.delivered,
                str(broadcast.mailing_id or broadcast.campaign_id),
            )

    def add_responses(self, connection: Connection, responses: Sequence[AttributedResponse]) -> list[int]:
        """Write rows of `Response` and `ResponseDetails`.

        Returns:
            `Response.Id` of each, in order.
        """
        ids = list(
            connection.scalars(
                insert(self._schema.response).returning(self._schema.response.c.id, sort_by_parameter_order=True),
                [present(self._schema.response, _response_row(attributed)) for attributed in responses],
            )
        )
        details = [
            {"id": response_id, "name": name, "value": value}
            for attributed, response_id in zip(responses, ids, strict=True)
            for name, value in attributed.response.details.items()
        ]
        if details:
            connection.execute(insert(self._schema.response_details), details)
        return ids

    def count_by_type(self, connection: Connection) -> dict[str, int]:
        """Rows of `Response` by message type."""
        response = self._schema.response
        wanted = select(response.c.message_type, func.count().label("count")).group_by(response.c.message_type)
        return {str(row[0]): int(row[1]) for row in connection.execute(wanted)}

    def _add_detail(
        self, connection: Connection, broadcast: Broadcast, broadcast_id: int, action: str | int, transaction_id: str
    ) -> None:
        rows = broadcast.rows
        connection.execute(
            insert(self._schema.broadcasts_detail).values(
                present(
                    self._schema.broadcasts_detail,
                    {
                        "broadcast_id": broadcast_id,
                        "action_type": action,
                        "status": self._schema.completed,
                        "parameters": f"BroadcastKey={broadcast.key};CampaignId={broadcast.campaign_id or ''}",
                        "broadcaster_transaction_id": transaction_id,
                        "recipients_uploaded": rows and rows.uploaded,
                        "recipients_rejected": rows and rows.read - rows.uploaded,
                        "recipients_broadcast": broadcast.sent,
                    },
                )
            )
        )


def _response_row(attributed: AttributedResponse) -> dict[str, object]:
    response = attributed.response
    return {
        "email": response.email,
        "urn": response.urn,
        "communication_key": response.communication_key,
        "message_type": response.message_type,
        "message_name": attributed.message_name,
        "delivery_date": response.delivery_date,
        "click_url": response.click_url or None,
        "click_date": response.click_date,
        "event_triggered_date": response.event_time,
        "broadcast_id": attributed.rs_broadcast_id,
    }
