"""The closed loop: the effects of a file in its folder."""

import gzip
from pathlib import Path
from typing import Any

import pytest

from local.simulator.store import FIRST_LIST_ID, FIRST_MAILING_ID
from tests.contract.simulator.conftest import Simulation, simulation
from tests.contract.simulator.test_states import record_of, simulated

HEADER = "Email;Urn;CommunicationKey;BroadcastKey;MailingId\n"


def upload(vendor: Simulation, name: str, content: str | bytes) -> None:
    raw = content.encode() if isinstance(content, str) else content
    vendor.upload(f"{vendor.addresses['closed_loop_folder']}/{name}", raw)


def people(count: int, mailing_id: object = FIRST_MAILING_ID) -> str:
    return HEADER + "".join(f"p{n}@example.org;{n};k{n};B1;{mailing_id}\n" for n in range(count))


def copies(vendor: Simulation) -> list[Any]:
    query = {"sort": "created", "direction": "DESC", "resultView": "DETAILED"}
    campaigns = vendor.ask("get", "/smartcampaigns", params=query).json()["elements"]
    return [entry for entry in campaigns if entry["name"].startswith("Spring Newsletter ")]


@pytest.mark.parametrize("name", ["PS_4711.csv", "PS_4711.csv.gz"])
def test_a_file_is_imported_at_once_and_a_copy_of_its_message_sent(vendor: Simulation, name: str) -> None:
    rows = people(400) + f"b@blocked.example;1;k;B1;{FIRST_MAILING_ID}\np0@example.org;2;k;B1;{FIRST_MAILING_ID}\n"
    upload(vendor, name, gzip.compress(rows.encode()) if name.endswith(".gz") else rows)
    vendor.pass_time(seconds=1)
    with vendor.site.connect() as session:
        assert session.list_files("/closedloop", "*.csv*") == []
    assert not vendor.state()["idle"]
    assert copies(vendor) == []
    assert vendor.ask("get", "/customerjobs/running").json()["elements"] == []
    vendor.pass_time(seconds=150)
    run = vendor.state()["imports"][-1]
    assert (run["file"], run["rows_read"], run["imported"]) == (name, 402, 400)
    assert run["skipped"] == {"blocklisted": 1, "duplicate": 1}
    (copy,) = copies(vendor)
    assert (copy["name"], copy["status"]) == ("Spring Newsletter PS_4711", "running")
    assert copy["created"] == copy["started"] == "2026-02-02T09:02:01+01:00"
    assert copy["recipientLists"]["recipientListIds"] == [FIRST_LIST_ID + 5]
    vendor.pass_time(hours=1)
    assert record_of(vendor, copy["id"])["mails_sent"] == 400


def test_a_file_that_is_still_being_written_is_left_alone(vendor: Simulation) -> None:
    for name in ("a.csv.part", "a.csv.tmp", ".a.csv"):
        upload(vendor, name, people(1))
    vendor.pass_time(hours=1)
    assert (vendor.state()["imports"], vendor.state()["idle"]) == ([], True)


@pytest.mark.parametrize(
    "content",
    [
        people(2, 7),
        people(2, ""),
        people(2, 2**70),
        people(2) + f"q@example.org;1;k;B1;{FIRST_MAILING_ID + 1}\n",
        people(0),
        "",
        "Email;Nothing;MailingId\na@example.org;1;7\n",
        "Email;Urn\na@example.org;1\n",
        b"\xff\xfe",
    ],
    ids=["unknown", "empty", "too-large", "different", "no-rows", "nothing", "columns", "no-mailing", "not-text"],
)
def test_an_invalid_file_is_recorded_with_an_error_and_nothing_is_sent(
    vendor: Simulation, content: str | bytes
) -> None:
    upload(vendor, "a.csv", content)
    for _ in range(3):
        vendor.pass_time(minutes=3)
    (run,) = vendor.state()["imports"]
    assert run["error"]
    assert run["imported"] == 0
    assert copies(vendor) == []
    assert vendor.state()["idle"]
    assert vendor.ask("get", f"/recipients/{FIRST_LIST_ID + 5}/count").json()["count"] == 0


def test_a_truncated_compressed_file_is_invalid(vendor: Simulation) -> None:
    upload(vendor, "a.csv.gz", gzip.compress(people(500).encode())[:-200])
    vendor.pass_time(minutes=1)
    vendor.pass_time(minutes=3)
    assert vendor.state()["imports"][-1]["error"] == "the compressed file is broken"


def test_files_wait_while_all_lists_of_the_pool_are_in_use(vendor: Simulation) -> None:
    for number in range(6):
        upload(vendor, f"f{number}.csv", people(2))
    vendor.pass_time(seconds=1)
    assert len(vendor.state()["imports"]) == 4
    for _ in range(6):
        vendor.pass_time(minutes=2)
    assert len(copies(vendor)) == len({entry["name"] for entry in copies(vendor)}) == 6
    assert {tuple(entry["recipientLists"]["recipientListIds"]) for entry in copies(vendor)} == {
        (FIRST_LIST_ID + number,) for number in range(5, 9)
    }
    assert vendor.state()["mailed_twice"] == 2, "the same two people are in every file"


def test_a_file_that_was_recorded_but_not_moved_before_a_kill_is_not_imported_twice(tmp_path: Path) -> None:
    with simulation(tmp_path / "s") as first:
        upload(first, "a.csv", people(2))
        first.pass_time(seconds=1)
        folder = tmp_path / "s" / "site" / "closedloop"
        (archived,) = (folder / "archive").iterdir()
        archived.rename(folder / "a.csv")
        began = simulated(first)
    with simulation(tmp_path / "s") as second:
        for _ in range(3):
            second.pass_time(minutes=3)
        assert simulated(second) > began
        assert len(second.state()["imports"]) == len(copies(second)) == 1
        assert second.state()["mailed_twice"] == 0
