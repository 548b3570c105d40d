"""Every quirk of an SFTP server, in everything that is done on a site: how it ends, and that nothing is sent twice.

docs/why/sftp-sites.md has the table of the expected ends. Steps, routes, ledger and SFTP client are the real ones; the
server is asyncssh with quirks (`quirks.py`), over the folder in which the simulator of Optimizely runs.
"""

import asyncio
import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

import shared.sftp.session
from shared.broadcast import RESTING, Broadcast, RouteKind, State
from shared.config.channels import Channel, ExportFile, ListFileLayout
from shared.errors import BridgeError
from shared.ledger.alerts import AlertKind
from shared.operations.broadcasts import cancel
from shared.response_file import FileState
from shared.routes.export_file import ExportFileRoute
from shared.sftp.session import SftpSession
from shared.sftp.site import Direct, SftpSite
from shared.steps.gather_responses import gather_responses
from shared.steps.housekeeping import housekeeping
from shared.steps.poll_jobs import poll_jobs
from tests.matrix.boundaries import Died
from tests.matrix.world import Host, Setup, World, new_world
from tests.sites.quirks import Books, Quirks, server
from tests.unit.sftp.conftest import loop
from tests.unit.sftp.sftp_server import Start

__all__ = ["loop"]

PAGE: Final = Path(__file__).parents[2] / "docs/why/sftp-sites.md"
DIRECT: Final = Direct()
MARKED: Final = Direct(marker="{name}.done")
ALL: Final = ("failure", "permission denied", "not supported", "no such file")
#: Bytes of a block, and of a window of writes in flight, so that a small list has many.
BLOCK: Final = 1024
ROWS: Final = (
    "Urn;CommunicationKey;MessageType;EventTriggeredDate\n1;K1;Open;01.02.2026 12:00\n2;K2;Click;01.02.2026 12:01\n"
)

#: What is done on a site.
ACTS: Final = ("upload", "resume", "gather", "export", "resume export", "recall", "cancel")
#: How it ends where a quirk changes nothing.
USUAL: Final = {
    "upload": "closed",
    "resume": "closed",
    "gather": "loaded",
    "export": "closed",
    "resume export": "closed",
    "recall": "cancelled",
    "cancel": "cancelled",
}


@dataclasses.dataclass(frozen=True)
class Case:
    """A quirk, and the ends that are not the usual ones."""

    name: str
    quirks: Quirks
    direct: Direct | None = None
    ends: dict[str, str] = dataclasses.field(default_factory=dict)
    #: Whether it differs from another one by its status only.
    sibling: bool = False


def refused(name: str, what: str, statuses: Sequence[str] = ALL, ends: dict[str, str] | None = None) -> list[Case]:
    """The same refusal with several statuses."""
    refusals: list[dict[str, Any]] = [{what: status} for status in statuses]
    return [
        Case(f"{name}: {refusal[what]}", Quirks(**refusal), ends=ends or {}, sibling=refusal is not refusals[0])
        for refusal in refusals
    ]


