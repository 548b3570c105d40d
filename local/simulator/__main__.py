"""`python -m local.simulator`: the simulator as a process."""

import argparse
import asyncio
import os
import signal
from pathlib import Path

from local.ready_file import write_ready_file
from local.simulator.simulator import Simulator


async def _run(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Simulator(arguments.data, seed=arguments.seed, speed=arguments.speed) as simulator:
        ready = {"pid": os.getpid(), **simulator.addresses()}
        print(
            f"Simulating Optimizely Campaign: REST API at {ready['rest_url']}, SFTP on port {ready['sftp_port']}.",
            flush=True,
        )
        if arguments.ready_file:
            write_ready_file(arguments.ready_file, ready)
        await stop.wait()


def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    parser = argparse.ArgumentParser(
        prog="python -m local.simulator", description="Simulates Optimizely Campaign on this machine."
    )
    parser.add_argument("--data", type=Path, required=True, help="folder for all data; a simulation in it is continued")
    parser.add_argument("--seed", type=int, default=1, help="seed of the recipients' behaviour")
    parser.add_argument(
        "--speed", type=float, default=21600, help="simulated seconds per real second; 0 freezes the clock"
    )
    parser.add_argument(
        "--ready-file", type=Path, help="file to write addresses and credentials to when all servers listen"
    )
    asyncio.run(_run(parser.parse_args()))


if __name__ == "__main__":
    main()
