"""Real SFTP servers on loopback ports, run as the current user: OpenSSH's sshd and ProFTPD's mod_sftp."""

import ctypes
import grp
import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Self

import asyncssh
import pytest

from shared.sftp.site import SftpSite
from tests.missing import missing

PASSWORD = "Pa55 wörd; with a mark"
#: Seconds within which a server must be there; generous, for machines are slow at times.
PATIENCE = 300

HOST_ED25519 = asyncssh.generate_private_key("ssh-ed25519")
HOST_RSA = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
USER_KEYS = {
    "RSA": asyncssh.generate_private_key("ssh-rsa", key_size=2048),
    "Ed25519": asyncssh.generate_private_key("ssh-ed25519"),
    "ECDSA": asyncssh.generate_private_key("ecdsa-sha2-nistp256"),
}


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    user: str
    #: A folder on it, and here.
    folder: Path

    def site(self, **changes: Any) -> SftpSite:
        """The site with its pinned host key, and a login by key."""
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "private_key": USER_KEYS["RSA"].export_private_key("pkcs1-pem").decode(),
            "host_keys": HOST_ED25519.get_fingerprint(),
            "pause": lambda _: None,
        }
        return SftpSite(**settings | changes)


@contextmanager
def openssh(folder: Path, *, methods: str = "publickey", options: str = "") -> Iterator[Server]:
    """Run OpenSSH's sshd.

    Args:
        folder: its own.
        methods: ways to log in, as AuthenticationMethods has them. With a password it needs root, and its
            own view of the accounts.
        options: of the SFTP server, such as `-P stat`.
    """
    sshd = _program("sshd")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    me = pwd.getpwuid(os.getuid()).pw_name
    _write_host_keys(folder)
    (folder / "authorized_keys").write_bytes(b"".join(key.export_public_key() for key in USER_KEYS.values()))
    command = [sshd, "-D", "-e", "-f", str(folder / "sshd_config")]
    if "password" in methods:
        command = _with_password(me, folder, command)

    def configure(port: int) -> None:
        (folder / "sshd_config").write_text(
            f"""
            ListenAddress 127.0.0.1:{port}
            HostKey {folder}/host_ed25519
            HostKey {folder}/host_rsa
            PidFile none
            AuthorizedKeysFile {folder}/authorized_keys
            StrictModes no
            UsePAM no
            PermitRootLogin yes
            AuthenticationMethods {methods}
            Subsystem sftp internal-sftp {options}
            """.rstrip(" ")
        )

    with _running(command, folder, configure) as port:
        yield Server(port, me, _site_folder(folder))


@contextmanager
def proftpd(
    folder: Path, *, methods: str = "publickey", overwrite: bool = True, more: Sequence[str] = ()
) -> Iterator[Server]:
    """Run ProFTPD with mod_sftp.

    Args:
        folder: its own.
        methods: ways to log in, as SFTPAuthMethods has them.
        overwrite: whether files that are there may be written.
        more: lines of its configuration.
    """
    program, modules = _program("proftpd"), Path("/usr/lib/proftpd")
    if not (modules / "mod_sftp.so").exists():
        _not_installed("ProFTPD's mod_sftp")
    _write_host_keys(folder)
    keys = b"".join(key.export_public_key("rfc4716") for key in USER_KEYS.values())
    (folder / "authorized_keys").write_bytes(keys)
    account = f"r_customer:{_hashed(PASSWORD)}:{os.getuid()}:{os.getgid()}::{folder}:/bin/false\n"
    _write_secret(folder / "passwd", account.encode())
    _write_secret(folder / "group", f"customers:x:{os.getgid()}:r_customer\n".encode())

    def configure(port: int) -> None:
        (folder / "proftpd.conf").write_text(
            f"""
            ModulePath {modules}
            LoadModule mod_sftp.c
            ServerType standalone
            DefaultServer on
            DefaultAddress 127.0.0.1
            SocketBindTight on
            Port {port}
            User {pwd.getpwuid(os.getuid()).pw_name}
            Group {grp.getgrgid(os.getgid()).gr_name}
            PidFile {folder}/pid
            ScoreboardFile {folder}/scoreboard
            DelayEngine off
            WtmpLog off
            TransferLog none
            UseReverseDNS off
            RequireValidShell off
            RootLogin on
            AuthOrder mod_auth_file.c
            AuthUserFile {folder}/passwd
            AuthGroupFile {folder}/group
            AllowOverwrite {"on" if overwrite else "off"}
            SFTPEngine on
            SFTPHostKey {folder}/host_ed25519
            SFTPHostKey {folder}/host_rsa
            SFTPAuthorizedUserKeys file:{folder}/authorized_keys
            SFTPAuthMethods {methods}
            """.rstrip(" ")
            + "\n".join((*more, ""))
        )

    with _running([program, "-n", "-c", str(folder / "proftpd.conf")], folder, configure) as port:
        yield Server(port, "r_customer", _site_folder(folder))


