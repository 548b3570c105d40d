"""Generated delivery files hold what their summary says: no row more, no row less."""

import re
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.delivery_file_generator import HEADER, GeneratedFile, delivery_file_name, write_delivery_file
from shared.broadcast import BroadcastRequest
from shared.faststats.delivery_file import DeliveryFile
from shared.optimizely.list_file import plan_columns
from shared.optimizely.rest import RecipientListField
from shared.rejects import DUPLICATES, RejectReason

REQUEST = BroadcastRequest(
    key="J7-0123abcd",
    job_id=7,
    system="Holidays",
    list_name="Customers",
    message_name="Spring",
    delivery_file="file.txt",
    urn_column="Kunden ID",
    email_column="Email",
    communication_key_column="CommunicationKey",
)
TYPES = {"CustomerSince": "DATE", "LoyaltyPoints": "INTEGER"}
NAMES = ("Urn", "Email", "CommunicationKey", "BroadcastKey", *(name.replace(" ", "") for name in HEADER[3:]))
FIELDS = [RecipientListField(internal_name=name, type=TYPES.get(name, "STRING"), required=False) for name in NAMES]


def found_in(path: Path) -> GeneratedFile:
    """What the bridge's own check finds in a delivery file, counted as `upload_list` does it."""
    reasons: Counter[RejectReason | None] = Counter()
    blocklisted = unsubscribed = 0
    with path.open("rb") as stream, DeliveryFile(stream, REQUEST) as delivery:
        plan = plan_columns(
            delivery.columns,
            urn=delivery.urn,
            email=delivery.email,
            communication_key=delivery.communication_key,
            fields=FIELDS,
            list_name=REQUEST.list_name,
            broadcast_key=REQUEST.key,
        )
        assert plan.left_out == ()
        for _number, values, fault in delivery.rows():
            line = fault or plan.encode(values)
            reason = delivery.repetition(values) if isinstance(line, bytes) else line
            reasons[reason] += 1
            if reason is None:
                blocklisted += values[delivery.email].endswith("@blocked.example")
                unsubscribed += values[delivery.email].startswith("unsubscribed.")
    return GeneratedFile(
        rows=delivery.rows_read,
        good=reasons.pop(None, 0),
        rejected={reason: rows for reason, rows in reasons.items() if reason and reason not in DUPLICATES},
        duplicates={reason: rows for reason, rows in reasons.items() if reason in DUPLICATES},
        blocklisted=blocklisted,
        unsubscribed=unsubscribed,
    )


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipients=st.integers(0, 700), seed=st.integers(0, 2**32))
def test_small_files_hold_what_their_summary_says(tmp_path: Path, recipients: int, seed: int) -> None:
    path = tmp_path / "file.txt"
    made = write_delivery_file(path, recipients, seed)
    assert made == found_in(path)
    assert made.rows == recipients


def test_a_large_file_has_every_kind_in_its_proportion(tmp_path: Path) -> None:
    path, rows = tmp_path / "file.txt", 20_000
    made = write_delivery_file(path, rows, seed=3)
    assert made == found_in(path)
    assert set(made.rejected) >= {
        RejectReason.WRONG_FIELD_COUNT,
        RejectReason.EMAIL_MISSING,
        RejectReason.EMAIL_INVALID,
        RejectReason.CONTROL_CHARACTER,
        RejectReason.URN_MISSING,
        RejectReason.FIELD_TYPE,
    }
    assert 0.007 < sum(made.rejected.values()) / rows < 0.013
    assert 0.007 < made.duplicates[RejectReason.DUPLICATE_EMAIL] / rows < 0.013
    assert 0.001 < made.duplicates[RejectReason.DUPLICATE_COMMUNICATION_KEY] / rows < 0.003
    assert 0.003 < made.blocklisted / rows < 0.007
    assert 0.003 < made.unsubscribed / rows < 0.007


def test_the_file_looks_as_faststats_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_delivery_file(path, 3_000, seed=1)
    content = path.read_bytes()
    assert content.startswith("\t".join(HEADER).encode() + b"\r\n")
    assert content.count(b"\r\n") == content.count(b"\n") == 3_001
    text = content.decode()
    for script in ("ß", "Ł", "İ", "ç", "λ", "Щ", "כ", "ف", "张", "さ", "김", "श", '"', ";", "'"):
        assert script in text
    points = [row.split("\t")[12] for row in text.split("\r\n")[1:-1] if row.count("\t") == 15]
    assert "" in points
    assert any(value.isdigit() for value in points)


def test_the_same_seed_gives_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    one, same, other = (tmp_path / name for name in "abc")
    assert write_delivery_file(one, 500, 1) == write_delivery_file(same, 500, 1)
    write_delivery_file(other, 500, 2)
    assert one.read_bytes() == same.read_bytes() != other.read_bytes()


def test_the_name_has_the_list_and_a_guid_of_its_own() -> None:
    name = delivery_file_name("Spring Customers", 1)
    assert re.fullmatch(r"Optimizely_Spring Customers_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.txt", name)
    assert name == delivery_file_name("Spring Customers", 1) != delivery_file_name("Spring Customers", 2)


@pytest.mark.parametrize(
    "work", [lambda path, rows: write_delivery_file(path, rows, 1), lambda path, _rows: found_in(path)]
)
def test_memory_does_not_grow_with_rows(tmp_path: Path, work: Callable[[Path, int], object]) -> None:
    def peak(rows: int) -> int:
        path = tmp_path / f"{rows}.txt"
        if not path.exists():
            write_delivery_file(path, rows, 1)
        tracemalloc.start()
        try:
            work(path, rows)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    peak(8_000)  # what is built once
    # Some kilobytes come and go with caches of the interpreter; 54,000 rows kept would take megabytes.
    assert peak(60_000) <= 1.2 * peak(6_000) + 50_000
