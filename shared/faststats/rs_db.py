"""RS_DB, the response database: rows of `Broadcasts` and `BroadcastsDetail`, and responses.

Every method works within the caller's transaction, so that the rows and the ledger's record of them commit together: a
step that runs again writes no row twice.

`Response` has no column for a key of ours, yet the ledger must know which of its rows holds which event. So rows are
inserted by increasing line and their ids are returned: both databases assign ids in the order of insertion (SQL Server
guarantees it for `INSERT … SELECT … ORDER BY`). Sorted, the n-th id belongs to the n-th row, whatever ids others take
in between. Nothing of a row but its id leaves the database.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from itertools import batched
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    Table,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)

from shared.broadcast import Broadcast, Intake
from shared.database.objects import triggers
from shared.database.rules import rules_of
from shared.errors import DatabaseRuleBroken
from shared.faststats.completed_responses import complete, correct_types
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
    """The rows that the bridge writes to RS_DB."""

    def __init__(self, schema: RsDbSchema) -> None:
        self._schema = schema
        #: Table `Response`.
        self.response = schema.response

    # Broadcasts

    def find_broadcast(self, connection: Connection, broadcast: Broadcast) -> int | None:
        """`Broadcasts.Id` of the row that FastStats itself wrote for a broadcast of PeopleStage's channel.

        FastStats writes the transaction id that the Upload script returned: the broadcast's key.
        """
        detail = self._schema.broadcasts_detail
        if "broadcaster_transaction_id" not in detail.c:
            return None
        query = select(func.max(detail.c.broadcast_id)).where(detail.c.broadcaster_transaction_id == broadcast.key)
        broadcast_id = connection.execute(query).scalar_one()
        return None if broadcast_id is None else int(broadcast_id)

    def record_prepared(self, connection: Connection, broadcast: Broadcast) -> int | None:
        """Record the upload as FastStats does: a row of `Broadcasts` and its `Prepared` row.

        For a broadcast of PeopleStage's channel FastStats writes both itself, from what the Upload script returns.

        A broadcast that failed afterwards and is uploaded again keeps its rows; the `Prepared` row describes the last
        upload. A broadcast that ends before it was sent has no other row.

        Returns:
            `Broadcasts.Id`, to which responses refer; None until FastStats has written it.
        """
        if broadcast.request.source is Intake.CHANNEL:
            return broadcast.rs_broadcast_id or self.find_broadcast(connection, broadcast)
        if broadcast.rs_broadcast_id is not None:
            self._update_detail(connection, broadcast.rs_broadcast_id, self._schema.prepared, _prepared(broadcast))
            return broadcast.rs_broadcast_id
        table, request = self._schema.broadcasts, broadcast.request
        row = {
            "broadcaster": self._schema.broadcaster,
            "list_name": request.list_name,
            "step_id": request.step_id,
            "run": request.run,
            "parameters": request.parameters,
        }
        with self._rules(connection, table):
            added = insert(table).values(present(table, row)).returning(table.c.id)
            ids = [id_ for id_ in connection.scalars(added).all() if id_]
        self._check_kept(connection, table, ids, 1)
        self._add_detail(connection, ids[0], self._schema.prepared, _prepared(broadcast))
        return int(ids[0])

    def record_delivered(self, connection: Connection, broadcast: Broadcast) -> None:
        """Record that the message was sent: the `Delivered` row, with the mailing id that responses carry.

        For a broadcast of PeopleStage's channel FastStats has written that row already if the Broadcast script did not
        wait: it is completed with the mailing id and the counts.
        """
        if broadcast.rs_broadcast_id is None:
            return
        if broadcast.request.source is Intake.CHANNEL:
            self._update_detail(connection, broadcast.rs_broadcast_id, self._schema.delivered, _delivered(broadcast))
        else:
            self._add_detail(connection, broadcast.rs_broadcast_id, self._schema.delivered, _delivered(broadcast))

    def _add_detail(
        self, connection: Connection, broadcast_id: int, action: str | int, values: Mapping[str, object]
    ) -> None:
        detail = self._schema.broadcasts_detail
        row = {"broadcast_id": broadcast_id, "action_type": action, "status": self._schema.completed, **values}
        with self._rules(connection, detail):
            connection.execute(insert(detail).values(present(detail, row)))

    def _update_detail(
        self, connection: Connection, broadcast_id: int, action: str | int, values: Mapping[str, object]
    ) -> None:
        detail = self._schema.broadcasts_detail
        row = (detail.c.broadcast_id == broadcast_id, detail.c.action_type == action)
        with self._rules(connection, detail):
            connection.execute(update(detail).where(*row).values(present(detail, values)))

    # Responses

    def add_responses(self, connection: Connection, batch: Batch) -> list[int]:
        """Write new staged rows to `Response` and `ResponseDetails`.

        Returns:
            `Response.Id` of each, by increasing line; so they increase too.

        Raises:
            DatabaseRuleBroken: a rule of the tables refuses a row, or a trigger does not keep it.
        """
        response = self._schema.response
        columns: dict[str, ColumnElement[Any]] = {
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
        values = {name: value for name, value in columns.items() if name in response.c}
        ordered = (
            select(*values.values())
            .select_from(staging.outerjoin(ledger_broadcast, ledger_broadcast.c.id == staging.c.broadcast_id))
            .where(batch.rows)
            .order_by(staging.c.line)
            # SQL Server accepts an order only together with a limit.
            .limit(batch.size)
        )
        inserted = insert(response).from_select(list(values), ordered).returning(response.c.id)
        with self._rules(connection, response, values):
            ids = sorted(id_ for id_ in connection.scalars(inserted).all() if id_)
        self._check_kept(connection, response, ids, batch.size)
        details = [
            {"id": ids[position], "name": name, "value": value}
            for position, details_by_name in details_of(connection, batch)
            for name, value in details_by_name.items()
        ]
        if details:
            with self._rules(connection, self._schema.response_details, details[0]):
                connection.execute(insert(self._schema.response_details), details)
        return ids

    def _rules(self, connection: Connection, table: Table, written: Iterable[str] = ()) -> AbstractContextManager[None]:
        """Reports what a rule of a table refuses; `written` are the keys of the columns that get a value."""
        return rules_of(connection, table, "RS_DB", written={table.c[key].name for key in written})

    def _check_kept(self, connection: Connection, table: Table, ids: Sequence[int], rows: int) -> None:
        """Make sure that so many rows are there: neither an id that was returned nor a count proves it.

        A trigger can write other rows instead, or remove what was written.
        """
        kept = 0
        if len(set(ids)) == rows:
            for first, last in _ranges(ids):
                count = select(func.count()).select_from(table).where(table.c.id.between(first, last))
                kept += connection.scalar(count) or 0
        if kept != rows:
            names = " or ".join(triggers(connection, table))
            rule = f"trigger {names}".rstrip() + " keeps no row that is written"
            raise DatabaseRuleBroken(database="RS_DB", table=table.name, rule=rule)

    def complete_responses(self, connection: Connection, load_id: str) -> list[tuple[int, str, int]]:
        """Write what known rows of a load state and their responses lack: recipient, URL, dates. And the message type.

        The type is the one by which the layout translates the file's word now. Which values a response lacks is known
        from the ledger: persons are not read back.

        Returns:
            What changes of the counts of responses: broadcast id, message type, rows more or less.
        """
        response = self._schema.response
        with self._rules(connection, response):
            complete(connection, response, load_id)
            return correct_types(connection, response, load_id)

    def attribute(self, connection: Connection, scope: ColumnElement[bool]) -> None:
        """Write their broadcast to responses that were loaded without one.

        Args:
            connection: the transaction.
            scope: condition for the rows of `unmatched_response`; rows without a broadcast are ignored.
        """
        response = self._schema.response
        attribution = {
            "broadcast_id": ledger_broadcast.c.rs_broadcast_id,
            "message_name": ledger_broadcast.c.message_name,
        }
        matched = (unmatched.c.response_id == response.c.id, ledger_broadcast.c.id == unmatched.c.broadcast_id)
        with self._rules(connection, response):
            connection.execute(update(response).where(scope, *matched).values(present(response, attribution)))

    def count_matched(self, connection: Connection, scope: ColumnElement[bool]) -> list[tuple[int, str, int]]:
        """How many responses that were loaded without a broadcast have one now: broadcast id, message type, rows.

        Args:
            connection: the transaction.
            scope: condition for the rows of `unmatched_response`; rows without a broadcast are ignored.
        """
        response = self._schema.response
        query = (
            select(unmatched.c.broadcast_id, response.c.message_type, func.count())
            .select_from(unmatched.join(response, response.c.id == unmatched.c.response_id))
            .where(scope, unmatched.c.broadcast_id.is_not(None))
            .group_by(unmatched.c.broadcast_id, response.c.message_type)
        )
        return [(broadcast_id, kind, rows) for broadcast_id, kind, rows in connection.execute(query).all()]

    # Erasure of a person

    def responses_of(
        self,
        connection: Connection,
        *,
        addresses: Sequence[str],
        urns: Sequence[str],
        communication_keys: Sequence[str],
    ) -> list[tuple[int, str, str, str]]:
        """Responses with one of these values: id, address, URN, Communication Key; empty where a value is missing.

        Args:
            connection: the transaction.
            addresses: e-mail addresses; the case of all three does not matter.
            urns: URNs.
            communication_keys: Communication Keys.
        """
        response = self._schema.response
        values_by_column = {"email": addresses, "urn": urns, "communication_key": communication_keys}
        responses: dict[int, tuple[int, str, str, str]] = {}
        for name, values in values_by_column.items():
            spellings = sorted({*values, *(value.lower() for value in values)})
            for chunk in batched(spellings if name in response.c else (), _VALUES, strict=False):
                query = self._identities().where(func.lower(response.c[name]).in_(chunk))
                responses.update((row[0], row) for row in _without_nulls(connection.execute(query).all()))
        return list(responses.values())

    def every_response(self, connection: Connection) -> Iterator[tuple[int, str, str, str]]:
        """All responses as `responses_of` returns them, by increasing id."""
        response = self._schema.response
        after = -1
        while page := connection.execute(
            self._identities().where(response.c.id > after).order_by(response.c.id).limit(_PAGE)
        ).all():
            yield from _without_nulls(page)
            after = page[-1][0]

    def _identities(self) -> Select[int, str | None, str | None, str | None]:
        response = self._schema.response
        names = ("email", "urn", "communication_key")
        return select(response.c.id, *(response.c[name] if name in response.c else literal("") for name in names))

    def anonymise(self, connection: Connection, response_ids: Iterable[int]) -> None:
        """Remove from responses who it was; what happened, when, and of which broadcast remains."""
        response, details = self._schema.response, self._schema.response_details
        blank = {"email": "", "urn": "", "communication_key": "", "click_url": None}
        for chunk in batched(response_ids, _VALUES, strict=False):
            with self._rules(connection, details):
                connection.execute(delete(details).where(details.c.id.in_(chunk)))
            with self._rules(connection, response):
                connection.execute(update(response).where(response.c.id.in_(chunk)).values(present(response, blank)))

    def remove_responses(self, connection: Connection, response_ids: Iterable[int]) -> None:
        """Remove responses and their details."""
        response, details = self._schema.response, self._schema.response_details
        for chunk in batched(response_ids, _VALUES, strict=False):
            with self._rules(connection, details):
                connection.execute(delete(details).where(details.c.id.in_(chunk)))
            with self._rules(connection, response):
                connection.execute(delete(response).where(response.c.id.in_(chunk)))

    def count_by_type(self, connection: Connection) -> dict[str, int]:
        """Rows of `Response` by message type."""
        response = self._schema.response
        query = select(response.c.message_type, func.count().label("count")).group_by(response.c.message_type)
        return {str(row[0]): int(row[1]) for row in connection.execute(query)}


def transaction_id(broadcast: Broadcast) -> str:
    """The id that responses of a broadcast carry: its mailing, or its Smart Campaign if that has several mailings."""
    return str(broadcast.mailing_id or broadcast.campaign_id)


def _ranges(ids: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Increasing ids without gaps: the first and the last of each range."""
    for start, following in enumerate([*ids[1:], None]):
        if start == 0 or ids[start] != ids[start - 1] + 1:
            first = ids[start]
        if following != ids[start] + 1:
            yield first, ids[start]