class CuttingProxy:
    """Forwards connections to a server, and breaks the first ones after a number of bytes from the client.

    Args:
        port: the server's.
        cuts: bytes after which the first connections are cut.
    """

    def __init__(self, port: int, cuts: Sequence[int]) -> None:
        self._target = port
        self._cuts = list(cuts)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._accept)]
        self._ends = [self._listener]
        #: Bytes from the client by connection.
        self.passed: list[int] = []
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        _shut_down(self._listener)
        self._threads[0].join()
        _shut_down(*self._ends)
        for thread in self._threads:
            thread.join()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        with suppress(OSError):  # the end
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._ends += [near, far]
                self.passed.append(0)
                most = self._cuts.pop(0) if self._cuts else None
                for arguments in (near, far, len(self.passed) - 1, most), (far, near):
                    self._threads.append(threading.Thread(target=self._pump, args=arguments))
                    self._threads[-1].start()

    def _pump(
        self, source: socket.socket, target: socket.socket, connection: int | None = None, most: int | None = None
    ) -> None:
        with suppress(OSError):
            while piece := source.recv(16384):
                if connection is not None:
                    self.passed[connection] += len(piece)
                    if most is not None and self.passed[connection] > most:
                        break
                target.sendall(piece)
        _shut_down(source, target)


def _shut_down(*ends: socket.socket) -> None:
    for end in ends:
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@contextmanager
def _running(command: list[str], folder: Path, configure: Callable[[int], None]) -> Iterator[int]:
    """Start a server and wait for its greeting; its port. Retried if the port is taken meanwhile."""
    log = folder / "log"
    for _ in range(3):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        configure(port)
        with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=output) as process:
            try:
                if _greets(port, process):
                    yield port
                    return
            finally:
                process.terminate()
    pytest.fail(f"{command[0]} does not start: {log.read_text()}")


def _greets(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            if connection.recv(4) == b"SSH-":
                return True
        time.sleep(0.05)
    return False


def _program(name: str) -> str:
    path = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
    return path or _not_installed(name)


def _not_installed(what: str) -> NoReturn:
    missing(f"{what} is not installed: tools/sftp_servers.sh installs it on Debian")


def _with_password(user: str, folder: Path, command: list[str]) -> list[str]:
    """The command where the user has this password: sshd reads passwords only from /etc/shadow."""
    mount = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/shadow && exec "$@"', str(folder / "shadow")]
    _write_secret(folder / "shadow", f"{user}:{_hashed(PASSWORD)}:20000:0:99999:7:::\n".encode())
    if os.getuid() != 0 or subprocess.run([*mount, "true"], check=False, capture_output=True).returncode:
        missing("a password for sshd needs root and a mount namespace")
    return [*mount, *command]


def _hashed(password: str) -> str:
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    hashed: bytes = library.crypt(password.encode(), b"$6$interop$")
    return hashed.decode()


def _write_host_keys(folder: Path) -> None:
    _write_secret(folder / "host_ed25519", HOST_ED25519.export_private_key("openssh"))
    _write_secret(folder / "host_rsa", HOST_RSA.export_private_key("openssh"))


def _write_secret(path: Path, content: bytes) -> None:
    path.touch(mode=0o600)
    path.write_bytes(content)


def _site_folder(folder: Path) -> Path:
    (folder / "site").mkdir()
    return folder / "site"
