"""The simulator imports, sends and exports by the vendor's rules, and its records balance."""

import csv
import io
import json
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from local.demo.processes import Process
from shared.errors import SftpHostKeyRefused, SftpLoginRefused
from shared.optimizely.rest.client import OptimizelyRest
from shared.optimizely.rest.transport import RestTransport
from shared.sftp.site import SftpSite
from tests.contract.simulator.conftest import Simulation, simulation

HEADER = "Email;Urn;CommunicationKey;BroadcastKey;LoyaltyPoints\n"


def upload(vendor: Simulation, rows: str, *, header: str = HEADER) -> None:
    vendor.upload(f"/import/{vendor.list_id()}_B1.csv", (header + rows).encode())


def people(count: int) -> str:
    return "".join(f"p{n}@example.org;{n};k{n};B1;1\n" for n in range(count))


def copy_of_newsletter(vendor: Simulation) -> int:
    source = next(
        source_campaign
        for source_campaign in vendor.rest.select_smart_campaigns()
        if source_campaign.name == "Spring Newsletter"
    )
    return vendor.rest.copy_smart_campaign(source.id, "Copy", [vendor.list_id()]).id


def test_an_import_clears_the_list_and_follows_the_rules(vendor: Simulation) -> None:
    upload(vendor, people(3))
    vendor.pass_time(minutes=10)
    assert [job.name for job in vendor.rest.select_all_running_jobs()] == ["Recipient import Customers"]
    vendor.pass_time(minutes=5)
    assert vendor.rest.count_recipients(vendor.list_id()) == 3
    assert list(vendor.rest.select_all_running_jobs()) == []

    before = vendor.rest.get_recipient_list(vendor.list_id()).modified
    upload(
        vendor,
        "a@example.org;1;k1;B1;1\nA@example.org;2;k2;B1;1\nb@blocked.example;3;k3;B1;1\n"
        "unsubscribed.x@example.org;4;k4;B1;1\nnobody;5;k5;B1;1\nc@example.org;6;k6;B1;\nshort\n",
    )
    vendor.pass_time(minutes=10)
    vendor.pass_time(minutes=5)
    assert vendor.rest.count_recipients(vendor.list_id()) == 1
    after = vendor.rest.get_recipient_list(vendor.list_id()).modified
    assert before is not None
    assert after is not None
    assert after > before
    run = vendor.state()["imports"][-1]
    assert (run["rows_read"], run["imported"]) == (7, 1)
    assert sum(run["skipped"].values()) == 6
    assert run["skipped"]["duplicate"] == run["skipped"]["blocklisted"] == run["skipped"]["unsubscribed"] == 1


def test_a_file_that_is_still_being_written_or_has_unknown_columns_is_not_imported(vendor: Simulation) -> None:
    site = vendor.simulator._site / "import"
    (site / f"{vendor.list_id()}_B1.csv.part").write_text(HEADER + people(3))
    vendor.pass_time(minutes=10)
    vendor.pass_time(minutes=5)
    assert vendor.state()["imports"] == []
    upload(vendor, people(3), header="Email;Urn;CommunicationKey;BroadcastKey;Nothing\n")
    vendor.pass_time(minutes=10)
    vendor.pass_time(minutes=5)
    assert vendor.rest.count_recipients(vendor.list_id()) == 0
    assert vendor.state()["imports"][-1]["error"]


def test_a_smart_campaign_sends_once(vendor: Simulation) -> None:
    upload(vendor, people(50))
    vendor.pass_time(minutes=10)
    vendor.pass_time(minutes=5)
    campaign = copy_of_newsletter(vendor)
    vendor.rest.start_smart_campaign(campaign)
    assert vendor.rest.get_smart_campaign(campaign).status == "running"
    for _ in range(2):
        assert vendor.ask("post", f"/smartcampaigns/{campaign}/start").status_code == 409
        vendor.pass_time(hours=1)
    assert vendor.rest.get_smart_campaign(campaign).status == "finished"
    assert vendor.rest.get_report(campaign).recipients_total == 50
    record = next(entry for entry in vendor.state()["campaigns"] if entry["id"] == campaign)
    assert (record["mails_sent"], record["mailed_more_than_once"]) == (50, 0)
    assert vendor.state()["mailed_twice"] == 0


def test_the_records_show_when_two_copies_mail_one_broadcast(vendor: Simulation) -> None:
    upload(vendor, people(5))
    vendor.pass_time(minutes=10)
    vendor.pass_time(minutes=5)
    for _ in range(2):
        vendor.rest.start_smart_campaign(copy_of_newsletter(vendor))
    vendor.pass_time(hours=1)
    assert vendor.state()["mailed_twice"] == 5


def test_the_records_show_when_two_broadcasts_mail_the_same_communication_keys(vendor: Simulation) -> None:
    for broadcast in ("B1", "B2"):
        upload(vendor, people(5).replace(";B1;", f";{broadcast};"))
        vendor.pass_time(minutes=10)
        vendor.pass_time(minutes=5)
        vendor.rest.start_smart_campaign(copy_of_newsletter(vendor))
        vendor.pass_time(hours=1)
    assert (vendor.state()["mailed_twice"], vendor.state()["keys_mailed_twice"]) == (0, 5)


