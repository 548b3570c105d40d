"""A process of its own that holds a lease until it is killed: `lease_holder.py <name> <owner> <seconds>`."""

import os
import sys

import tests.databases  # noqa: F401 - there the server of the tests is accepted
from shared.clock import SystemClock
from shared.database.connections import Database
from shared.ledger.leases import LeaseName, Leases


def main() -> None:
    name, owner, seconds = sys.argv[1:]
    leases = Leases(Database(os.environ["RS_DB"], "RS_DB"), seconds=float(seconds), clock=SystemClock())
    with leases.held(LeaseName(name), owner) as lease:
        print("held" if lease else "not held", flush=True)  # noqa: T201 - the test waits for it
        sys.stdin.readline()


if __name__ == "__main__":
    main()
