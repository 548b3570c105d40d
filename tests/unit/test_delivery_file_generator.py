"""Generated delivery files are the same for the same seed, and hold what their summary says."""

from collections import Counter
from pathlib import Path

import pytest

from local.delivery_file_generator import HEADER, delivery_file_name, write_delivery_file
from local.simulator.import_job import blocklisted, unsubscribed_before
from shared.broadcast import BroadcastRequest
from shared.faststats.delivery_file import DeliveryFile
from shared.optimizely.list_file import plan_columns
from shared.optimizely.rest import RecipientListField
from shared.rejects import DUPLICATES

FIELDS = [
    RecipientListField(internal_name=name, display_name=name, type=kind, required=False)
    for name, kind in [
        ("Email", "STRING"),
        ("Urn", "STRING"),
        ("CommunicationKey", "STRING"),
        ("BroadcastKey", "STRING"),
        ("CustomerSince", "DATE"),
        ("LoyaltyPoints", "INTEGER"),
    ]
]
REQUEST = BroadcastRequest(
    key="J1-00000000",
    job_id=1,
    system="Test",
    list_name="Customers",
    message_name="Spring",
    delivery_file="file.txt",
    urn_column="Kunden ID",
    email_column="Email",
    communication_key_column="Communication Key",
)


@pytest.mark.parametrize(("recipients", "seed"), [(1, 1), (40, 2), (20_000, 3)])
def test_the_summary_is_what_the_bridge_counts(tmp_path: Path, recipients: int, seed: int) -> None:
    made = write_delivery_file(tmp_path / "file.txt", recipients, seed)
    addresses, reasons = [], Counter[str]()
    with (tmp_path / "file.txt").open("rb") as stream, DeliveryFile(stream, REQUEST) as file:
        plan = plan_columns(
            file.columns,
            urn=file.urn,
            email=file.email,
            communication_key=file.communication_key,
            fields=FIELDS,
            list_name="Customers",
            broadcast_key="J1-00000000",
        )
        for _number, values, fault in file.rows():
            line = fault or plan.encode(values)
            reason = file.repetition(values) if isinstance(line, bytes) else line
            if reason is None:
                addresses.append(values[file.email])
            else:
                reasons[reason] += 1
    assert file.columns == HEADER
    assert made.rows == file.rows_read == recipients
    assert made.good == len(addresses)
    assert made.rejected == {reason: rows for reason, rows in reasons.items() if reason not in DUPLICATES}
    assert made.duplicates == {reason: rows for reason, rows in reasons.items() if reason in DUPLICATES}
    assert made.blocklisted == sum(map(blocklisted, addresses))
    assert made.unsubscribed == sum(map(unsubscribed_before, addresses))


def test_the_same_seed_gives_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    files = []
    for seed in (1, 1, 2):
        write_delivery_file(tmp_path / "file.txt", 300, seed)
        files.append((tmp_path / "file.txt").read_bytes())
    assert files[0] == files[1] != files[2]
    assert (
        delivery_file_name("Customers", 1) == delivery_file_name("Customers", 1) != delivery_file_name("Customers", 2)
    )


def test_names_are_in_several_scripts(tmp_path: Path) -> None:
    write_delivery_file(tmp_path / "file.txt", 500, 1)
    text = (tmp_path / "file.txt").read_text("utf-8")
    for piece in ("ß", "Łukasz", "Παπ", "Юлия", "כהן", "فاطمة", "上海", "髙橋", "서울", "शर्मा"):
        assert piece in text
