"""A process of its own that claims jobs until there are none: `claimer.py <url> <server> <most>`; prints their ids."""

import sys
from datetime import UTC, datetime

from shared.channels import Channels
from shared.database import Database
from shared.faststats.schema_map import WsDbSchema
from shared.faststats.ws_db import WsDb


def main() -> None:
    url, server, most = sys.argv[1:]
    database = Database(url, "WS_DB")
    ws_db = WsDb(
        database, WsDbSchema("Europe/Berlin"), server=server, channels=Channels(), now=lambda: datetime.now(UTC)
    )
    ws_db.check.require()
    print("ready", flush=True)  # noqa: T201 - the test waits for it
    sys.stdin.readline()
    while jobs := ws_db.claim(int(most)):
        for job in jobs:
            print(job.id)  # noqa: T201 - the test reads it
        sys.stdout.flush()
    database.close()


if __name__ == "__main__":
    main()
