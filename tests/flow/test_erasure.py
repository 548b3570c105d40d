"""A person is erased from everything that the bridge keeps, however they are given, and nobody else is."""

import csv
import gzip
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner, Result

from cli.main import app
from local.azurite import Azurite
from shared.broadcast import RouteKind, State
from shared.database.connections import Database
from shared.errors import ErasureBusy, ErasureUnclear, ErasureUnderWay, LeaseLost, OptimizelyUnavailable
from shared.faststats.ferg_file import FergFiles
from shared.faststats.rs_db import RsDb
from shared.faststats.schema_map.names import RsDbSchema
from shared.files.email_address import deliverable
from shared.ledger import erasures, person_rows, tables
from shared.ledger.erasures import UNREAD, WIPE
from shared.ledger.leases import HeldLease, LeaseName, Leases
from shared.ledger.person import GivenBy
from shared.ledger.recipients import key_hash
from shared.operations.erasure.erase import STEPS, erase, plan
from shared.operations.erasure.response_files import PersonInResponseFiles
from shared.operations.erasure.staged_lists import PersonInLists
from shared.operations.responses import add_file, load_again
from shared.optimizely.rest.client import OptimizelyRest
from shared.steps.chores.deliver_ferg_files import deliver_ferg_files
from shared.steps.housekeeping import housekeeping
from shared.storage import blob_names
from shared.storage.staging import StagedFileWriter
from tests.databases import ZONE, Databases
from tests.flow.conftest import bridge_over
from tests.flow.harness import Flow, channel
from tests.flow.simulators import Simulators

#: A lease outlives any pause of a busy machine; nobody here waits for one that a dead process left.
LEASE = "600"

#: Tables in which a hash of an address may stay: who gets no mail must not be forgotten.
STAY = {"bridge.suppression", "bridge.suppression_bounce"}


@pytest.fixture
def flow(tmp_path: Path, azurite: Azurite, shared_simulator: dict[str, Any], databases: Databases) -> Iterator[Flow]:
    """A bridge whose simulator others use too."""
    with bridge_over(shared_simulator, tmp_path, azurite, databases, LEASE_SECONDS=LEASE) as made:
        yield made


@pytest.fixture
def alone(tmp_path: Path, azurite: Azurite, databases: Databases, simulators: Simulators) -> Iterator[Flow]:
    """A bridge with a simulator of its own."""
    with (
        simulators.new(tmp_path / "simulator") as site,
        bridge_over(site, tmp_path, azurite, databases, LEASE_SECONDS=LEASE) as made,
    ):
        yield made


@dataclass(frozen=True)
class Somebody:
    """A recipient of a delivery file."""

    urn: str
    address: str
    key: str

    def given(self, by: GivenBy) -> str:
        return {GivenBy.ADDRESS: self.address, GivenBy.URN: self.urn, GivenBy.COMMUNICATION_KEY: self.key}[by]

    @property
    def traces(self) -> set[bytes]:
        """What is theirs, in clear and hashed."""
        hashes = [hashed for value in (self.urn, self.key) if (hashed := key_hash(value))]
        return {self.address.lower().encode(), self.urn.encode(), self.key.lower().encode(), *hashes}


