"""The route `export file`: a delivery file, checked and converted, handed over once on somebody else's SFTP site."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from local.azurite import Azurite
from shared.bridge import Bridge
from shared.broadcast import RouteKind, SendMode, State
from shared.config.send_window import SendWindow
from shared.errors import ListFileStillThere, SettingsInvalid
from shared.operations import holds
from shared.operations.broadcasts import cancel, release, resolve
from shared.routes.export_file import ExportFileRoute
from shared.sftp.session import SftpSession
from shared.steps.upload_list import upload_list
from shared.storage import blob_names
from tests.databases import Databases
from tests.deaths import Died
from tests.flow.conftest import bridge_over
from tests.flow.harness import Flow, make_settings, until
from tests.unit.sftp.conftest import loop, start
from tests.unit.sftp.sftp_server import HOST_KEY, OTHER_KEY, USER_KEY, Server, Start, pem

__all__ = ["loop", "start"]

CHANNELS = """
[channels.default]
route = "export file"
fields = {{ "Kunden ID" = "customer", "Email" = "mail" }}
export_file = {{ site = "partner", folder = "/in" }}

[channels.default.list_file]
name = "{{delivery_file}}-{{broadcast}}.csv"
columns = ["mail", "customer"]
delimiter = "|"
line_end = "CRLF"

[sftp_sites.partner]
host = "127.0.0.1"
port = {port}
user = "bridge"
host_keys = ["{host_key}"]
private_key = "PARTNER_KEY"
"""


def write_channels(folder: Path, server: Server, host_key: str) -> str:
    file = folder / "channels.toml"
    file.write_text(CHANNELS.format(port=server.port, host_key=host_key))
    return str(file)


@pytest.fixture
def receiver(start: Start, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The partner's SFTP site."""
    monkeypatch.setenv("PARTNER_KEY", pem(USER_KEY))
    (start.root / "in").mkdir()
    return start()


@pytest.fixture
def exporting(
    tmp_path: Path, azurite: Azurite, shared_simulator: dict[str, Any], receiver: Server, databases: Databases
) -> Iterator[Flow]:
    """A bridge whose default channel exports."""
    channels = write_channels(tmp_path, receiver, HOST_KEY.get_fingerprint())
    with bridge_over(shared_simulator, tmp_path, azurite, databases, CHANNELS_FILE=channels) as flow:
        yield flow


def exported(receiver: Server) -> list[Path]:
    return sorted((receiver.root / "in").iterdir())


def test_a_delivery_file_arrives_converted_and_its_rows_are_accounted_for(exporting: Flow, receiver: Server) -> None:
    job_id = exporting.order(list_name="", message_name="")
    exporting.poll()
    broadcast = exporting.run(job_id)
    assert (broadcast.state, broadcast.error) == (State.CLOSED, None)
    assert (broadcast.request.route, broadcast.request.send_mode) == (RouteKind.EXPORT_FILE, SendMode.UPLOAD_ONLY)
    (file,) = exported(receiver)
    assert file.name.endswith(f"-{broadcast.key}.csv")
    header, *lines = file.read_bytes().decode().split("\r\n")[:-1]
    assert header == "mail|customer"
    assert broadcast.rows is not None
    assert len(lines) == broadcast.rows.uploaded == broadcast.imported
    assert 0 < broadcast.rows.uploaded < broadcast.rows.read == broadcast.rows.accounted
    assert all("@" in line.split("|")[0] and line.count("|") == 1 for line in lines)
    state, results = exporting.job(job_id)
    assert (state, results["State"]) == ("done", "closed")


def test_nothing_is_exported_while_all_is_held(exporting: Flow, receiver: Server) -> None:
    job_id = exporting.order(list_name="", message_name="")
    exporting.poll()
    exporting.stop_at(job_id, State.PREPARED)
    holds.add(exporting.bridge, "the receiver is closed", by="jane")
    broadcast = exporting.broadcast(job_id)
    upload_list(exporting.bridge, broadcast.key, broadcast.version)
    waiting = exporting.broadcast(job_id)
    assert waiting.state is State.PREPARED
    assert (waiting.waiting_for or "").startswith("the hold to be lifted, placed by jane on ")
    assert exported(receiver) == []
    holds.lift(exporting.bridge, by="joe")
    assert exporting.run(job_id).state is State.CLOSED
    assert len(exported(receiver)) == 1


