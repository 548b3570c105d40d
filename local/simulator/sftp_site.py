"""The SFTP site: key login only, and nothing to see outside its folder."""

from pathlib import Path

import asyncssh

from local.simulator.identity import Identity


async def serve(site: Path, identity: Identity, port: int) -> asyncssh.SSHAcceptor:
    """Serve the folder `site` on 127.0.0.1.

    Args:
        site: what clients see as `/`.
        identity: whose key may log in, and the host key.
        port: 0: any that is free.
    """

    class Server(asyncssh.SSHServer):
        """Lets one user in, by key."""

        def begin_auth(self, username: str) -> bool:
            """Every user must log in."""
            del username
            return True

        def public_key_auth_supported(self) -> bool:
            """Keys are the only way."""
            return True

        def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
            """The user with the registered key."""
            return username == identity.sftp_user and key.public_data == identity.client_key.public_data

    return await asyncssh.create_server(
        Server,
        "127.0.0.1",
        port,
        server_host_keys=[identity.host_key],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=str(site).encode()),
        allow_scp=False,
        agent_forwarding=False,
    )