def recipients(flow: Flow, job: int) -> list[Somebody]:
    """Everybody on the list of a job's broadcast who is well written in the delivery file."""
    file = Path(flow.bridge.settings.delivery_files, flow.broadcast(job).request.delivery_file)
    rows = csv.DictReader(file.read_text("utf-8").splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    return [
        Somebody(row["Kunden ID"], deliverable(row["Email"]) or row["Email"], row["Communication Key"]) for row in rows
    ]


def blobs(flow: Flow) -> Iterator[tuple[str, bytes]]:
    """Every blob of the bridge, unpacked."""
    for container in (flow.bridge.lists, flow.bridge.rejects, flow.bridge.responses):
        for name in container.names():
            content = b"".join(container.chunks(name))
            if content[:2] == b"\x1f\x8b":
                content = gzip.decompress(content)
            elif content[:2] == b"PK":
                with zipfile.ZipFile(BytesIO(content)) as archive:
                    content = archive.read(archive.namelist()[0])
            yield f"{container.name}/{name}", content


def cells(flow: Flow) -> Iterator[tuple[str, bytes]]:
    """Every value in RS_DB, which the ledger stands in."""
    database = flow.bridge.rs_database
    with database.reading() as connection:
        for table in (*tables.metadata.sorted_tables, *RsDbSchema(ZONE).metadata.sorted_tables):
            for row in connection.execute(select(table)):
                for value in row:
                    if value is not None:
                        yield table.fullname, value if isinstance(value, bytes) else str(value).lower().encode()


def traces(flow: Flow, somebody: Somebody) -> set[str]:
    """Where something is of somebody."""
    found = {
        name
        for name, content in blobs(flow)
        for trace in somebody.traces
        if trace in content.lower() or trace in content.decode("utf-16-le", "ignore").lower().encode()
    }
    values = re.compile(b"|".join(rb"(?<!\w)" + re.escape(one) + rb"(?!\w)" for one in somebody.traces))
    found |= {name for name, value in cells(flow) if name not in STAY and values.search(value)}
    return found


def responses_of(flow: Flow, somebody: Somebody) -> int:
    with flow.bridge.rs_database.reading() as connection:
        rows = flow.bridge.rs_db.responses_of(connection, addresses=[], urns=[somebody.urn], communication_keys=[])
    return len(rows)


def responder(flow: Flow, job: int) -> tuple[Somebody, list[Somebody]]:
    """The recipient with most responses, and the others."""
    everybody = recipients(flow, job)
    one = max(everybody, key=lambda somebody: responses_of(flow, somebody))
    assert responses_of(flow, one) > 1
    return one, [other for other in everybody if other.urn not in {one.urn, ""} and other.address != one.address]


def erased(flow: Flow, somebody: Somebody, by: GivenBy = GivenBy.URN) -> dict[str, tuple[int, int | None]]:
    receipt = erase(flow.bridge, by, somebody.given(by), operator="operator test")
    assert receipt.finished_at is not None
    return {one.step: (one.found, one.erased) for one in receipt.steps if one.step != UNREAD}


@pytest.mark.parametrize("by", GivenBy)
def test_whatever_the_person_is_given_by_nothing_shows_them_any_more_but_of_the_others(
    alone: Flow, by: GivenBy
) -> None:
    flow = alone
    job = flow.order(recipients=150)
    broadcast = flow.run(job)
    flow.collect_responses()
    one, others = responder(flow, job)
    assert {"bridge.recipient", "Response", f"{flow.bridge.lists.name}/{broadcast.key}/list"} <= traces(flow, one)
    before, counted = responses_of(flow, one), flow.bridge.rs_db
    with flow.bridge.rs_database.reading() as connection:
        types = counted.count_by_type(connection)
    kept = {other.urn: responses_of(flow, other) for other in others}

    result = erased(flow, one, by)

    assert set(result) == set(STEPS)
    assert result["responses"] == (before, before)
    assert all(found == done and found > 0 for found, done in result.values())
    assert traces(flow, one) == set()
    assert {other.urn: responses_of(flow, other) for other in others} == kept
    with flow.bridge.rs_database.reading() as connection:
        assert flow.bridge.rs_db.count_by_type(connection) == types  # anonymised, so counts stay
    wiped = flow.simulator()["wiped"]
    assert [one.address.lower()] == [entry["recipient_id"] for entry in wiped]
    assert set(erased(flow, one, by).values()) <= {(0, 0), (1, 1)}  # only Optimizely is asked once more


@pytest.mark.parametrize("by", GivenBy)
@pytest.mark.parametrize("route", [RouteKind.IMPORT_JOB, RouteKind.SENDING_BATCH])
def test_a_person_who_did_nothing_yet_is_found_in_the_list(alone: Flow, route: RouteKind, by: GivenBy) -> None:
    flow = alone
    flow.use(channel(route))
    job = flow.order(recipients=80)
    assert flow.run(job).state is State.CLOSED
    somebody = recipients(flow, job)[40]
    result = erased(flow, somebody, by)
    assert result["lists"] == (1, 1)
    assert result["recipients"] == (1, 1)
    assert result["optimizely"] == (1, 1)
    assert traces(flow, somebody) == set()
    assert len(list(person_rows.recipients_of(flow.bridge.ledger.database, flow.broadcast(job).id))) > 60


def test_a_person_whose_row_was_rejected_is_removed_from_the_reject_file_alone(flow: Flow) -> None:
    job = flow.order(recipients=400)
    broadcast = flow.run(job)
    blob = f"{broadcast.key}/rejects.csv"
    before = b"".join(flow.bridge.rejects.chunks(blob))
    rows = list(csv.reader(before.decode("utf-8-sig").splitlines(keepends=True)))
    listed = b"".join(flow.bridge.lists.chunks(f"{broadcast.key}/list"))
    rejected = [row for row in rows[1:] if len(row) == len(rows[0]) and row[2] and row[2].encode() not in listed]
    assert rejected
    result = erased(flow, Somebody(rejected[0][2], "", ""))
    assert result["lists"] == (1, 1)
    after = b"".join(flow.bridge.rejects.chunks(blob))
    left = list(csv.reader(after.decode("utf-8-sig").splitlines(keepends=True)))
    assert left == [row for row in rows if row != rejected[0]]
    gone = next(line for line in before.splitlines(keepends=True) if rejected[0][2].encode() in line)
    assert after == before.replace(gone, b"")
    assert flow.bridge.lists.find(f"{broadcast.key}/list") is not None  # they are not on it


@pytest.mark.parametrize(("how", "rows", "anonymous"), [("keep", 3, 0), ("anonymise", 0, 3), ("delete", 0, 0)])
def test_the_setting_says_what_becomes_of_responses(flow: Flow, how: str, rows: int, anonymous: int) -> None:
    flow.set(erase_responses=how)
    file = kept(flow, "Response-1.csv", "u1;k1;Open;1", "u1;k1;Click;2", "u1;k1;Open;3", "u2;k2;Open;1")
    result = erased(flow, Somebody("u1", "", "k1"))
    assert result["responses"] == (3, rows if how == "keep" and not rows else 0 if how == "keep" else 3)
    assert responses_of(flow, Somebody("u1", "", "")) == rows
    with flow.bridge.rs_database.reading() as connection:
        everything = list(flow.bridge.rs_db.every_response(connection))
    assert [row[1:] for row in everything if row[1:] == ("", "", "")] == [("", "", "")] * anonymous
    assert responses_of(flow, Somebody("u2", "", "")) == 1
    assert b"u1" not in b"".join(flow.bridge.responses.chunks(file))


def kept(flow: Flow, name: str, *rows: str, header: str = "Urn;CommunicationKey;MessageType;Points") -> str:
    """Load a response file; the name of its blob. Its rows end with a minute."""
    lines = [header.replace("Points", "EventTriggeredDate")]
    lines += [re.sub(r"(\d)$", r"01.03.2026 12:0\1", row) for row in rows]
    return loaded(flow, name, "\n".join([*lines, ""]).encode())


def loaded(flow: Flow, name: str, content: bytes) -> str:
    path = Path(flow.folder, name)
    path.write_bytes(content)
    file = add_file(flow.bridge, path)
    load_again(flow.bridge, file.id)
    return blob_names.response_file(file)


HEAD = "Urn;CommunicationKey;Email;MessageType;EventTriggeredDate;Note\r\n"
LINES = (
    HEAD,
    "u1;k1;ann@example.org;Open;01.03.2026 12:00;\r\n",
    'u2;k2;bob@example.org;Open;01.03.2026 12:00;"two\r\nlines; of u1"\r\n',
    'u1;k1;ann@example.org;Click;01.03.2026 12:01;"three\r\nlines\r\nof hers"\r\n',
    ";k1;;Open;01.03.2026 12:09;by her Communication Key alone\r\n",
    ";;ann@example.org;Open;01.03.2026 12:10;by her address alone\r\n",
    "u1;k1;ann@example.org;Open;3/1/2026;refused for its date\r\n",
    "u2;k2;bob@example.org;Open;3/1/2026;refused for its date\r\n",
    'u1;"k1;broken quote\r\n',
    "u11;k11;anna@example.org;Open;01.03.2026 12:05;\r\n",
)
HERS = {1, 3, 4, 5, 6, 8}


@pytest.mark.parametrize("packing", ["", "gzip", "zip"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_kept_file_loses_their_rows_and_nothing_else_and_a_replay_brings_nobody_back(
    flow: Flow, packing: str, encoding: str
) -> None:
    content = "".join(LINES).encode(encoding)
    if packing == "gzip":
        content = gzip.compress(content)
    elif packing == "zip":
        held = BytesIO()
        with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("r.csv", content)
        content = held.getvalue()
    blob = loaded(flow, "Response-1.csv", content)
    (file,) = flow.bridge.ledger.response_files.named("Response-1.csv")
    assert file.counts is not None
    assert (file.counts.read, file.counts.loaded, file.counts.rejected) == (9, 6, 3)

    result = erased(flow, Somebody("u1", "", ""))

    assert result["response-files"] == (6, 6)
    left = "".join(line for number, line in enumerate(LINES) if number not in HERS)
    ((_, now_kept),) = [one for one in blobs(flow) if one[0].endswith(blob)]
    assert now_kept == left.encode(encoding)
    packed = b"".join(flow.bridge.responses.chunks(blob))
    assert (packed[:2] == b"\x1f\x8b", packed[:2] == b"PK") == (packing == "gzip", packing == "zip")
    before = [one for one in cells(flow) if one[0] == "Response"]
    counts = load_again(flow.bridge, file.id)
    assert (counts.read, counts.known, counts.rejected, counts.loaded) == (3, 2, 1, 0)
    assert [one for one in cells(flow) if one[0] == "Response"] == before
    (again,) = flow.bridge.ledger.response_files.named("Response-1.csv")
    assert again.counts is not None
    assert again.counts.read == again.counts.loaded + again.counts.known + again.counts.rejected
    # The file as it came is known again, and what is kept of it stays as it is; so are its events.
    assert add_file(flow.bridge, Path(flow.folder, "Response-1.csv")).id == file.id
    assert load_again(flow.bridge, file.id).loaded == 0
    loaded(flow, "Response-2.csv", content)
    assert [one for one in cells(flow) if one[0] == "Response"] == before


def test_an_address_leads_to_every_urn_that_uses_it_and_a_urn_to_nobody_who_shares_its_address(flow: Flow) -> None:
    header = "Urn;CommunicationKey;Email;MessageType;Points"
    rows = ("u1;k1;we@example.org;Open;1", "u2;k2;we@example.org;Open;2", ";;we@example.org;Open;3", "u1;k3;;Open;4")
    kept(flow, "Response-1.csv", *rows, header=header)
    by_urn = plan(flow.bridge, GivenBy.URN, "U1 ")
    assert by_urn.found["responses"] == 3
    assert (len(by_urn.person.urns), len(by_urn.person.communication_keys)) == (1, 2)
    by_address = plan(flow.bridge, GivenBy.ADDRESS, "WE@example.org")
    assert (by_address.found["responses"], len(by_address.person.urns)) == (4, 2)
    by_key = plan(flow.bridge, GivenBy.COMMUNICATION_KEY, "k3")
    assert by_key.found == by_urn.found
    assert plan(flow.bridge, GivenBy.URN, "nobody").found == {
        "optimizely": 0,
        **dict.fromkeys(("responses", "response-files", "lists", "recipients"), 0),
    }


def test_a_key_that_stands_for_nobody_is_refused(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.ledger.person._MAX_VALUES", 20)
    kept(flow, "Response-1.csv", *(f"0;k{number};Open;1" for number in range(30)))
    with pytest.raises(ErasureUnclear, match="leads to more than 20"):
        erase(flow.bridge, GivenBy.URN, "0", operator="operator test")
    assert erasures.receipts(flow.bridge.ledger.database) == []


def test_nothing_is_changed_while_a_broadcast_of_theirs_is_under_way(flow: Flow) -> None:
    job = flow.order(recipients=40)
    flow.poll()
    assert plan(flow.bridge, GivenBy.URN, "1000020").not_staged >= 1
    flow.stop_at(job, State.STAGED)
    somebody = recipients(flow, job)[20]
    before = traces(flow, somebody)
    planned = plan(flow.bridge, GivenBy.URN, somebody.urn)
    assert planned.under_way == [f"broadcast {flow.broadcast(job).key}"]
    with pytest.raises(ErasureUnderWay, match=flow.broadcast(job).key):
        erase(flow.bridge, GivenBy.URN, somebody.urn, operator="operator test")
    assert traces(flow, somebody) == before
    assert erasures.receipts(flow.bridge.ledger.database) == []
    other = plan(flow.bridge, GivenBy.URN, "nobody at all")
    assert other.under_way == []
    assert flow.sweep_until_at_rest(job).state is State.CLOSED
    assert erased(flow, somebody)["lists"] == (1, 1)


def test_nothing_is_changed_while_a_file_for_ferg_with_them_is_to_be_put(flow: Flow, tmp_path: Path) -> None:
    flow.set(responses_to="both")
    kept(flow, "Response-1.csv", "u1;k1;Open;1", "u2;k2;Open;2")
    with pytest.raises(ErasureUnderWay, match="1 files for FERG"):
        erase(flow.bridge, GivenBy.URN, "u1", operator="operator test")
    location = flow.bridge.locations.get(str(tmp_path))
    ferg = FergFiles(location.write, delimiter="TAB", encloser="NONE", date_format="dd.MM.yyyy HH:mm", zone="UTC")
    assert deliver_ferg_files(flow.bridge.ledger, ferg) == 1
    assert erased(flow, Somebody("u1", "", ""))["responses"] == (1, 1)


def test_a_file_that_is_being_loaded_is_waited_for_by_the_operator(flow: Flow) -> None:
    kept(flow, "Response-1.csv", "u1;k1;Open;1")
    with (
        flow.bridge.ledger.leases.held(LeaseName.for_response_file("Response-1.csv"), "a load"),
        pytest.raises(ErasureBusy),
    ):
        erase(flow.bridge, GivenBy.URN, "u1", operator="operator test")
    (receipt,) = erasures.receipts(flow.bridge.ledger.database)
    assert receipt.finished_at is None
    assert plan(flow.bridge, GivenBy.URN, "u1").goes_on
    assert erased(flow, Somebody("u1", "", ""))["response-files"] == (1, 1)
    assert len(erasures.receipts(flow.bridge.ledger.database)) == 1


def test_two_do_not_erase_at_once(flow: Flow) -> None:
    with (
        flow.bridge.ledger.leases.held(LeaseName.for_chore("erase"), "another"),
        pytest.raises(ErasureBusy, match="another erasure"),
    ):
        erase(flow.bridge, GivenBy.URN, "u1", operator="operator test")


def test_a_file_that_cannot_be_read_is_reported(flow: Flow) -> None:
    kept(flow, "Response-1.csv", "u1;k1;Open;1")
    path = Path(flow.folder, "Response-2.csv")
    path.write_text("no header for responses\nu1;k1\n")
    add_file(flow.bridge, path)
    assert plan(flow.bridge, GivenBy.URN, "u1").unread == ["Response-2.csv"]
    receipt = erase(flow.bridge, GivenBy.URN, "u1", operator="operator test")
    assert [one.found for one in receipt.steps if one.step == UNREAD] == [1]


def test_a_list_of_a_channel_that_is_gone_is_reported_and_stops_nothing(flow: Flow) -> None:
    job = flow.order(recipients=40)
    broadcast = flow.run(job)
    somebody = recipients(flow, job)[20]
    kept(flow, "Response-1.csv", f"{somebody.urn};k1;Open;1")
    flow.bridge.channels._channels = MappingProxyType({"another": channel()})
    assert plan(flow.bridge, GivenBy.URN, somebody.urn).unread == [f"broadcast {broadcast.key}"]
    receipt = erase(flow.bridge, GivenBy.URN, somebody.urn, operator="operator test")
    assert {one.step: one.found for one in receipt.steps}[UNREAD] == 1
    assert responses_of(flow, somebody) == 0


class Died(BaseException):
    """Stands for the end of a process."""


@pytest.mark.parametrize("by", GivenBy)
@pytest.mark.parametrize(
    ("where", "name"),
    [
        (OptimizelyRest, "wipe_recipient_history"),
        (RsDb, "anonymise"),
        (StagedFileWriter, "commit"),
        (person_rows, "remove_recipients"),
        (erasures, "record_step"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_an_erasure_that_was_interrupted_goes_on_to_its_end(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, by: GivenBy, where: Any, name: str, *, after: bool
) -> None:
    job = flow.order(recipients=40)
    flow.run(job)
    somebody = recipients(flow, job)[20]
    # Address and URN meet in the first file only, which is rewritten first.
    header = "Urn;CommunicationKey;Email;MessageType;Points"
    first = (f"{somebody.urn};{somebody.key};{somebody.address};Open;1", "u2;k2;bob@example.org;Open;1")
    kept(flow, "Response-1.csv", *first, header=header)
    kept(flow, "Response-2.csv", f"{somebody.urn};kx;Open;2", "u2;k2;Open;2")
    original = getattr(where, name)

    def die(*arguments: Any, **named: Any) -> Any:
        if after:
            original(*arguments, **named)
        raise Died

    with monkeypatch.context() as dying:
        dying.setattr(where, name, die)
        with pytest.raises(Died):
            erase(flow.bridge, by, somebody.given(by), operator="operator test")
    result = erased(flow, somebody, by)
    assert result["responses"] == (2, 2)
    # Also what the one that died had erased and could not record any more.
    assert all(found == done for found, done in result.values())
    assert traces(flow, somebody) == set()
    assert b"kx" not in b"".join(content for _, content in blobs(flow))
    assert len(erasures.receipts(flow.bridge.ledger.database)) == 1


def test_a_load_that_ends_while_the_person_is_erased_brings_nobody_back(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = "Urn;CommunicationKey;Email;MessageType;Points"
    kept(flow, "Response-1.csv", "u1;k1;ann@example.org;Open;1", header=header)
    path = Path(flow.folder, "Response-2.csv")
    path.write_text("Urn;MessageType;EventTriggeredDate\nu1;Open;01.03.2026 12:05\nu2;Open;01.03.2026 12:05\n")
    waiting = add_file(flow.bridge, path)
    record_step = erasures.record_step

    def load_in_between(database: Database, erasure_id: str, step: str, rows: int, *, now: datetime) -> None:
        record_step(database, erasure_id, step, rows, now=now)
        if step == WIPE:
            load_again(flow.bridge, waiting.id)
        elif step != STEPS[-1]:
            assert load_again(flow.bridge, waiting.id).read == 1

    monkeypatch.setattr(erasures, "record_step", load_in_between)
    somebody = Somebody("u1", "ann@example.org", "k1")
    assert erased(flow, somebody)["response-files"] == (2, 2)
    assert traces(flow, somebody) == set()
    assert responses_of(flow, Somebody("u2", "", "")) == 1


def test_what_was_erased_is_reported_whole_however_often_it_was_interrupted(
    flow: Flow, monkeypatch: pytest.MonkeyPatch
) -> None:
    header = "Urn;CommunicationKey;Email;MessageType;Points"
    for number in range(1, 5):
        kept(flow, f"Response-{number}.csv", f"u1;k1;ann@example.org;Open;{number}", "u2;k2;;Open;1", header=header)
    commit = StagedFileWriter.commit

    def die(*arguments: Any, **named: Any) -> Any:
        commit(*arguments, **named)
        raise Died

    for _ in range(3):
        with monkeypatch.context() as dying:
            dying.setattr(StagedFileWriter, "commit", die)
            with pytest.raises(Died):
                erase(flow.bridge, GivenBy.URN, "u1", operator="operator test")
    result = erased(flow, Somebody("u1", "", ""))
    assert (result[WIPE], result["response-files"], result["responses"]) == ((1, 1), (4, 4), (4, 4))


def test_rows_by_address_alone_go_too_when_only_its_hash_is_left(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    header = "Urn;CommunicationKey;Email;MessageType;Points"
    kept(flow, "Response-1.csv", ";;ann@example.org;Open;1", header=header)
    # URN and address meet in this file only, which is not loaded yet.
    path = Path(flow.folder, "Response-2.csv")
    path.write_text("Urn;Email;MessageType;EventTriggeredDate\nu1;ann@example.org;Open;01.03.2026 12:00\n")
    add_file(flow.bridge, path)
    somebody = Somebody("u1", "ann@example.org", "k1")

    def die(*_: Any, **__: Any) -> None:
        raise Died

    with monkeypatch.context() as dying:
        dying.setattr(RsDb, "anonymise", die)
        with pytest.raises(Died):
            erase(flow.bridge, GivenBy.URN, "u1", operator="operator test")
    assert "Response" in traces(flow, somebody)
    erased(flow, somebody)
    assert traces(flow, somebody) == set()


def test_an_erasure_whose_lease_runs_out_goes_on(flow: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    kept(flow, "Response-1.csv", "u1;k1;Open;1", "u2;k2;Open;2")
    begin = erasures.begin
    lost: list[int] = []

    def lose(*arguments: Any, **named: Any) -> str:
        if len(lost) < 2:
            lost.append(1)
            raise LeaseLost(lease="erase")
        return begin(*arguments, **named)

    monkeypatch.setattr(erasures, "begin", lose)
    assert erased(flow, Somebody("u1", "", ""))["responses"] == (1, 1)
    assert len(lost) == 2
    assert len(erasures.receipts(flow.bridge.ledger.database)) == 1


@pytest.mark.parametrize("lost", [PersonInResponseFiles, PersonInLists])
def test_nothing_is_rewritten_by_whom_another_may_have_followed(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, lost: type
) -> None:
    job = flow.order(recipients=40)
    flow.run(job)
    somebody = recipients(flow, job)[20]
    kept(flow, "Response-1.csv", f"{somebody.urn};{somebody.key};Open;1", "u2;k2;Open;1")
    person = plan(flow.bridge, GivenBy.URN, somebody.urn).person
    before = dict(blobs(flow))
    held = flow.bridge.ledger.leases.held

    @contextmanager
    def run_out(*arguments: Any) -> Iterator[HeldLease | None]:
        with held(*arguments) as lease:
            assert lease is not None
            lease.lost.set()
            yield lease

    with monkeypatch.context() as busy:
        busy.setattr(Leases, "held", lambda _, *arguments: run_out(*arguments))
        with pytest.raises(LeaseLost):
            lost(flow.bridge).erase(person)
    assert dict(blobs(flow)) == before


def test_an_international_address_is_found_in_both_spellings(flow: Flow) -> None:
    header = "Urn;CommunicationKey;Email;MessageType;Points"
    rows = (";;ann@bücher.example;Open;1", ";;Ann@xn--bcher-kva.example;Open;2", ";;bob@bücher.example;Open;3")
    refused = ";;ann@bücher.example;Open;3/1/2026"
    kept(flow, "Response-1.csv", *rows, refused, header=header)
    for spelling in ("ann@bücher.example", "ann@XN--BCHER-KVA.example"):
        found = plan(flow.bridge, GivenBy.ADDRESS, spelling).found
        assert (found[WIPE], found["responses"], found["response-files"]) == (1, 2, 3)
    erased(flow, Somebody("", "ann@bücher.example", ""), GivenBy.ADDRESS)
    assert b"ann@" not in b"".join(content.lower() for _, content in blobs(flow))


def test_many_refused_rows_are_searched_one_by_one(flow: Flow) -> None:
    rows = [f'u{number};k{number};Open;"3/1\r\n2026"' for number in range(300)]
    rows[150] = 'u1500;k150;Open;"3/1\r\n2026 of\r\nu7"'
    kept(flow, "Response-1.csv", *rows, "u7;k7;Open;1")
    assert plan(flow.bridge, GivenBy.URN, "u7").found["response-files"] == 3
    result = erased(flow, Somebody("u7", "", ""))
    assert result["response-files"] == (3, 3)
    ((_, left),) = list(blobs(flow))[-1:]
    assert left.decode().count("\r\n2026") == 298


def test_an_optimizely_that_does_not_answer_lets_nothing_else_happen(
    flow: Flow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    header = "Urn;CommunicationKey;Email;MessageType;Points"
    kept(flow, "Response-1.csv", "u1;k1;ann@example.org;Open;1", header=header)

    def unavailable(*_: object, **__: object) -> None:
        raise OptimizelyUnavailable(operation="wipeRecipientHistory", reason="status 503")

    with monkeypatch.context() as broken:
        broken.setattr(OptimizelyRest, "wipe_recipient_history", unavailable)
        with pytest.raises(OptimizelyUnavailable):
            erase(flow.bridge, GivenBy.URN, "u1", operator="operator test")
    assert responses_of(flow, Somebody("u1", "", "")) == 1
    assert "stopped at optimizely; the same command continues it." in caplog.text
    assert "u1" not in caplog.text
    assert erased(flow, Somebody("u1", "", ""))["responses"] == (1, 1)


def test_keys_that_only_the_ledger_knows_are_found_in_responses(flow: Flow) -> None:
    job = flow.order(recipients=40)
    broadcast = flow.run(job)
    somebody = recipients(flow, job)[20]
    kept(flow, "Response-1.csv", f"{somebody.key};Open;1", header="CommunicationKey;MessageType;Points")
    flow.bridge.lists.remove(f"{broadcast.key}/list")  # as after its time
    assert erased(flow, somebody)["responses"] == (1, 1)


def test_a_receipt_shows_nothing_of_whom(flow: Flow) -> None:
    kept(flow, "Response-1.csv", "u1;k1;Open;1")
    erased(flow, Somebody("u1", "", ""))
    with flow.bridge.rs_database.reading() as connection:
        (row,) = connection.execute(select(tables.erasure)).all()
        assert connection.execute(select(tables.erasure_key)).all() == []
    assert (row.salt, row.person_hash, row.given_by, row.operator) == (None, None, "urn", "operator test")
    (receipt,) = erasures.receipts(flow.bridge.ledger.database)
    assert receipt.planned_at <= (receipt.finished_at or receipt.planned_at) <= datetime.now(UTC)


def test_an_unmatched_response_of_theirs_does_not_wait_for_its_broadcast_any_more(flow: Flow) -> None:
    kept(flow, "Response-1.csv", "u1;k1;Open;1", "u2;k2;Open;1")
    erased(flow, Somebody("u1", "", ""))
    with flow.bridge.rs_database.reading() as connection:
        waiting = connection.scalars(select(tables.unmatched_response.c.urn_hash)).all()
    assert waiting == [key_hash("u2")]
    assert flow.bridge.ledger.response_files.totals()["rows_unmatched"] == 1
    housekeeping(flow.bridge)


# The command


def test_the_command_shows_a_plan_then_erases_and_lists_receipts(flow: Flow, command: Callable[..., Result]) -> None:
    kept(flow, "Response-1.csv", "u1;k1;Open;1", "u2;k2;Open;1")
    planned = command("erase", "--urn", "u1")
    assert planned.exit_code == 0, planned.output
    assert "1  responses in RS_DB (anonymise)" in planned.stdout
    assert "Nothing was changed." in planned.stdout
    assert responses_of(flow, Somebody("u1", "", "")) == 1
    assert json.loads(command("erase", "--urn", "u1", "--json").stdout)["found"]["responses"] == 1
    done = command("erase", "--urn", "u1", "--yes")
    assert done.exit_code == 0, done.output
    assert "u1" not in done.stdout
    assert responses_of(flow, Somebody("u1", "", "")) == 0
    (receipt,) = json.loads(command("erasures", "--json").stdout)
    assert receipt["id"] in command("erasures").stdout
    assert receipt["id"] in done.stdout
    assert {one["step"]: one["erased"] for one in receipt["steps"]}["responses"] == 1


def test_who_can_be_read_from_standard_input(flow: Flow, command: Callable[..., Result]) -> None:
    header = "Urn;CommunicationKey;Email;MessageType;Points"
    kept(flow, "Response-1.csv", "u1;k1;ann@example.org;Open;1", header=header)
    command("erasures")  # sets the environment
    result = CliRunner().invoke(app, ["erase", "--address", "-", "--json"], input="Ann@example.org\n")
    assert json.loads(result.stdout)["found"]["responses"] == 1


@pytest.mark.parametrize(
    "wrong", [(), ("--urn", "1", "--address", "a@example.org"), ("--urn", " "), ("--address", "somebody")]
)
def test_who_must_be_said_well(command: Callable[..., Result], wrong: tuple[str, ...]) -> None:
    assert command("erase", *wrong).exit_code == 2


def test_a_plan_that_cannot_be_carried_out_ends_with_one(flow: Flow, command: Callable[..., Result]) -> None:
    job = flow.order(recipients=40)
    flow.poll()
    flow.stop_at(job, State.STAGED)
    result = command("erase", "--urn", recipients(flow, job)[20].urn)
    assert result.exit_code == 1
    assert flow.broadcast(job).key in result.stdout
