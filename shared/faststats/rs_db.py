"""RS_DB, the response database: rows of `Broadcasts` and `BroadcastsDetail`, and responses.

Every function works within the caller's transaction, so that what it writes and the ledger's record
of it commit together: a step that is repeated writes no row twice.

`Response` has no column in which a key of ours could stand, and yet the ledger must know which of its rows tells of
which event. So the rows are inserted by increasing line, and their ids come back: both databases give ids in the order
of the rows that are inserted (SQL Server promises it for `INSERT … SELECT … ORDER BY`). Sorted, the n-th id is that of
the n-th row, whoever else takes ids in between. Nothing of a row but its id leaves the database.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import batched
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, delete, func, insert, literal, select, update

from shared.broadcast import Broadcast, Source
from shared.errors import RowsUnaccounted
from shared.faststats.schema_map.names import RsDbSchema, present
from shared.ledger.responses.staging import Batch, details_of
from shared.ledger.tables import broadcast as ledger_broadcast
from shared.ledger.tables import response_staging as staging
from shared.ledger.tables import unmatched_response as unmatched

#: Values in one statement (SQL Server takes 2,100 parameters).
_VALUES: Final = 1000
#: Rows read by one statement.
_PAGE: Final = 10_000


class RsDb:
    """What the bridge writes to RS_DB.

    Args:
        schema: its tables.
    """

    def __init__(self, schema: RsDbSchema) -> None:
        self._schema = schema

    # Broadcasts

    def find_broadcast(self, connection: Connection, broadcast: Broadcast) -> int | None:
        """`Broadcasts.Id` of the row that FastStats itself wrote for a broadcast of PeopleStage's channel.

        It writes the transaction id that the Upload script returned: the broadcast's key.
        """
        detail = self._schema.broadcasts_detail
        if "broadcaster_transaction_id" not in detail.c:
            return None
        wanted = select(func.max(detail.c.broadcast_id)).where(detail.c.broadcaster_transaction_id == broadcast.key)
        found = connection.execute(wanted).scalar_one()
        return None if found is None else int(found)

    def record_prepared(self, connection: Connection, broadcast: Broadcast) -> int | None:
        """Record the upload as FastStats does: a row of `Broadcasts` and its `Prepared` row.

        For a broadcast of PeopleStage's channel FastStats does so by itself, from what the Upload script returns.

        A broadcast that failed afterwards and is uploaded anew keeps its rows; the `Prepared` row tells of the last
        upload. One that ends before it was sent has no other row.

        Returns:
            `Broadcasts.Id`, to which responses refer; None while FastStats has not written it.
        """
        if broadcast.request.source is Source.CHANNEL:
            return broadcast.rs_broadcast_id or self.find_broadcast(connection, broadcast)
        if broadcast.rs_broadcast_id is not None:
            self._change_detail(connection, broadcast.rs_broadcast_id, self._schema.prepared, _prepared(broadcast))
            return broadcast.rs_broadcast_id
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
        self._add_detail(connection, broadcast_id, self._schema.prepared, _prepared(broadcast))
        return int(broadcast_id)

    def record_delivered(self, connection: Connection, broadcast: Broadcast) -> None:
        """Record that the message was sent: the `Delivered` row, with the mailing id that responses carry.

        For a broadcast of PeopleStage's channel FastStats has written that row if the Broadcast script did not wait,
        with what was known then: it gets the mailing id and the counts.
        """
        if broadcast.rs_broadcast_id is None:
            return
        if broadcast.request.source is Source.CHANNEL:
            self._change_detail(connection, broadcast.rs_broadcast_id, self._schema.delivered, _delivered(broadcast))
        else:
            self._add_detail(connection, broadcast.rs_broadcast_id, self._schema.delivered, _delivered(broadcast))

    def _add_detail(
        self, connection: Connection, broadcast_id: int, action: str | int, values: Mapping[str, object]
    ) -> None:
        detail = self._schema.broadcasts_detail
        row = {"broadcast_id": broadcast_id, "action_type": action, "status": self._schema.completed, **values}
        connection.execute(insert(detail).values(present(detail, row)))

    def _change_detail(
        self, connection: Connection, broadcast_id: int, action: str | int, values: Mapping[str, object]
    ) -> None:
        detail = self._schema.broadcasts_detail
        connection.execute(
            update(detail)
            .where(detail.c.broadcast_id == broadcast_id, detail.c.action_type == action)
            .values(present(detail, values))
        )

    # Responses

    def add_responses(self, connection: Connection, batch: Batch) -> list[int]:
        """Write new staged rows to `Response` and `ResponseDetails`.

        Returns:
            `Response.Id` of each, by increasing line; so they increase too.

        Raises:
            RowsUnaccounted: the database did not give every row an id.
        """
        response = self._schema.response
        every: dict[str, ColumnElement[Any]] = {
            "email": staging.c.email,
            "urn": staging.c.urn,
            "communication_key": staging.c.communication_key,
            "message_type": staging.c.message_type,
            "message_name": func.coalesce(ledger_broadcast.c.message_name, ""),
            "delivery_date": staging.c.delivery_wall,
            "click_url": func.nullif(staging.c.click_url, ""),
            "click_date": staging.c.click_wall,
            "event_triggered_date": staging.c.event_wall,
            "broadcast_id": ledger_broadcast.c.rs_broadcast_id,
        }
        values = {name: value for name, value in every.items() if name in response.c}
        ordered = (
            select(*values.values())
            .select_from(staging.outerjoin(ledger_broadcast, ledger_broadcast.c.id == staging.c.broadcast_id))
            .where(batch.rows)
            .order_by(staging.c.line)
            # SQL Server takes an order only together with a number of rows.
            .limit(batch.size)
        )
        inserted = insert(response).from_select(list(values), ordered).returning(response.c.id)
        ids = sorted(connection.scalars(inserted).all())
        if len(ids) != batch.size:
            raise RowsUnaccounted(what="Response", read=batch.size, accounted=len(ids))
        details = [
            {"id": ids[place - batch.first_place], "name": name, "value": value}
            for place, told in details_of(connection, batch)
            for name, value in told.items()
        ]
        if details:
            connection.execute(insert(self._schema.response_details), details)
        return ids

    def attribute(self, connection: Connection, found: ColumnElement[bool]) -> None:
        """Tell responses that had found no broadcast whose they are.

        Args:
            connection: the transaction.
            found: which rows of `unmatched_response`; those with a broadcast are taken.
        """
        response = self._schema.response
        connection.execute(
            update(response)
            .where(
                found,
                unmatched.c.response_id == response.c.id,
                ledger_broadcast.c.id == unmatched.c.broadcast_id,
            )
            .values(
                present(
                    response,
                    {
                        "broadcast_id": ledger_broadcast.c.rs_broadcast_id,
                        "message_name": ledger_broadcast.c.message_name,
                    },
                )
            )
        )

    def count_found(self, connection: Connection, found: ColumnElement[bool]) -> list[tuple[int, str, int]]:
        """How many responses that had found no broadcast have found one: broadcasts' ids, message types, rows.

        Args:
            connection: the transaction.
            found: which rows of `unmatched_response`; those with a broadcast are counted.
        """
        response = self._schema.response
        wanted = (
            select(unmatched.c.broadcast_id, response.c.message_type, func.count())
            .select_from(unmatched.join(response, response.c.id == unmatched.c.response_id))
            .where(found, unmatched.c.broadcast_id.is_not(None))
            .group_by(unmatched.c.broadcast_id, response.c.message_type)
        )
        return [(one, kind, rows) for one, kind, rows in connection.execute(wanted).all()]

    # Persons who are erased

    def responses_of(
        self,
        connection: Connection,
        *,
        addresses: Sequence[str],
        urns: Sequence[str],
        communication_keys: Sequence[str],
    ) -> list[tuple[int, str, str, str]]:
        """Responses with one of these values: id, address, URN, Communication Key; what there is none of is empty.

        Args:
            connection: the transaction.
            addresses: in whatever case; so are the others.
            urns: URNs.
            communication_keys: Communication Keys.
        """
        response = self._schema.response
        wanted = {"email": addresses, "urn": urns, "communication_key": communication_keys}
        found: dict[int, tuple[int, str, str, str]] = {}
        for name, values in wanted.items():
            either = sorted({*values, *(value.lower() for value in values)})
            for some in batched(either if name in response.c else (), _VALUES, strict=False):
                these = self._persons().where(func.lower(response.c[name]).in_(some))
                found.update((row[0], row) for row in _without_nulls(connection.execute(these).all()))
        return list(found.values())

    def every_response(self, connection: Connection) -> Iterator[tuple[int, str, str, str]]:
        """All responses, as `responses_of` tells them, by their ids."""
        response = self._schema.response
        after = -1
        while page := connection.execute(
            self._persons().where(response.c.id > after).order_by(response.c.id).limit(_PAGE)
        ).all():
            yield from _without_nulls(page)
            after = page[-1][0]

    def _persons(self) -> Select[int, str | None, str | None, str | None]:
        response = self._schema.response
        names = ("email", "urn", "communication_key")
        return select(response.c.id, *(response.c[name] if name in response.c else literal("") for name in names))

    def anonymise(self, connection: Connection, response_ids: Iterable[int]) -> None:
        """Leave of responses what happened when, of which broadcast; nothing that tells who it was."""
        response, details = self._schema.response, self._schema.response_details
        nothing = {"email": "", "urn": "", "communication_key": "", "click_url": None}
        for some in batched(response_ids, _VALUES, strict=False):
            connection.execute(delete(details).where(details.c.id.in_(some)))
            connection.execute(update(response).where(response.c.id.in_(some)).values(present(response, nothing)))

    def remove_responses(self, connection: Connection, response_ids: Iterable[int]) -> None:
        """Remove responses and their details."""
        response, details = self._schema.response, self._schema.response_details
        for some in batched(response_ids, _VALUES, strict=False):
            connection.execute(delete(details).where(details.c.id.in_(some)))
            connection.execute(delete(response).where(response.c.id.in_(some)))

    def count_by_type(self, connection: Connection) -> dict[str, int]:
        """Rows of `Response` by message type."""
        response = self._schema.response
        wanted = select(response.c.message_type, func.count().label("count")).group_by(response.c.message_type)
        return {str(row[0]): int(row[1]) for row in connection.execute(wanted)}


def transaction_id(broadcast: Broadcast) -> str:
    """The id that responses of a broadcast carry: its mailing, or its Smart Campaign where that holds several."""
    return str(broadcast.mailing_id or broadcast.campaign_id)


def _without_nulls(rows: Iterable[Row[int, str | None, str | None, str | None]]) -> Iterator[tuple[int, str, str, str]]:
    for id_, address, urn, key in rows:
        yield id_, address or "", urn or "", key or ""


def _prepared(broadcast: Broadcast) -> dict[str, object]:
    """What the upload is known by: the sending batch, else the broadcast's key; and how many rows went into it."""
    rows = broadcast.rows
    return {
        "parameters": _parameters(broadcast),
        "broadcaster_transaction_id": str(broadcast.batch_id or broadcast.key),
        "recipients_uploaded": rows and rows.uploaded,
        "recipients_rejected": rows and rows.read - rows.uploaded,
        "recipients_broadcast": None,
    }


def _delivered(broadcast: Broadcast) -> dict[str, object]:
    """What Optimizely reports: recipients on the list, those that it did not send to, those that it sent to."""
    rows, sent = broadcast.rows, broadcast.sent
    uploaded = None if rows is None else rows.uploaded
    given = uploaded if broadcast.imported is None else broadcast.imported
    return {
        "parameters": _parameters(broadcast),
        "broadcaster_transaction_id": transaction_id(broadcast),
        "recipients_uploaded": given,
        "recipients_rejected": None if given is None or sent is None else max(given - sent, 0),
        "recipients_broadcast": sent,
    }


def _parameters(broadcast: Broadcast) -> str:
    """`key=value;` for each that is known, as the product writes them."""
    told = {
        "BroadcastKey": broadcast.key,
        "CampaignId": broadcast.campaign_id,
        "MailingId": broadcast.mailing_id,
        "BatchId": broadcast.batch_id,
    }
    return "".join(f"{name}={value};" for name, value in told.items() if value is not None)
