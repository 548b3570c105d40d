"""The scenarios of the matrix: together they cross every boundary of the code's own list."""

import json
import os
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from sqlalchemy import func, select, update

from local.faststats.delivery_file_generator import write_delivery_file
from local.faststats.peoplestage import record_script
from local.simulator.faults import Status, read_fault
from shared.bridge import Bridge
from shared.broadcast import RouteKind, SendMode, State, delivery_key
from shared.config.channels import Channel, Drop, ExportFile, ListFileLayout, SendingBatch
from shared.config.response_layouts import AfterLoad, ResponseLayout
from shared.errors import LedgerOlder
from shared.faststats.peoplestage_slots import PROVIDER, BroadcastCall, Slot, TestSendCall, UploadCall
from shared.ledger import tables
from shared.ledger.person import GivenBy
from shared.operations import broadcasts as operator
from shared.operations import holds, peoplestage, responses, test_send
from shared.operations.erasure.erase import erase
from shared.response_file import FileState
from shared.steps.sync_suppressions import sync_suppressions
from shared.storage import blob_names
from tests.databases import ZONE
from tests.matrix.parts import Blob
from tests.matrix.play import Act, Scenario, Wrong
from tests.matrix.world import Setup, World

_OWNER: Final = "an operator"
_BATCH: Final = {"sending_batch": SendingBatch(chunk_rows=5)}
_EXPORT: Final = {
    "export_file": ExportFile(site="partner", folder="/"),
    "list_file": ListFileLayout(name="{broadcast}.csv"),
}
_LATER: Final = "SendAt=2026-02-02T10:00:00+0100"
_HOLD: Final = Act(
    holds.add, lambda _world, _bridge: True, lambda _world, bridge: holds.add(bridge, "a test", by=_OWNER)
)
_LIFT: Final = Act(holds.lift, lambda _world, _bridge: True, lambda _world, bridge: holds.lift(bridge, by=_OWNER))
#: Whoever cancels later than meant may be too late.
_TOO_LATE: Final = frozenset({State.CLOSED})
_GUID: Final = uuid.UUID(int=7)


def _setup(route: RouteKind = RouteKind.IMPORT_JOB, **channel: object) -> Setup:
    return Setup(channel=Channel.model_validate({"route": route, "seed_list": "Seed list", **channel}))


def _order(**job: Any) -> Callable[[World], object]:
    return lambda world: world.order(**job)


def _then(*steps: Callable[[World], object]) -> Callable[[World], object]:
    return lambda world: [step(world) for step in steps]


def _fault(kind: str, **more: object) -> Callable[[World], object]:
    """A fault of Optimizely, as often as it says."""
    fault = read_fault(json.dumps({"kind": kind, **more}))
    return lambda world: world.simulator._faults.add(fault)


def _refuse(operation: str) -> Callable[[World], object]:
    """Optimizely refuses an operation once; its own faults leave open what has happened."""
    refused = Status.model_construct(kind="status", operation=operation, status=409, when="before", times=1)
    return lambda world: world.simulator._faults.add(refused)


def _break_site(requests: int = 1000) -> Callable[[World], object]:
    """The connection to Optimizely's SFTP site breaks at so many requests that change something."""

    def break_it(world: World) -> None:
        world.site_breaks.left = requests

    return break_it


def _mend_site(world: World, _bridge: Bridge) -> None:
    world.site_breaks.left = 0


# When it makes sense to do something


def _in(*states: State) -> Callable[[World, Bridge], bool]:
    return lambda world, _bridge: any(row.state in states for row in world.broadcasts())


def _campaign_is(status: str) -> Callable[[World, Bridge], bool]:
    def when(world: World, _bridge: Bridge) -> bool:
        of_broadcasts = "SELECT count(*) FROM campaign WHERE id = ? AND status = ?"
        return any(
            row.state is State.SENDING and world.count(of_broadcasts, row.campaign_id, status)
            for row in world.broadcasts()
        )

    return when


def _ended(world: World, _bridge: Bridge) -> bool:
    return all(row.state is State.CLOSED and row.reported_at for row in world.broadcasts())