def test_the_response_files_united_by_maximum_are_the_events(vendor: Simulation) -> None:
    upload(vendor, people(400))
    vendor.pass_time(minutes=10)
    vendor.pass_time(minutes=5)
    vendor.rest.start_smart_campaign(copy_of_newsletter(vendor))
    while not vendor.state()["idle"] or not vendor.state()["response_files"]:
        vendor.pass_time(hours=7)
    united: Counter[tuple[str, ...]] = Counter()
    rows = 0
    with vendor.site.connect() as session:
        files = session.list_files("/responses", "Response*")
        for file in files:
            text = b"".join(session.read(f"/responses/{file.name}")).decode()
            exported = Counter(tuple(row) for row in list(csv.reader(io.StringIO(text), delimiter=";"))[1:])
            rows += exported.total()
            united |= exported
    caused = Counter(row[3] for row in united.elements())
    assert caused == Counter(
        next(entry for entry in vendor.state()["campaigns"] if entry["mails_sent"])["events_by_type"]
    )
    assert len(files) == len(vendor.state()["response_files"]) > 2
    assert rows > united.total(), "the files overlap"
    assert max(united.values()) > 1, "somebody did the same twice in a minute"


def test_the_sftp_site_accepts_only_the_registered_key_and_presents_its_own(vendor: Simulation, tmp_path: Path) -> None:
    import asyncssh  # noqa: PLC0415

    where = {"host": "127.0.0.1", "port": vendor.addresses["sftp_port"], "user": "r_customer", "passphrase": None}
    key = Path(vendor.addresses["private_key_file"]).read_text()
    other = asyncssh.generate_private_key("ssh-rsa", key_size=2048)
    with (
        pytest.raises(SftpLoginRefused),
        SftpSite(
            **where, private_key=other.export_private_key("pkcs1-pem").decode(), host_keys=vendor.addresses["host_key"]
        ).connect(),
    ):
        pass
    other.write_public_key(tmp_path / "other.pub")
    with (
        pytest.raises(SftpHostKeyRefused),
        SftpSite(**where, private_key=key, host_keys="host " + (tmp_path / "other.pub").read_text()).connect(),
    ):
        pass


def test_a_simulation_continues_after_a_restart(tmp_path: Path) -> None:
    with simulation(tmp_path / "s") as first:
        upload(first, people(5))
        first.pass_time(minutes=10)
        addresses, state = first.addresses, first.state()
    with simulation(tmp_path / "s") as second:
        same = ("client_id", "api_password", "private_key_file", "host_key_fingerprint")
        assert [second.addresses[name] for name in same] == [addresses[name] for name in same]
        assert second.state() == state
        second.pass_time(minutes=5)
        assert second.rest.count_recipients(second.list_id()) == 5


def test_a_simulator_killed_at_any_moment_mails_nobody_twice(tmp_path: Path) -> None:
    moments = random.Random(4)
    campaign, sent = None, False
    for _ in range(6):
        process = Process("simulator", ["local.simulator", "--data", str(tmp_path / "s")], tmp_path)
        ready = process.wait_ready()
        rest = OptimizelyRest(
            RestTransport(
                base_url=ready["rest_url"],
                client_id=ready["client_id"],
                user=ready["api_user"],
                password=ready["api_password"],
            )
        )
        list_id = next(
            recipient_list.id for recipient_list in rest.select_recipient_lists() if recipient_list.name == "Customers"
        )
        if campaign is None:
            source = next(
                source_campaign
                for source_campaign in rest.select_smart_campaigns()
                if source_campaign.name == "Spring Newsletter"
            )
            campaign = rest.copy_smart_campaign(source.id, "Copy", [list_id]).id
            file = tmp_path / "s" / "site" / "import" / f"{list_id}_B1.csv"
            file.with_suffix(".part").write_text(HEADER + people(2000))
            file.with_suffix(".part").rename(file)
        deadline = time.monotonic() + moments.uniform(0.05, 0.6)
        while time.monotonic() < deadline:
            if not sent and rest.count_recipients(list_id) == 2000:
                rest.start_smart_campaign(campaign)
                sent = True
            elif sent and rest.get_smart_campaign(campaign).status == "finished":
                break
        rest.close()
        process._process.send_signal(signal.SIGKILL)
        process._process.wait()
    with simulation(tmp_path / "s") as last:
        last.pass_time(hours=2)
        if not sent:
            last.pass_time(minutes=15)
            last.rest.start_smart_campaign(campaign or 0)
            last.pass_time(hours=2)
        record = next(entry for entry in last.state()["campaigns"] if entry["id"] == campaign)
        assert record["status"] == "finished"
        assert (record["mails_sent"], record["distinct_recipients_mailed"]) == (2000, 2000)
        assert json.dumps(last.state()["imports"]).count('"done"') == 1
