"""A process of its own that claims jobs until there are none: `claimer.py <server>`; prints their ids."""

import os
import sys
from datetime import UTC, datetime

from shared.channels import Channels
from shared.database import Database
from shared.faststats.schema_map import WsDbSchema
from shared.faststats.ws_db import WsDb


def main() -> None:
    (server,) = sys.argv[1:]
    database = Database(os.environ["WS_DB"], "WS_DB")
    ws_db = WsDb(
        database, WsDbSchema("Europe/Berlin"), server=server, channels=Channels(), now=lambda: datetime.now(UTC)
    )
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    sys.stdin.readline()
    while job := ws_db.claim():
        print(job.id, flush=True)  # noqa: T201 - the test reads it
    database.close()


if __name__ == "__main__":
    main()