def _delivered_to_ferg(world: World, _bridge: Bridge) -> bool:
    with world.watcher.rs_database.reading() as connection:
        waiting = select(func.count()).where(tables.ferg_file.c.put_at.is_(None))
        return not connection.scalar(waiting)


def _files_are(*states: FileState) -> Callable[[World, Bridge], bool]:
    def when(_world: World, bridge: Bridge) -> bool:
        files = bridge.ledger.response_files.newest(100)
        return bool(files) and all(file.state in states for file in files)

    return when


# What is done


def _call(operation: Callable[..., object], when: Callable[[World, Bridge], bool], **more: object) -> Act:
    """An operator's call about the newest broadcast."""

    def do(world: World, bridge: Bridge) -> object:
        return operation(bridge, world.broadcasts()[0].key, owner=_OWNER, **more)

    return Act(operation, when, do)


def _happens(when: Callable[[World, Bridge], bool], do: Callable[[World, Bridge], object]) -> Act:
    return Act(None, when, do)


def _time_passes(when: Callable[[World, Bridge], bool], *, times: int = 1, **by: float) -> Act:
    return _happens(when, lambda world, _bridge: _tick(world, timedelta(**by), times))


def _lose_messages(world: World, _bridge: Bridge) -> None:
    world.tick()
    world.messages()


_LOSE_MESSAGES: Final = _happens(_in(State.UPLOADED, State.IMPORTING), _lose_messages)


def _all(*steps: Callable[[World, Bridge], object]) -> Callable[[World, Bridge], object]:
    return lambda world, bridge: [step(world, bridge) for step in steps]


def _tick(world: World, by: timedelta, times: int) -> None:
    for _ in range(times):
        world.tick(by)


def _clear_faults(world: World, _bridge: Bridge) -> None:
    world.simulator._faults.clear_all()


def _remove_staged(world: World, bridge: Bridge) -> None:
    bridge.lists.remove(blob_names.staged_list(world.broadcasts()[0].key))


def _hide_delivery(world: World, _bridge: Bridge | None = None) -> None:
    for path in (world.folder / "deliveries").glob("*.txt"):
        path.rename(path.with_suffix(".hidden"))


def _show_delivery(world: World, _bridge: Bridge) -> None:
    for path in (world.folder / "deliveries").glob("*.hidden"):
        path.rename(path.with_suffix(".txt"))


def _change_list(world: World, _bridge: Bridge) -> None:
    """Somebody changes the list by hand."""
    with world.simulator._store.writing() as connection:
        connection.execute("UPDATE recipient_list SET modified = modified + 1")


_REFUSE: Final = (
    "CREATE TRIGGER refuse BEFORE INSERT ON BroadcastsDetail WHEN NEW.ActionType = 'Delivered' "
    "BEGIN SELECT RAISE(ABORT, 'refused'); END"
)


def _in_rs_db(statement: str) -> Callable[..., object]:
    """Somebody changes RS_DB by hand."""

    def execute(world: World, _bridge: Bridge | None = None) -> None:
        with world.watcher.rs_database.writing() as connection:
            connection.exec_driver_sql(statement)

    return execute


def _break_blobs(requests: int) -> Callable[[World], object]:
    """The storage account does not answer so many times when a blob is read."""

    def break_it(world: World) -> None:
        world.blobs.breaks = requests

    return break_it


def _double_delivery(world: World) -> None:
    """Everybody is in the delivery file twice, so that rows are rejected."""
    for path in (world.folder / "deliveries").glob("*.txt"):
        header, *rows = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join([header, *rows, *rows]))


def _restore_ledger(_world: World, bridge: Bridge) -> None:
    """RS_DB is restored to an earlier moment: all that the bridge can see of it is its mark."""
    with bridge.rs_database.writing() as connection:
        connection.execute(update(tables.high_water_mark).values(number=0))


def _foreign_import(world: World) -> None:
    """Somebody else's file is being imported into the list."""
    list_id = world.count("SELECT id FROM recipient_list WHERE name = 'Customers'")
    Path(world.site, "import", f"{list_id}_other.csv").write_text("Email;Urn\nother@example.org;4711\n")
    world.tick()


