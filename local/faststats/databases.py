"""The databases that FastStats would have made: WS_DB and RS_DB with their reference tables."""

from shared.database.connections import Database
from shared.faststats.schema_map.names import RsDbSchema, WsDbSchema


def create_databases(ws_database: Database, rs_database: Database, *, zone: str) -> None:
    """Create WS_DB and RS_DB with their reference tables, where they are not there yet."""
    for database, metadata in ((ws_database, WsDbSchema(zone).metadata), (rs_database, RsDbSchema(zone).metadata)):
        with database.writing() as connection:
            metadata.create_all(connection)
