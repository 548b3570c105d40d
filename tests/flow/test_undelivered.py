"""A file that a site never got is not parked: the broadcast is tried again, then failed, whatever the site does."""
# ruff: noqa: ARG002 - sites that refuse whatever they are asked

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

import shared.sftp.site
from local.azurite import Azurite
from shared.broadcast import Broadcast, State
from shared.ledger.effects import Kind
from shared.operations.broadcasts import cancel, retry
from tests.databases import Databases
from tests.flow.conftest import bridge_over
from tests.flow.harness import Flow, until
from tests.flow.test_export import write_channels
from tests.unit.sftp.conftest import loop, start
from tests.unit.sftp.sftp_server import HOST_KEY, SERVER_TEXT, USER_KEY, Server, Start, pem

__all__ = ["loop", "start"]

Exporting = Callable[[Server], Any]
DENIED = asyncssh.SFTPPermissionDenied(SERVER_TEXT)


class ReadOnly(asyncssh.SFTPServer):
    """Lets nobody change anything."""

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> object:
        raise DENIED

    def remove(self, path: bytes) -> None:
        raise DENIED

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise DENIED


class NoDelete(asyncssh.SFTPServer):
    """Lets nobody remove a file."""

    def remove(self, path: bytes) -> None:
        raise asyncssh.SFTPOpUnsupported(SERVER_TEXT)


class NoRename(NoDelete):
    """Lets nobody rename or remove a file."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        raise DENIED

    posix_rename = rename


class Full(NoDelete):
    """Has no room left, and lets nobody remove a file."""

    def write(self, file_obj: object, offset: int, data: bytes) -> Any:
        raise asyncssh.SFTPFailure(SERVER_TEXT)


class Copying(NoDelete):
    """Renames by a copy and a removal, which it refuses."""

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        source, target = (Path(os.fsdecode(self.map_path(path))) for path in (oldpath, newpath))
        target.write_bytes(source.read_bytes())
        raise DENIED


class Unanswered(asyncssh.SFTPServer):
    """Takes a file as soon as it has its name, and answers nothing from then on."""

    taken = False

    def rename(self, oldpath: bytes, newpath: bytes) -> None:
        super().rename(oldpath, newpath)
        Path(os.fsdecode(self.map_path(newpath))).unlink()
        type(self).taken = True
        self.channel.get_connection().abort()

    def stat(self, path: bytes) -> Any:
        if self.taken:
            self.channel.get_connection().abort()
            raise asyncssh.SFTPConnectionLost("gone")
        return super().stat(path)


async def noisy(process: asyncssh.SSHServerProcess[bytes]) -> None:
    """A shell that greets whoever asks for SFTP."""
    process.stdout.write(f"Welcome to the site! {SERVER_TEXT}\n".encode())
    process.exit(0)


@pytest.fixture
def exporting(
    start: Start,
    tmp_path: Path,
    azurite: Azurite,
    shared_simulator: dict[str, Any],
    databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
) -> Exporting:
    """Bridges whose default channel exports to a site."""
    monkeypatch.setenv("PARTNER_KEY", pem(USER_KEY))
    monkeypatch.setattr(shared.sftp.site, "_PAUSES", ())
    (start.root / "in").mkdir()

    @contextmanager
    def make(site: Server) -> Iterator[Flow]:
        channels = write_channels(tmp_path, site, HOST_KEY.get_fingerprint())
        with bridge_over(shared_simulator, tmp_path, azurite, databases, CHANNELS_FILE=channels) as flow:
            yield flow

    return make


def point_to(flow: Flow, site: Server) -> None:
    """From now on, the channel's site is this one."""
    for partner in flow.bridge.routes.values():
        sites = getattr(partner, "_sites", None)
        if sites is not None:
            partner._sites = {name: site.client(user="bridge") for name in sites}  # type: ignore[attr-defined]


