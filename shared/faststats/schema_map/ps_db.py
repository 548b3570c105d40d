"""What the bridge needs of PS_DB, PeopleStage's database, and the usual names."""

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