def limit(flow: Flow, **limits: Any) -> None:
    """Give the channel limits."""
    flow.use(flow.bridge.channels["default"].model_copy(update=limits))


def test_an_export_is_released_and_in_the_hours_of_its_channel(exporting: Flow, receiver: Server) -> None:
    """Its receiver starts by itself, so its transfer is its start."""
    opens = exporting.bridge.clock.now() + timedelta(hours=3)
    window = SendWindow.parse(f"{opens:%H:%M}-{opens + timedelta(hours=2):%H:%M}")
    limit(exporting, max_recipients=1, send_between=window, time_zone="UTC")
    job_id = exporting.order()
    exporting.poll()
    until(lambda: "its release" in str(exporting.broadcast(job_id).waiting_for), "it waits", between=exporting.deliver)
    release(exporting.bridge, exporting.broadcast(job_id).key, owner="anna")
    until(lambda: "the hours in" in str(exporting.broadcast(job_id).waiting_for), "it waits", between=exporting.deliver)
    assert exporting.broadcast(job_id).state is State.PREPARED
    assert exported(receiver) == []
    exporting.clock.advance(hours=3, minutes=1)
    assert exporting.run(job_id).state is State.CLOSED
    assert len(exported(receiver)) == 1


def test_an_export_that_is_too_late_is_not_transferred(exporting: Flow, receiver: Server) -> None:
    limit(exporting, latest_start_hours=2)
    job_id = exporting.order()
    exporting.clock.advance(hours=3)
    late = exporting.run(job_id)
    assert (late.state, late.error_code) == (State.FAILED, "start-too-late")
    assert exported(receiver) == []


def test_a_test_installation_exports_only_whom_it_may_mail(exporting: Flow, receiver: Server) -> None:
    exporting.set(only_mail="example.com")
    broadcast = exporting.run(exporting.order(recipients=200))
    assert broadcast.state is State.CLOSED
    (file,) = exported(receiver)
    _, *lines = file.read_bytes().decode().split("\r\n")[:-1]
    assert {line.split("|")[0].rpartition("@")[2] for line in lines} == {"example.com"}
    assert broadcast.rows is not None
    assert (
        len(lines)
        == broadcast.rows.uploaded
        == broadcast.rows.read - (broadcast.rows.rejected + broadcast.rows.duplicates + broadcast.rows.suppressed)
    )


@pytest.mark.parametrize("renamed", [False, True])
@pytest.mark.parametrize("taken", [False, True])
def test_a_death_around_the_handover_hands_the_file_over_once(
    exporting: Flow, receiver: Server, monkeypatch: pytest.MonkeyPatch, *, renamed: bool, taken: bool
) -> None:
    rename: Callable[..., None] = SftpSession.rename
    calls = []

    def dies(self: SftpSession, *paths: str, replace: bool) -> None:
        calls.append(paths)
        if len(calls) > 1:
            rename(self, *paths, replace=replace)
            return
        if renamed:
            rename(self, *paths, replace=replace)
        raise Died

    monkeypatch.setattr(SftpSession, "rename", dies)
    job_id = exporting.order()
    exporting.poll()
    with pytest.raises(Died):
        exporting.run(job_id)
    here = exported(receiver)
    if taken and renamed:
        here[0].unlink()  # the receiver takes it before the bridge is back
    broadcast = exporting.sweep_until_at_rest(job_id)
    assert (broadcast.state, broadcast.error) == (State.CLOSED, None)
    assert len(calls) == (1 if renamed else 2)
    assert len(exported(receiver)) == (0 if taken and renamed else 1)