# PeopleStage


def _delivery(world: World) -> Path:
    path = world.folder / f"PowerShell_Customers_{_GUID}.txt"
    if not path.exists():
        write_delivery_file(path, 12, 1)
    return path


def _upload_call(world: World, **more: object) -> UploadCall:
    file = _delivery(world)
    inputs = {
        "Path": rf"D:\Deliveries\{file.name}",
        "Size": str(file.stat().st_size),
        "ListName": "Customers",
        "MessageName": "Spring Newsletter",
        "UrnFieldName": "Kunden ID",
        "EmailFieldName": "Email",
        "CommunicationKeyFieldName": "Communication Key",
    }
    return UploadCall.read(Slot.UPLOAD, inputs | more)


def _put_delivery(content: Callable[[World], bytes]) -> Callable[[World, Bridge], object]:
    def put(world: World, bridge: Bridge) -> None:
        name = blob_names.delivery_file(delivery_key(_GUID))
        Blob(world.blobs, bridge.lists.name, name).put(content(world))

    return put


def _broadcast_slot(world: World, bridge: Bridge) -> object:
    del world
    call = BroadcastCall.read(Slot.BROADCAST, {"TransactionId": delivery_key(_GUID)})
    return peoplestage.broadcast(bridge, call)


def _upload_slot(world: World, bridge: Bridge) -> object:
    return peoplestage.upload(bridge, _upload_call(world))


def _faststats_records(world: World, bridge: Bridge) -> None:
    """FastStats writes its rows once the scripts have returned."""
    broadcast = world.broadcasts()[0]
    result = {"TransactionId": broadcast.key, "Recipients": 1, "RecipientsRejected": 0}
    result |= {"CustomProvider": PROVIDER}
    record_script(bridge.rs_database, result, zone=ZONE, list_name="Customers")


def _is_absent(world: World, _bridge: Bridge) -> bool:
    return not world.broadcasts()


def _always(_world: World, _bridge: Bridge) -> bool:
    return True


# Response files

_HEADER: Final = "Urn;CommunicationKey;MessageType;EventTriggeredDate\n"
_ROWS: Final = _HEADER + "1;K1;Open;01.02.2026 12:00\n2;K2;Click;01.02.2026 12:01\n"


def _write_response(name: str, text: str) -> Callable[[World], object]:
    def write(world: World) -> None:
        path = world.site / "responses" / name
        path.write_text(text)
        os.utime(path, (1_770_000_000, 1_770_000_000))

    return write


def _remove_response(name: str) -> Callable[[World, Bridge], object]:
    return lambda world, _bridge: (world.site / "responses" / name).unlink()


def _add_response(world: World, bridge: Bridge) -> object:
    path = world.folder / "Response-by-hand.csv"
    path.write_text(_ROWS)
    os.utime(path, (1_770_000_000, 1_770_000_000))
    file = responses.add_file(bridge, path)
    return responses.load_again(bridge, file.id)


def _refuse_a_row(world: World) -> None:
    """A trigger that ends the whole transaction, as triggers on SQL Server do."""
    with closing(sqlite3.connect(world.folder / "RS_Test.sqlite", timeout=60)) as theirs:
        theirs.execute(
            "CREATE TRIGGER IF NOT EXISTS trg_matrix BEFORE INSERT ON Response WHEN NEW.Urn = '2' "
            "BEGIN SELECT RAISE(ROLLBACK, 'no'); END"
        )


def _refuse_no_row(world: World, _bridge: Bridge) -> object:
    with closing(sqlite3.connect(world.folder / "RS_Test.sqlite", timeout=60)) as theirs:
        return theirs.execute("DROP TRIGGER IF EXISTS trg_matrix")


def _load_again(_world: World, bridge: Bridge) -> object:
    return responses.load_again(bridge, bridge.ledger.response_files.newest(1)[0].id)


def _drop(name: str = "customers.txt") -> Callable[[World], object]:
    def drop(world: World) -> None:
        path = world.folder / "dropped" / name
        write_delivery_file(path, 12, 1)
        now = world.clock.now().timestamp()
        os.utime(path, (now, now))

    return drop