UPLOADS: Final = ("upload", "resume", "export", "resume export", "recall", "cancel")
NO_RENAME: Final[dict[str, Any]] = {"rename": "permission denied", "posix_rename": "permission denied"}
NOT_RENAMED: Final = dict.fromkeys(UPLOADS, "failed: sftp-rename-refused")
NOT_WRITTEN: Final = dict.fromkeys(UPLOADS, "failed: sftp-refused")
NOT_LISTED: Final = {"gather": "refused: sftp-refused"}
TEXT: Final = dict.fromkeys(UPLOADS, "failed: sftp-text-in-channel") | {"gather": "refused: sftp-text-in-channel"}
UNKNOWN: Final = "needs operator: upload-outcome-unknown"
#: An import shows that nothing was imported; what a receiver of an export or a closed loop has, nobody knows.
VANISHED: Final = {
    **dict.fromkeys(("upload", "resume"), "failed: import-not-seen"),
    **dict.fromkeys(("export", "resume export", "recall"), UNKNOWN),
}
#: The receiver may have read a file that had its name from the beginning.
NOT_RECALLED: Final = {"recall": "needs operator: copy-not-seen"}
#: What was there of an interrupted upload is imported, and its count is wrong; what a receiver read, nobody knows.
HALF: Final = {"resume": "failed: import-count-wrong", "resume export": UNKNOWN}
TWO: Final = ("permission denied", "not supported")
CASES: Final = [
    Case("none", Quirks()),
    # Answers that lack something
    Case("no types in permissions", Quirks(types=False)),
    Case("no permissions", Quirks(permissions=False)),
    Case("no permissions and no types", Quirks(permissions=False, types=False)),
    Case("no sizes in STAT and listings", Quirks(sizes_in_stat=False)),
    Case("no sizes", Quirks(sizes=False)),
    Case("no times", Quirks(times=False)),
    Case("no attributes in listings", Quirks(in_listings=False)),
    Case("no attributes", Quirks(in_listings=False, permissions=False, types=False, sizes=False, times=False)),
    # Requests that are refused
    *refused("STAT", "stat"),
    *refused("STAT of a missing file", "stat_of_missing"),
    *refused("FSTAT", "fstat", TWO),
    Case("STAT and FSTAT, and no sizes", Quirks(stat="failure", fstat="failure", sizes=False)),
    Case("STAT of a missing file, and no types", Quirks(types=False, stat_of_missing="permission denied")),
    *refused("listing", "listing", TWO, NOT_LISTED),
    Case("STAT and listing", Quirks(stat="permission denied", listing="permission denied"), ends=NOT_LISTED),
    Case(
        "STAT, listing and reading",
        Quirks(stat="permission denied", listing="permission denied", reading="permission denied"),
        ends=NOT_LISTED | {"recall": "needs operator: sftp-refused"},
    ),
    *refused("RENAME", "rename"),
    *refused("posix-rename", "posix_rename", TWO),
    Case("every rename", Quirks(**NO_RENAME), ends=NOT_RENAMED),
    Case("every rename, and STAT", Quirks(**NO_RENAME, stat="not supported"), ends=NOT_RENAMED),
    Case("every rename, and REMOVE", Quirks(**NO_RENAME, removing="permission denied"), ends=NOT_RENAMED),
    Case("every rename; direct", Quirks(**NO_RENAME), DIRECT, ends=HALF | NOT_RECALLED),
    Case("every rename; direct with a marker", Quirks(**NO_RENAME), MARKED, ends=NOT_RECALLED),
    Case(
        "every rename, and REMOVE; direct",
        Quirks(**NO_RENAME, removing="failure"),
        DIRECT,
        ends=HALF | dict.fromkeys(("recall", "cancel"), "needs operator: sftp-refused"),
    ),
    *refused("REMOVE", "removing", TWO),
    *refused("WRITE at an offset", "writing_at_an_offset", TWO),
    *refused("OPEN of an unfinished file", "reopening", TWO),
    *refused("OPEN for writing", "writing", TWO, NOT_WRITTEN),
    # Servers that do something besides
    Case(
        "a rename copies and does not remove",
        Quirks(copies=True),
        ends=NOT_WRITTEN | dict.fromkeys(("export", "resume export", "recall"), "needs operator: sftp-refused"),
    ),
    Case("a broken upload is removed", Quirks(drops_broken_uploads=True)),
    Case("size 0 in three answers after the close", Quirks(empty_after_close=3)),
    Case("size 0 of written files, for ever", Quirks(empty_after_close=-1)),
    Case("a byte too many is reported", Quirks(wrong_size=1), ends={"gather": "alert: response-file-size"}),
    Case("a byte too few is reported", Quirks(wrong_size=-1), ends={"gather": "alert: response-file-size"}),
    Case("files vanish when they are closed", Quirks(takes="at once"), ends=VANISHED),
    Case(
        "files vanish when they are closed; no STAT of missing files",
        Quirks(takes="at once", stat_of_missing="failure"),
        ends=VANISHED,
    ),
    Case("files vanish before their rename", Quirks(takes="before its rename"), ends=VANISHED),
    Case(
        "files get their final names when they are closed",
        Quirks(takes="finishes"),
    ),
    Case(
        "files vanish when they are closed; direct",
        Quirks(**NO_RENAME, takes="at once"),
        DIRECT,
        ends={"upload": "failed: import-not-seen"} | HALF | NOT_RECALLED,
    ),
    Case(
        "files vanish when they are closed; direct with a marker",
        Quirks(**NO_RENAME, takes="at once"),
        MARKED,
        ends=VANISHED,
    ),
    Case("files are removed when they were read", Quirks(removes_read_files=True)),
    Case("a greeting in the channel", Quirks(greeting=b"Welcome to ftp.example.com\r\n"), ends=TEXT),
    Case("an empty line in the channel", Quirks(greeting=b"\r\n"), ends=TEXT),
]


