"""An SFTP server (asyncssh) that can be made to misbehave."""

import asyncio
import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from shared.sftp.site import SftpSite

USER_KEY = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
HOST_KEY = asyncssh.generate_private_key("ssh-ed25519")
RSA_HOST_KEY = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
OTHER_KEY = asyncssh.generate_private_key("ssh-ed25519")
#: Text of servers' refusals; it must not appear anywhere.
SERVER_TEXT = "server-text-canary"


def pem(key: asyncssh.SSHKey, form: str = "pkcs1-pem", passphrase: str | None = None) -> str:
    return key.export_private_key(form, passphrase, rounds=50).decode()


def known_hosts(key: asyncssh.SSHKey, host: str = "sftp.example") -> str:
    return f"{host} {key.export_public_key().decode().strip()}"


class Login(asyncssh.SSHServer):
    """Accepts the user's key."""

    registered: asyncssh.SSHKey = USER_KEY.convert_to_public()
    tried: list[str]
    connection: asyncssh.SSHServerConnection

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self.connection = conn

    def begin_auth(self, username: str) -> Any:
        self.tried.append(username)
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        del username
        return key == self.registered


@dataclass
class Server:
    port: int
    root: Path
    #: Users of the login attempts.
    tried: list[str]
    #: Number of connections so far.
    connections: Callable[[], int] = lambda: 0

    def client(self, **changes: Any) -> SftpSite:
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": "r_customer",
            "private_key": pem(USER_KEY),
            "passphrase": None,
            "host_keys": HOST_KEY.get_fingerprint(),
            "timeout": 10,
            "pause": lambda _: None,
        }
        return SftpSite(**settings | changes)


class Start:
    """Starts servers and stops them at the end of the test."""

    def __init__(self, loop: asyncio.AbstractEventLoop, root: Path, stack: ExitStack) -> None:
        self.loop = loop
        self.root = root
        self.stack = stack
        #: Set at the end of the test, for servers that do not answer before.
        self.over = asyncio.Event()

    def __call__(
        self,
        files: type[asyncssh.SFTPServer] | None = asyncssh.SFTPServer,
        login: type[Login] = Login,
        **options: Any,
    ) -> Server:
        tried: list[str] = []
        opened: list[asyncssh.SSHServerConnection] = []
        logins: list[Login] = []

        def factory() -> Login:
            server = login()
            logins.append(server)
            server.tried = tried
            return server

        def sftp(channel: Any) -> asyncssh.SFTPServer:
            assert files is not None
            return files(channel, chroot=os.fsencode(self.root))

        async def listen() -> asyncssh.SSHAcceptor:
            return await asyncssh.listen(
                "127.0.0.1",
                0,
                server_factory=factory,
                sftp_factory=sftp if files else None,
                acceptor=opened.append,
                **{"server_host_keys": [HOST_KEY]} | options,
            )

        async def stop() -> None:
            acceptor.close()
            for connection in opened:
                connection.abort()
            self.over.set()
            await acceptor.wait_closed()
            await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

        acceptor = asyncio.run_coroutine_threadsafe(listen(), self.loop).result()
        self.stack.callback(lambda: asyncio.run_coroutine_threadsafe(stop(), self.loop).result())
        return Server(acceptor.get_port(), self.root, tried, lambda: len(logins))