def _forget_digest(world: World, _bridge: Bridge) -> None:
    """As the version before has left it."""
    with world.watcher.rs_database.writing() as connection:
        connection.execute(update(tables.broadcast).values(content_digest=None))


_DROPPING: Final = _setup(
    drop=Drop(place="/dropped", list_name="Customers", message_name="Spring Newsletter", urn_column="Kunden ID")
)


def _lose_mails(world: World, _bridge: Bridge) -> None:
    """Optimizely loses mails, and its report says so."""
    with world.simulator._store.writing() as connection:
        connection.execute("DELETE FROM mail_waiting WHERE due > 0")
        connection.execute("UPDATE campaign SET recipients = 1 WHERE status = 'running'")


def _bounce(world: World, _bridge: Bridge) -> None:
    with world.simulator._store.writing() as connection:
        connection.execute(
            "UPDATE event SET message_type = 'Bounce', bounce_type = 'HardBounce' "
            "WHERE id = (SELECT min(id) FROM event)"
        )


def _erase(world: World, bridge: Bridge) -> object:
    with world.simulator._store.reading() as connection:
        address = connection.execute("SELECT min(recipient_id) FROM mail_sent").fetchone()[0]
    return erase(bridge, GivenBy.ADDRESS, address, operator=_OWNER)


def _send_test(_world: World, bridge: Bridge) -> object:
    call = TestSendCall.read(Slot.SEND_TEST, {"MessageName": "Spring Newsletter", "RequestId": str(_GUID)})
    return peoplestage.send_test(bridge, call)


def _at_most_once(world: World, table: str) -> None:
    if world.count(f"SELECT count(*) FROM {table}") > 1:  # noqa: S608 - no input
        raise Wrong(f"more than one {table}")


_RESPONDED: Final = ResponseLayout(after_load=AfterLoad.ARCHIVE, archive_folder="/responses/archive")
_HALF_A_DAY: Final = {"hours": 12}

