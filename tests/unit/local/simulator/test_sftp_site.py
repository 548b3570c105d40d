"""The simulator's SFTP site, in this process: races between two of its steps."""

import asyncio
from pathlib import Path

import asyncssh

from local.simulator.faults import Faults
from local.simulator.identity import identity
from local.simulator.sftp_site import serve

#: More than a server gives in one answer.
FILES = 1000


def test_a_file_removed_during_a_listing_is_left_out(tmp_path: Path) -> None:
    site, who = tmp_path / "site", identity(tmp_path / "identity")
    site.mkdir()
    for number in range(FILES):
        (site / f"Responses_{number}.csv").touch()

    async def count_listed() -> int:
        listed = 0
        async with (
            await serve(site, who, Faults(), 0) as acceptor,
            asyncssh.connect(
                "127.0.0.1",
                acceptor.get_port(),
                username=who.sftp_user,
                client_keys=[who.client_key],
                known_hosts=([who.host_key.convert_to_public()], [], []),
            ) as connection,
            connection.start_sftp_client() as client,
        ):
            async for _ in client.scandir("/"):
                listed += 1
                for file in site.iterdir():  # after the first answer, which has some of them
                    file.unlink()
        return listed

    assert 0 < asyncio.run(count_listed()) < FILES