def test_a_file_whose_staged_list_was_lost_before_its_handover_is_handed_over(
    exporting: Flow, receiver: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staged anew, its content has another tag: that no file has this one does not mean it was delivered."""
    job_id = exporting.order(list_name="", message_name="")
    exporting.poll()
    exporting.stop_at(job_id, State.PREPARED)

    def die(*_: object, **__: object) -> None:
        raise Died

    broadcast = exporting.broadcast(job_id)
    with monkeypatch.context() as patch:
        patch.setattr(SftpSession, "rename", die)
        with pytest.raises(Died):
            upload_list(exporting.bridge, broadcast.key, broadcast.version)
    exporting.bridge.lists.remove(blob_names.staged_list(broadcast.key))
    exporting.bridge.send_on(exporting.broadcast(job_id))
    assert exporting.run(job_id).state is State.CLOSED
    assert [file.suffix for file in exported(receiver) if file.suffix != ".part"] == [".csv"]


def test_an_export_cancelled_before_its_upload_leaves_nothing(exporting: Flow, receiver: Server) -> None:
    job_id = exporting.order()
    exporting.poll()
    exporting.stop_at(job_id, State.PREPARED)
    cancel(exporting.bridge, exporting.broadcast(job_id).key, owner="operator")
    assert exporting.run(job_id).state is State.CANCELLED
    assert exported(receiver) == []


@pytest.mark.parametrize("has_it", [False, True])
def test_an_operator_says_whether_the_receiver_has_a_file_of_which_nobody_knows(
    exporting: Flow, receiver: Server, monkeypatch: pytest.MonkeyPatch, *, has_it: bool
) -> None:
    rename: Callable[..., None] = SftpSession.rename

    def taken_at_once(self: SftpSession, *paths: str, replace: bool) -> None:
        rename(self, *paths, replace=replace)
        exported(receiver)[0].unlink()
        raise LookupError  # no error that a retry could help

    monkeypatch.setattr(SftpSession, "rename", taken_at_once)
    monkeypatch.setattr(ExportFileRoute, "find_transferred", lambda *_: None)
    job_id = exporting.order()
    parked = exporting.run(job_id)
    assert parked.state is State.NEEDS_OPERATOR
    monkeypatch.undo()
    monkeypatch.setenv("PARTNER_KEY", pem(USER_KEY))
    resolve(exporting.bridge, parked.key, started=has_it, owner="operator")
    assert exporting.run(job_id).state is State.CLOSED
    assert len(exported(receiver)) == (0 if has_it else 1)


def test_a_file_that_the_receiver_can_take_is_not_exported_again(
    exporting: Flow, receiver: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename: Callable[..., None] = SftpSession.rename

    def renamed_and_then_broken(self: SftpSession, *paths: str, replace: bool) -> None:
        rename(self, *paths, replace=replace)
        raise LookupError  # no error that a retry could help

    monkeypatch.setattr(SftpSession, "rename", renamed_and_then_broken)
    monkeypatch.setattr(ExportFileRoute, "find_transferred", lambda *_: None)
    monkeypatch.setattr(ExportFileRoute, "withdraw", lambda *_, **__: False)
    job_id = exporting.order()
    parked = exporting.run(job_id)
    assert parked.state is State.NEEDS_OPERATOR
    monkeypatch.undo()
    monkeypatch.setenv("PARTNER_KEY", pem(USER_KEY))
    with pytest.raises(ListFileStillThere, match=f"resolve {parked.key} --started"):
        resolve(exporting.bridge, parked.key, started=False, owner="operator")
    (file,) = exported(receiver)
    file.unlink()
    resolve(exporting.bridge, parked.key, started=False, owner="operator")
    assert exporting.run(job_id).state is State.CLOSED
    assert len(exported(receiver)) == 1


def test_a_receiver_with_another_host_key_gets_nothing(
    tmp_path: Path, azurite: Azurite, shared_simulator: dict[str, Any], receiver: Server, databases: Databases
) -> None:
    channels = write_channels(tmp_path, receiver, OTHER_KEY.get_fingerprint())
    with bridge_over(shared_simulator, tmp_path, azurite, databases, CHANNELS_FILE=channels) as flow:
        job_id = flow.order()
        flow.poll()
        broadcast = flow.run(job_id)
        assert broadcast.error_code == "sftp-host-key-refused"
        assert exported(receiver) == []


def test_a_secret_that_is_not_there_is_named_at_the_start(
    tmp_path: Path,
    azurite: Azurite,
    shared_simulator: dict[str, Any],
    receiver: Server,
    databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    channels = write_channels(tmp_path, receiver, HOST_KEY.get_fingerprint())
    monkeypatch.delenv("PARTNER_KEY")
    settings = make_settings(tmp_path, azurite.connection_string, shared_simulator, databases, CHANNELS_FILE=channels)
    with pytest.raises(SettingsInvalid, match="app setting PARTNER_KEY, which does not exist"):
        Bridge.from_settings(settings)
    monkeypatch.setenv("PARTNER_KEY", "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/partner-key)")
    with pytest.raises(SettingsInvalid, match="PARTNER_KEY: its key vault reference was not resolved"):
        Bridge.from_settings(settings)