def _without_nulls(rows: Iterable[Row[int, str | None, str | None, str | None]]) -> Iterator[tuple[int, str, str, str]]:
    for id_, address, urn, key in rows:
        yield id_, address or "", urn or "", key or ""


def _prepared(broadcast: Broadcast) -> dict[str, object]:
    """How the upload is identified (by the sending batch, else by the broadcast's key), and its row counts."""
    rows = broadcast.rows
    return {
        "parameters": _parameters(broadcast),
        "broadcaster_transaction_id": str(broadcast.batch_id or broadcast.key),
        "recipients_uploaded": rows and rows.uploaded,
        "recipients_rejected": rows and rows.read - rows.uploaded,
        "recipients_broadcast": None,
    }


def _delivered(broadcast: Broadcast) -> dict[str, object]:
    """The counts that Optimizely reports: recipients on the list, not sent to, and sent to."""
    rows, sent = broadcast.rows, broadcast.sent
    uploaded = None if rows is None else rows.uploaded
    recipients = uploaded if broadcast.imported is None else broadcast.imported
    return {
        "parameters": _parameters(broadcast),
        "broadcaster_transaction_id": transaction_id(broadcast),
        "recipients_uploaded": recipients,
        "recipients_rejected": None if recipients is None or sent is None else max(recipients - sent, 0),
        "recipients_broadcast": sent,
    }


def _parameters(broadcast: Broadcast) -> str:
    """`key=value;` for each known id, as the product writes them."""
    ids = {
        "BroadcastKey": broadcast.key,
        "CampaignId": broadcast.campaign_id,
        "MailingId": broadcast.mailing_id,
        "BatchId": broadcast.batch_id,
    }
    return "".join(f"{name}={value};" for name, value in ids.items() if value is not None)