def table() -> str:
    """The expected ends."""
    lines = [f"| quirk | {' | '.join(ACTS)} |", "|---" * (len(ACTS) + 1) + "|"]
    for case in CASES:
        ends = [{**USUAL, **case.ends}[act] for act in ACTS]
        lines.append(f"| {case.name} | {' | '.join(ends)} |")
    return "\n".join(lines) + "\n"


class Site:
    """A world with a quirky site, and what happens there."""

    def __init__(self, world: World, start: Start, case: Case, *, breaks_at: int = -1) -> None:
        self.books = Books()
        quirks = dataclasses.replace(case.quirks, breaks_at=breaks_at)
        self.world = world
        self.site: SftpSite = start(server(quirks, self.books)).client(direct=case.direct)
        world._site = self.site  # type: ignore[assignment]
        self.host: Host = world.host()
        self._serve_partner()

    def _serve_partner(self) -> None:
        export = self.bridge.routes[RouteKind.EXPORT_FILE]
        assert isinstance(export, ExportFileRoute)
        export._sites = {"partner": self.site}

    @property
    def bridge(self) -> Any:
        return self.host.bridge

    def broadcast(self) -> Broadcast | None:
        broadcasts = self.world.broadcasts()
        return broadcasts[0] if broadcasts else None

    def rounds(self, until: Callable[[Broadcast], bool], *, at_most: int = 80) -> Broadcast:
        """Let everybody work and time pass until the broadcast is as it should be."""
        for _ in range(at_most):
            poll_jobs(self.bridge)
            for message in self.world.messages():
                self.host.does(message.deliver)
            if self.host.process.dead:
                self.host = self.world.host()
                self._serve_partner()
            broadcast = self.broadcast()
            if broadcast is not None and (until(broadcast) or broadcast.state in RESTING):
                return broadcast
            housekeeping(self.bridge)
            self.world.tick()
        pytest.fail("it never ends")

    def end(self) -> str:
        """How the broadcast ends, when days have passed."""
        broadcast = self.rounds(lambda _broadcast: False)
        for _ in range(4):
            self.world.tick(timedelta(hours=12))
        assert self.world.mailed_twice() == 0
        mailed = self.world.mails(broadcast)
        if broadcast.state is State.CLOSED and broadcast.request.route is not RouteKind.EXPORT_FILE:
            assert broadcast.rows is not None
            assert 0 < mailed == broadcast.sent == broadcast.imported
        elif broadcast.state in {State.FAILED, State.CANCELLED}:
            assert mailed == 0
        return _shown(broadcast)


def _shown(broadcast: Broadcast) -> str:
    state = broadcast.state.value.replace("_", " ")
    return state if broadcast.error_code is None else f"{state}: {broadcast.error_code}"


def _copies(site: Site, folder: Path) -> list[bytes]:
    """What the receiver of an export has or can take."""
    left = [path.read_bytes() for path in folder.iterdir() if path.is_file() and path.suffix == ".csv"]
    return left + [content for name, content in site.books.taken if not name.endswith(".done")]


def upload(make: Callable[..., Site], case: Case) -> str:
    site = make(case, Setup())
    site.world.order(recipients=40)
    return site.end()


def resume(make: Callable[..., Site], case: Case) -> str:
    site = make(case, Setup(), breaks_at=4 * BLOCK)
    site.world.order(recipients=150)
    return site.end()


def export(make: Callable[..., Site], case: Case, *, breaks_at: int = -1, recipients: int = 40) -> str:
    exported = Channel(
        route=RouteKind.EXPORT_FILE,
        export_file=ExportFile(site="partner", folder="/partner"),
        list_file=ListFileLayout(name="{broadcast}.csv"),
    )
    site = make(case, Setup(channel=exported), breaks_at=breaks_at)
    site.world.order(recipients=recipients)
    end = site.end()
    copies = _copies(site, site.world.site / "partner")
    assert len(copies) <= 1
    if end == "closed":
        (content,) = copies
        rows = site.world.broadcasts()[0].rows
        assert rows is not None
        assert content.count(b"\n") == rows.uploaded + 1
    elif not end.startswith("needs operator"):
        assert copies == []
    return end


def resume_export(make: Callable[..., Site], case: Case) -> str:
    return export(make, case, breaks_at=4 * BLOCK, recipients=150)


def recall(make: Callable[..., Site], case: Case) -> str:
    """A closed loop whose file its service has not taken yet is cancelled."""
    site = make(case, Setup(channel=Channel(route=RouteKind.CLOSED_LOOP, seed_list="Seed list")))
    return _cancelled(site)


