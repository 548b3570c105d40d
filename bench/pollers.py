"""Races pollers, each in its own process, for the jobs of one WS_DB: each job must be claimed exactly once.

.venv/bin/python bench/pollers.py [--pollers 10] [--jobs 10000] [--ws-db <connection>]

Without a connection, a SQLite file is used. A database on a server must be empty; the reference tables are created.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, insert, select

from shared.clock import SystemClock
from shared.database.connections import Database
from shared.faststats.schema_map.names import WsDbSchema
from shared.faststats.ws_db import WsDb

_ROOT = Path(__file__).resolve().parents[1]
_ZONE = "UTC"
_CLAIM_LIMIT = 20
_INSERT_ROWS = 100
_WAIT_SECONDS = 600
#: Environment variable that passes the connection to the pollers: command lines are readable by everybody.
_CONNECTION = "POLLERS_WS_DB"


@dataclass(frozen=True, slots=True)
class Race:
    """The result of a race."""

    #: IDs of the jobs that each poller claimed, in order.
    shares: Sequence[Sequence[int]]
    #: IDs of all jobs, in the order in which they should be claimed.
    jobs: Sequence[int]
    #: Number of jobs that are still waiting.
    left: int
    seconds: float

    def violations(self) -> list[str]:
        """Violations of the rules of claiming."""
        claimed = [job for share in self.shares for job in share]
        violations = []
        if len(claimed) != len(set(claimed)):
            violations.append(f"{len(claimed) - len(set(claimed))} jobs were claimed more than once")
        if set(claimed) != set(self.jobs) or self.left:
            violations.append(f"{len(set(self.jobs) - set(claimed))} jobs were not claimed")
        rank = {job: number for number, job in enumerate(self.jobs)}
        if any([rank[job] for job in share] != sorted(rank[job] for job in share) for share in self.shares):
            violations.append("a poller did not claim jobs by priority, then age")
        return violations


def race(connection: str, *, pollers: int, jobs: int) -> Race:
    """Fill an empty WS_DB with jobs and let the pollers claim them all."""
    with closing(Database(connection, "WS_DB")) as database:
        schema = WsDbSchema(_ZONE)
        _fill(database, schema, jobs)
        queue = schema.job_queue
        with database.reading() as connected:
            order = connected.scalars(
                select(queue.c.job_id).order_by(queue.c.priority, queue.c.time_added, queue.c.job_id)
            ).all()
        processes = [
            subprocess.Popen(
                [sys.executable, str(Path(__file__).resolve()), "--poll", f"poller {number}"],
                cwd=_ROOT,
                env={**os.environ, "PYTHONPATH": str(_ROOT), _CONNECTION: connection},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(pollers)
        ]
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n"
        started = time.monotonic()
        for process in processes:
            assert process.stdin
            process.stdin.write("go\n")
            process.stdin.flush()
        outputs = [process.communicate(timeout=_WAIT_SECONDS)[0] for process in processes]
        seconds = time.monotonic() - started
        assert [process.returncode for process in processes] == [0] * pollers
        with database.reading() as connected:
            waiting = select(func.count()).select_from(queue).where(queue.c.state == schema.states["waiting"])
            left = connected.scalar(waiting) or 0
    return Race([[int(line) for line in text.split()] for text in outputs], order, left, seconds)


def _fill(database: Database, schema: WsDbSchema, jobs: int) -> None:
    now = datetime.now(UTC)
    with database.writing() as connection:
        schema.metadata.create_all(connection)
        for first in range(0, jobs, _INSERT_ROWS):
            connection.execute(
                insert(schema.job_queue),
                [
                    {
                        "time_added": now - timedelta(seconds=number * 7919 % jobs),
                        "priority": number % 3,
                        "state": schema.states["waiting"],
                        "cancel_requested": 0,
                        "system_name": "Race",
                        "job_type": schema.broadcast_job_type,
                    }
                    for number in range(first, min(first + _INSERT_ROWS, jobs))
                ],
            )


def _poll(name: str) -> None:
    with closing(Database(os.environ[_CONNECTION], "WS_DB")) as database:
        ws_db = WsDb(database, WsDbSchema(_ZONE), server=name, clock=SystemClock())
        ws_db.check.require()
        print("ready", flush=True)
        sys.stdin.readline()
        while jobs := ws_db.claim(_CLAIM_LIMIT):
            for job in jobs:
                print(job.id)
            sys.stdout.flush()


def main() -> int:
    """Run the race and print its result. Returns 1 when a job was not claimed exactly once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pollers", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--ws-db")
    parser.add_argument("--poll", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.poll:
        _poll(arguments.poll)
        return 0
    with tempfile.TemporaryDirectory() as folder:
        connection = arguments.ws_db or f"sqlite:///{folder}/ws.sqlite"
        run = race(connection, pollers=arguments.pollers, jobs=arguments.jobs)
    shares = " ".join(str(len(share)) for share in run.shares)
    claimed = sum(map(len, run.shares))
    print(f"{arguments.pollers} pollers claimed {claimed} of {arguments.jobs} jobs in {run.seconds:.1f} s.")
    print(f"Their shares: {shares}.")
    for violation in run.violations():
        print(f"FAIL: {violation}.")
    print("Each job was claimed exactly once." if not run.violations() else "The race failed.")
    return 1 if run.violations() else 0


if __name__ == "__main__":
    sys.exit(main())
