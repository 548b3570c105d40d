"""Keys and passwords of a simulation, created once per folder."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import asyncssh


@dataclass(frozen=True, slots=True)
class Identity:
    """Host key of the simulated Optimizely Campaign, and the credentials that it accepts."""

    api_user: str
    api_password: str
    sftp_user: str
    #: The client's key: RSA 2048, as the vendor requires.
    private_key_file: Path
    client_key: asyncssh.SSHKey
    host_key: asyncssh.SSHKey


def identity(folder: Path) -> Identity:
    """The identity stored in a folder, created if there is none."""
    folder.mkdir(parents=True, exist_ok=True)
    client_file, host_file, password_file = folder / "client.pem", folder / "host.pem", folder / "api_password"
    if not client_file.exists():
        _write(client_file, asyncssh.generate_private_key("ssh-rsa", key_size=2048).export_private_key("pkcs1-pem"))
    if not host_file.exists():
        _write(host_file, asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    if not password_file.exists():
        _write(password_file, secrets.token_urlsafe(18).encode())
    return Identity(
        api_user="api@bridge.example",
        api_password=password_file.read_text(),
        sftp_user="r_customer",
        private_key_file=client_file,
        client_key=asyncssh.read_private_key(client_file),
        host_key=asyncssh.read_private_key(host_file),
    )


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, atomically."""
    unfinished = path.with_suffix(".new")
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    unfinished.rename(path)