def exported(site: Server) -> list[Path]:
    return sorted((site.root / "in").iterdir())


def retried_on(flow: Flow, failed: Broadcast, site: Server) -> None:
    """A retry hands the file over once, as soon as the site is as it should be."""
    point_to(flow, site)
    retry(flow.bridge, failed.key, owner="a test")
    closed = flow.run(failed.request.job_id)
    assert (closed.state, closed.error) == (State.CLOSED, None)
    (file,) = [path for path in exported(site) if path.suffix == ".csv"]
    assert file.stat().st_size > 0


@pytest.mark.parametrize(
    ("files", "code"),
    [(ReadOnly, "sftp-refused"), (NoRename, "sftp-rename-refused"), (Full, "sftp-refused")],
)
def test_a_site_that_refuses_the_file_fails_the_broadcast(
    exporting: Exporting, start: Start, files: type[asyncssh.SFTPServer], code: str
) -> None:
    site = start(files)
    with exporting(site) as flow:
        failed = flow.run(flow.order(recipients=20))
        assert (failed.state, failed.error_code) == (State.FAILED, code)
        assert [path for path in exported(site) if path.suffix == ".csv"] == []
        assert flow.job(failed.request.job_id or 0)[1]["State"] == "failed"
        assert SERVER_TEXT not in (failed.error or "")
        retried_on(flow, failed, start())


def test_a_site_that_is_down_is_tried_again_and_then_fails_the_broadcast(exporting: Exporting, start: Start) -> None:
    with exporting(Server(1, start.root, [])) as flow:
        flow.set(max_attempts=3)
        job_id = flow.order(recipients=20)
        flow.poll()
        until(lambda: flow.broadcast(job_id).attempts == 2, "it is tried again", between=flow.deliver)
        failed = flow.run(job_id)
        assert (failed.state, failed.error_code) == (State.FAILED, "sftp-unavailable")
        retried_on(flow, failed, start())


def test_a_site_with_a_noisy_shell_fails_the_broadcast(exporting: Exporting, start: Start) -> None:
    with exporting(start(None, process_factory=noisy, encoding=None)) as flow:
        flow.set(max_attempts=2)
        failed = flow.run(flow.order(recipients=20))
        assert (failed.state, failed.error_code) == (State.FAILED, "sftp-unavailable")
        retried_on(flow, failed, start())


def test_a_site_where_nothing_can_be_removed_gets_the_file(exporting: Exporting, start: Start) -> None:
    site = start(NoDelete)
    with exporting(site) as flow:
        assert flow.run(flow.order(recipients=20)).state is State.CLOSED
        assert len(exported(site)) == 1


def test_a_broadcast_whose_site_is_down_can_be_cancelled(exporting: Exporting, start: Start) -> None:
    with exporting(Server(1, start.root, [])) as flow:
        job_id = flow.order(recipients=20)
        flow.poll()
        until(lambda: flow.broadcast(job_id).attempts == 2, "it is tried again", between=flow.deliver)
        cancel(flow.bridge, flow.broadcast(job_id).key, owner="a test")
        assert flow.run(job_id).state is State.CANCELLED


@pytest.mark.parametrize(("files", "code"), [(Copying, "sftp-refused"), (Unanswered, "sftp-unavailable")])
def test_a_file_that_the_receiver_may_have_is_still_left_to_an_operator(
    exporting: Exporting, start: Start, monkeypatch: pytest.MonkeyPatch, files: type[asyncssh.SFTPServer], code: str
) -> None:
    monkeypatch.setattr(Unanswered, "taken", False)
    with exporting(start(files)) as flow:
        flow.set(max_attempts=2)
        parked = flow.run(flow.order(recipients=20))
        assert (parked.state, parked.error_code) == (State.NEEDS_OPERATOR, code)
        upload = flow.bridge.ledger.effects.find(parked, Kind.UPLOAD)
        assert upload is not None
        assert upload.evidence["renaming"] is True
