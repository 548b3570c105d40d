"""What the bridge needs of PS_DB, PeopleStage's database, with the default names."""

from typing import Final

from shared.faststats.schema_map.entries import TEXT, TIME, Column, DatabaseSpec, Entry, Group, Table

_DELIVERY_COMMANDS: Final = (
    Column(
        "date_added",
        "DateAdded",
        TIME,
        published=True,
        written=False,
        consequence="every command is searched, and if several match a file, any of them is used",
    ),
    Column("command", "Command", TEXT, published=True, written=False, nullable=True),
)
PS_DB: Final = DatabaseSpec(
    "ps_db",
    tables=(Table("delivery_commands", "vDeliveryCommands", _DELIVERY_COMMANDS, published=True, inserted=False),),
    groups=(
        Group(
            "command",
            (
                Entry("details", "BroadcastActionDetails | FtpActionDetails", published=True),
                Entry("file_path", "FilePath", published=True),
                Entry(
                    "step_id",
                    "StepId | ExternalId/Id",
                    published=True,
                    note="which of the two `Broadcasts.StepId` contains is an assumption",
                ),
                Entry("run", "Run", published=True),
                Entry("delivery_key", "DeliveryKey", published=True),
            ),
            paths=True,
        ),
    ),
)
