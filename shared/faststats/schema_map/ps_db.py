"""What the bridge needs of PS_DB, PeopleStage's database, with the default names."""

from typing import Final

from shared.faststats.schema_map.entries import Column, DatabaseSpec, Entry, Group, Kind, Table

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
                    "date_added",
                    "DateAdded",
                    Kind.TIME,
                    published=True,
                    written=False,
                    consequence="every command is searched, and if several match a file, any of them is used",
                ),
                Column("command", "Command", Kind.TEXT, published=True, written=False, nullable=True),
            ),
        ),
    ),
    groups=(
        Group(
            key="command",
            paths=True,
            entries=(
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
        ),
    ),
)