SCENARIOS: Final = (
    # Every route in every send mode
    Scenario(name="import job", begin=_order()),
    Scenario(name="import job, after import", setup=_setup(send=SendMode.AFTER_IMPORT), begin=_order()),
    Scenario(name="import job, at a time", begin=_order(parameters=_LATER)),
    Scenario(name="import job, upload only", begin=_order(upload_only=True, message_name="")),
    Scenario(name="closed loop", setup=_setup(RouteKind.CLOSED_LOOP), begin=_order()),
    Scenario(name="sending batch", setup=_setup(RouteKind.SENDING_BATCH, **_BATCH), begin=_order()),
    Scenario(
        name="sending batch, at a time",
        setup=_setup(RouteKind.SENDING_BATCH, **_BATCH),
        begin=_order(parameters=_LATER),
    ),
    Scenario(
        name="export file", setup=_setup(RouteKind.EXPORT_FILE, **_EXPORT), begin=_order(list_name="", message_name="")
    ),
    # Every intake
    Scenario(
        name="dropped file, dropped again",
        setup=_DROPPING,
        begin=_drop(),
        # Where the digest is forgotten too early, the repeat is refused as already sent.
        or_ends=frozenset({State.FAILED}),
        acts=(
            _happens(_in(State.CLOSED), lambda world, _bridge: _drop("again.txt")(world)),
            _time_passes(_in(State.CLOSED), minutes=10),
            _happens(_in(State.CLOSED), _forget_digest),
            _time_passes(_in(State.CLOSED), minutes=10),
        ),
    ),
    Scenario(
        name="PeopleStage",
        acts=(
            Act(peoplestage.upload, _is_absent, _upload_slot),
            _happens(_is_absent, _put_delivery(lambda _world: b"broken off")),
            Act(peoplestage.upload, _is_absent, _upload_slot),
            _happens(_is_absent, _put_delivery(lambda world: _delivery(world).read_bytes())),
            Act(peoplestage.upload, _is_absent, _upload_slot),
            Act(peoplestage.upload, _in(State.STAGED), _upload_slot),
            Act(peoplestage.broadcast, _in(State.STAGED), _broadcast_slot),
            _happens(_in(State.CLOSED), _faststats_records),
        ),
    ),
    # What a person does before the start
    Scenario(
        name="cancelled at once",
        begin=_order(),
        acts=(_call(operator.cancel, _in(State.CLAIMED, State.STAGED, State.PREPARED, State.UPLOADED)),),
        ends=State.CANCELLED,
        or_ends=_TOO_LATE,
    ),
    Scenario(
        name="cancelled while it is armed",
        setup=_setup(send=SendMode.AFTER_IMPORT),
        begin=_order(),
        acts=(_call(operator.cancel, _in(State.UPLOADED)),),
        ends=State.CANCELLED,
        or_ends=_TOO_LATE,
    ),
    Scenario(
        name="cancelled before its time",
        begin=_order(parameters=_LATER),
        acts=(_call(operator.cancel, _in(State.IMPORTED)),),
        ends=State.CANCELLED,
        or_ends=_TOO_LATE,
    ),
    Scenario(
        name="cancelled on the closed loop",
        setup=_setup(RouteKind.CLOSED_LOOP),
        begin=_then(_fault("import-never"), _order()),
        acts=(_call(operator.cancel, _in(State.UPLOADED)),),
        ends=State.CANCELLED,
        or_ends=_TOO_LATE | {State.FAILED},  # where it is not known whether the file was taken back in time
    ),
    Scenario(
        name="cancelled batch",
        setup=_setup(RouteKind.SENDING_BATCH, **_BATCH),
        begin=_then(_fault("status", operation="getSendingBatch", status=500, when="before", times=4), _order()),
        acts=(_call(operator.cancel, _in(State.STAGED, State.PREPARED, State.UPLOADED)),),
        ends=State.CANCELLED,
        or_ends=_TOO_LATE,
    ),
    # While it sends
    Scenario(
        name="paused and resumed",
        begin=_order(),
        acts=(_call(operator.pause, _campaign_is("running")), _call(operator.resume, _campaign_is("paused"))),
    ),
    Scenario(name="stopped", begin=_order(), acts=(_call(operator.stop, _campaign_is("running")),)),
    Scenario(
        name="sent short",
        begin=_order(),
        acts=(
            _happens(_campaign_is("running"), _lose_mails),
            Act(
                operator.acknowledge,
                _in(State.CLOSED),
                lambda world, bridge: operator.acknowledge(bridge, world.broadcasts()[0].key, owner=_OWNER),
            ),
        ),
    ),
    # After it failed or was parked
    Scenario(
        name="failed and retried",
        begin=_then(_fault("import-fails", times=1), _order()),
        acts=(_call(operator.retry, _in(State.FAILED)),),
    ),
    Scenario(
        name="parked, not started",
        begin=_then(_fault("status", operation="startSmartCampaign", status=500, when="before", times=3), _order()),
    ),
    Scenario(
        name="parked, started",
        begin=_then(_fault("status", operation="getReport_1", status=500, when="before", times=32), _order()),
    ),
    Scenario(
        name="parked, optimizely sends the half",
        setup=_setup(send=SendMode.AFTER_IMPORT),
        begin=_then(_fault("import-loses", percent=50), _order()),
    ),
    Scenario(
        name="parked, closed loop without a copy",
        setup=_setup(RouteKind.CLOSED_LOOP),
        begin=_then(_fault("import-fails", times=1), _order()),
    ),
    Scenario(
        name="parked, results refused",
        begin=_then(_in_rs_db(_REFUSE), _order()),
        acts=(_happens(_in(State.NEEDS_OPERATOR), _in_rs_db("DROP TRIGGER refuse")),),
    ),
    Scenario(
        name="parked, its file cannot be taken back",
        setup=Setup(channel=Channel(seed_list="Seed list"), settings={"IMPORT_TIMEOUT_MINUTES": "30"}),
        begin=_then(_fault("import-never"), _order()),
        acts=(
            _happens(_in(State.UPLOADED), lambda world, _bridge: _break_site()(world)),
            _happens(
                _in(State.NEEDS_OPERATOR),
                _all(_mend_site, _clear_faults),
            ),
        ),
    ),
    Scenario(
        name="failed without its delivery file",
        begin=_then(_order(), _hide_delivery),
        acts=(_happens(_in(State.FAILED), _show_delivery), _call(operator.retry, _in(State.FAILED))),
    ),
    Scenario(
        name="failed at its upload",
        begin=_then(_break_site(32), _order()),
        acts=(_call(operator.retry, _in(State.FAILED)),),
    ),
    Scenario(
        name="failed batch",
        setup=_setup(RouteKind.SENDING_BATCH, **_BATCH),
        begin=_then(_fault("status", operation="addRecipients_1", status=500, when="before", times=8), _order()),
        acts=(_call(operator.retry, _in(State.FAILED)),),
    ),
    Scenario(
        name="failed without an import",
        setup=Setup(channel=Channel(seed_list="Seed list"), settings={"IMPORT_TIMEOUT_MINUTES": "30"}),
        begin=_then(_fault("import-never"), _order()),
        acts=(
            _happens(_in(State.FAILED), _clear_faults),
            _call(operator.retry, _in(State.FAILED)),
        ),
    ),
    Scenario(
        name="failed because its list was changed",
        begin=_then(_fault("status", operation="getSmartCampaign", status=500, when="before", times=4), _order()),
        acts=(_happens(_in(State.IMPORTED), _change_list), _call(operator.retry, _in(State.FAILED))),
    ),
    Scenario(
        name="PeopleStage gives up and repeats",
        acts=(
            _happens(_is_absent, _put_delivery(lambda world: _delivery(world).read_bytes())),
            Act(peoplestage.upload, _is_absent, _upload_slot),
            _time_passes(_in(State.STAGED), hours=25),
            Act(peoplestage.upload, _in(State.FAILED), _upload_slot),
            Act(peoplestage.broadcast, _in(State.STAGED), _broadcast_slot),
            _happens(
                _in(State.UPLOADED, State.IMPORTING),
                _all(_faststats_records, _lose_messages),
            ),
        ),
    ),
    Scenario(
        name="cancelled while it is held",
        acts=(
            _happens(_is_absent, _put_delivery(lambda world: _delivery(world).read_bytes())),
            Act(peoplestage.upload, _is_absent, _upload_slot),
            _call(operator.cancel, _in(State.STAGED)),
        ),
        ends=State.CANCELLED,
        or_ends=_TOO_LATE,
    ),
    Scenario(
        name="cancelled before its upload",
        begin=_then(_fault("import-slow", minutes=25, times=1), _foreign_import, _order()),
        acts=(_call(operator.cancel, _in(State.PREPARED)),),
        ends=State.CANCELLED,
        or_ends=_TOO_LATE,
    ),
    Scenario(
        name="cancelled during its import",
        begin=_then(_fault("import-slow", minutes=60, times=1), _order()),
        acts=(_call(operator.cancel, _in(State.IMPORTING)),),
        ends=State.CANCELLED,
        or_ends=_TOO_LATE,
    ),
    # What holds it back
    Scenario(
        name="held and lifted",
        begin=_order(),
        acts=(_HOLD, _time_passes(_always, hours=1), _LIFT),
    ),
    Scenario(
        name="held, parked and resolved",
        setup=_setup(RouteKind.CLOSED_LOOP),
        begin=_order(),
        acts=(_HOLD, _call(operator.park, _in(State.CLAIMED, State.STAGED, State.PREPARED)), _LIFT),
    ),
    Scenario(
        name="held for a ledger that was restored",
        begin=_order(),
        acts=(
            _happens(_in(State.UPLOADED, State.IMPORTING), _restore_ledger),
            Act(
                holds.lift,
                lambda _world, bridge: bool(bridge.ledger.hold.in_force()),
                lambda _world, bridge: holds.lift(bridge, by=_OWNER, code=LedgerOlder.code),
            ),
        ),
    ),
    Scenario(
        name="released",
        setup=_setup(max_recipients=5),
        begin=_order(),
        acts=(_call(operator.release, _in(State.STAGED)),),
    ),
    # What happens besides
    Scenario(
        name="staged anew",
        begin=_then(_fault("import-slow", minutes=25, times=1), _foreign_import, _order()),
        acts=(_happens(_in(State.PREPARED), _remove_staged),),
    ),
    Scenario(name="message lost", begin=_order(), acts=(_LOSE_MESSAGES,)),
    Scenario(
        name="message with a Wait node",
        begin=_order(message_name="Evening Newsletter", parameters=_LATER),
    ),
    # Responses
    Scenario(
        name="responses",
        setup=Setup(
            channel=Channel(seed_list="Seed list"),
            responses=_RESPONDED,
            settings={"RESPONSES_TO": "both", "FERG_FILES": "ferg"},
        ),
        begin=_then(_order(), _double_delivery),
        gathers=True,
        acts=(
            _happens(
                _ended,
                lambda world, _bridge: _fault("status", operation="getReport_1", status=500, when="before", times=4)(
                    world
                ),
            ),
            _time_passes(_ended, times=2, **_HALF_A_DAY),
            Act(responses.load_again, _files_are(FileState.LOADED), _load_again),
            Act(erase, _delivered_to_ferg, _erase),
            _time_passes(_files_are(FileState.LOADED), days=1000),
        ),
    ),
    Scenario(
        name="response file that goes and comes",
        setup=Setup(responses=ResponseLayout(after_load=AfterLoad.REMOVE), settings={"RESPONSE_FILE_ROUNDS": "2"}),
        gathers=True,
        begin=_write_response("Response1.csv", _ROWS),
        acts=(
            _happens(_files_are(FileState.SEEN), _remove_response("Response1.csv")),
            _happens(
                _files_are(FileState.FAILED), lambda world, _bridge: _write_response("Response1.csv", _ROWS)(world)
            ),
        ),
    ),
    Scenario(
        name="response file that cannot be loaded",
        gathers=True,
        begin=_write_response("Response1.csv", "Nothing\n1\n"),
        acts=(Act(responses.load_again, _files_are(FileState.FAILED), _load_again),),
    ),
    Scenario(
        name="response file with a row that a rule of the customer refuses",
        gathers=True,
        begin=_then(_refuse_a_row, _write_response("Response1.csv", _ROWS)),
        acts=(
            _happens(_files_are(FileState.LOADED), _refuse_no_row),
            Act(responses.load_again, _files_are(FileState.LOADED), _load_again),
        ),
    ),
    Scenario(
        name="response file, message lost",
        gathers=True,
        begin=_then(_break_blobs(1), _write_response("Response1.csv", _ROWS)),
        acts=(_happens(_files_are(FileState.GATHERED), _lose_messages),),
    ),
    Scenario(
        name="response file by hand",
        acts=(Act(responses.add_file, _always, _add_response),),
        gathers=True,
    ),
    # The rest
    Scenario(
        name="suppressions",
        setup=_setup(suppress=True),
        begin=_then(_fault("status", operation="selectUnsubscribes", status=500, when="before", times=4), _order()),
        rounds=(sync_suppressions,),
        acts=(_happens(_in(State.CLOSED), _bounce), _time_passes(_in(State.CLOSED), days=2)),
    ),
    Scenario(
        name="test send",
        begin=_order(),
        acts=(
            Act(
                test_send.for_message,
                _always,
                lambda _world, bridge: test_send.for_message(bridge, "Spring Newsletter", channel="default"),
            ),
            Act(
                test_send.for_broadcast,
                _in(State.CLOSED),
                lambda world, bridge: test_send.for_broadcast(bridge, world.broadcasts()[0].key),
            ),
        ),
    ),
    Scenario(
        name="test send of one click",
        begin=_refuse("startTestMailing_2"),
        acts=(*[Act(peoplestage.send_test, _always, _send_test)] * 2, Act(test_send.repeatable, _always, _send_test)),
        books=lambda world: _at_most_once(world, "test_mailing"),
    ),
)
