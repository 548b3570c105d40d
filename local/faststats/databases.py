"""The databases that FastStats provides: WS_DB and RS_DB with the reference tables."""

from shared.database.connections import Database
from shared.faststats.schema_map.names import RsDbSchema, WsDbSchema


def create_databases(ws_database: Database, rs_database: Database, *, zone: str) -> None:
    """Create the reference tables of WS_DB and RS_DB if they are missing."""
    for database, metadata in ((ws_database, WsDbSchema(zone).metadata), (rs_database, RsDbSchema(zone).metadata)):
        with database.writing() as connection:
            metadata.create_all(connection)
