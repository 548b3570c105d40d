"""PS_DB, PeopleStage's database: which delivery step and run a delivery file belongs to. The bridge only reads it."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import PureWindowsPath
from typing import Final
from uuid import UUID

from sqlalchemy import Unicode, cast, func, select

from shared.broadcast import guid_in
from shared.clock import Clock
from shared.database.connections import Database
from shared.faststats.command_xml import MAX_COMMAND, CommandUnreadable, parse_command, whole_number
from shared.faststats.schema_map.check import SchemaCheck
from shared.faststats.schema_map.names import PsDbSchema

#: Age up to which delivery commands are searched: a delivery can wait for weeks for its approval.
_MAX_AGE: Final = timedelta(days=90)
#: Most commands that are searched for a file's GUID: PeopleStage repeats a delivery a few times.
_MAX_COMMANDS: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryCommand:
    """A command to PeopleStage's Delivery Agent."""

    #: Delivery step and run of the campaign; they join responses to Communications.
    step_id: int | None
    run: int | None
    delivery_key: UUID | None


class PsDb:
    """The delivery commands of PS_DB. Before the first use the schema map is compared with the catalogue."""

    def __init__(self, database: Database, schema: PsDbSchema, *, clock: Clock) -> None:
        self.database = database
        self._schema = schema
        self._clock = clock
        #: Whether PS_DB is as the schema map says.
        self.check = SchemaCheck(database, schema)

    def find_delivery(self, guid: UUID) -> DeliveryCommand | None:
        """The newest delivery command for the delivery file with this GUID at the end of its name.

        Returns:
            The command; None when there is none that can be read.

        Raises:
            SchemaMapMismatch: PS_DB is not as the schema map says.
            DatabaseUnavailable: PS_DB did not answer.
        """
        self.check.require()
        commands = self._schema.delivery_commands
        # XML has no LIKE of its own. A match is only a candidate: the GUID can be elsewhere in a command.
        xml = cast(commands.c.command, Unicode())
        query = (
            select(func.substring(xml, 1, MAX_COMMAND + 1))
            .where(func.lower(xml).contains(str(guid)))
            .limit(_MAX_COMMANDS)
        )
        if "date_added" in commands.c:
            added = commands.c.date_added
            query = query.where(added >= self._clock.now() - _MAX_AGE).order_by(added.desc())
        with self.database.reading() as connection:
            texts = connection.scalars(query).all()
        return next((command for text in texts if (command := self._read(text, guid)) is not None), None)

    def _read(self, command: str | None, guid: UUID) -> DeliveryCommand | None:
        paths = self._schema.paths
        try:
            details = paths["details"].find(parse_command(command))
        except CommandUnreadable:
            return None
        if details is None or guid_in(PureWindowsPath(paths["file_path"].text(details)).name) != guid:
            return None
        return DeliveryCommand(
            step_id=whole_number(paths["step_id"].text(details)),
            run=whole_number(paths["run"].text(details)),
            delivery_key=_guid(paths["delivery_key"].text(details)),
        )


def _guid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