def cancel_import(make: Callable[..., Site], case: Case) -> str:
    """A broadcast whose list file waits for its import job is cancelled."""
    return _cancelled(make(case, Setup()))


def _cancelled(site: Site) -> str:
    site.world.order(recipients=40)
    broadcast = site.rounds(lambda each: each.state in {State.UPLOADED, State.IMPORTING})
    if broadcast.state not in RESTING:
        cancel(site.bridge, broadcast.key, owner="a test")
    return site.end()


def gather(make: Callable[..., Site], case: Case) -> str:
    site = make(case, Setup(settings={"RESPONSE_FILE_ROUNDS": "3"}))
    (site.world.site / "responses" / "Response1.csv").write_text(ROWS)
    for _ in range(6):
        try:
            gather_responses(site.bridge)
        except BridgeError as error:
            end = f"refused: {error.code}"
            continue
        for message in site.world.messages():
            message.deliver(site.bridge)
        site.world.tick()
    files = site.bridge.ledger.response_files.newest(9)
    alerts = [alert for alert in site.bridge.ledger.alerts.active() if alert.kind is AlertKind.RESPONSE_FILE_LEFT]
    if not files:
        return end
    (file,) = files
    if file.state is FileState.LOADED:
        assert (file.counts.read, file.counts.loaded, alerts) == (2, 2, [])
        return "loaded"
    (alert,) = alerts
    listed = len(ROWS) + case.quirks.wrong_size
    assert (
        f"is listed with {listed} bytes, but {'more' if listed < len(ROWS) else len(ROWS)} could be read" in alert.text
    )
    return f"alert: {alert.text.rpartition('[')[2].rstrip(']')}"


PLAYS: Final[dict[str, Callable[..., str]]] = dict(
    zip(ACTS, (upload, resume, gather, export, resume_export, recall, cancel_import), strict=True)
)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "world"
    new_world(folder)
    return folder


@pytest.fixture
def make(
    loop: asyncio.AbstractEventLoop, template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Site]]:
    """Makes a world with a quirky site."""
    monkeypatch.setattr(shared.sftp.session, "BLOCK", BLOCK)
    monkeypatch.setattr(shared.sftp.session, "WRITE_WINDOW", BLOCK)
    logging.disable(logging.INFO)
    worlds = list[World]()

    with ExitStack() as stack:

        def new(case: Case, setup: Setup, **more: Any) -> Site:
            world = World(template, tmp_path / f"world{len(worlds)}", setup)
            worlds.append(world)
            return Site(world, Start(loop, world.site, stack), case, **more)

        yield new
        for world in worlds:
            world.close()
    logging.disable(logging.NOTSET)


def _every_push(case: Case, act: str) -> bool:
    """Whether a cell is played on every push: each quirk in what is done every day, and where it changes the end."""
    return not case.sibling and (act in {"upload", "gather", "export"} or act in case.ends)


CELLS: Final = [
    pytest.param(case, act, marks=[] if _every_push(case, act) else [pytest.mark.nightly], id=f"{case.name}-{act}")
    for case in CASES
    for act in ACTS
]


@pytest.mark.parametrize(("case", "act"), CELLS)
def test_a_quirk_ends_as_the_table_says(make: Callable[..., Site], case: Case, act: str) -> None:
    assert PLAYS[act](make, case) == {**USUAL, **case.ends}[act]


@pytest.mark.parametrize("takes", ["", "at once"])
@pytest.mark.parametrize(
    ("act", "end"), [("upload", "failed: import-not-seen"), ("export", UNKNOWN), ("recall", UNKNOWN)]
)
def test_what_vanished_while_a_process_died_is_not_sent_again(
    make: Callable[..., Site], monkeypatch: pytest.MonkeyPatch, act: str, end: str, takes: str
) -> None:
    """It dies when the complete file is closed, before it has its name."""
    close, died = SftpSession.close_file, list[str]()

    def close_and_die(session: SftpSession, writer: Any, path: str, size: int) -> int | None:
        held = close(session, writer, path, size)
        if not died:
            died.append(path)
            raise Died
        return held

    monkeypatch.setattr(SftpSession, "close_file", close_and_die)
    assert PLAYS[act](make, Case("a death", Quirks(takes=takes))) == (end if takes else USUAL[act])
    assert len(died) == 1


def test_the_page_has_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    with capsys.disabled():
        print(f"\n{table()}")  # noqa: T201 - for whoever runs it
    assert table() in PAGE.read_text()
