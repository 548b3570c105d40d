"""The generator of delivery files: the bridge counts the rows that it reports."""

import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from local.faststats.delivery_file_generator import HEADER, GeneratedFile, delivery_file_name, write_delivery_file
from local.simulator.suppression import blocklisted, unsubscribed_before
from shared.config.channels import DeliveryFileLayout
from shared.faststats.delivery_file import DeliveryFile
from shared.optimizely.lists.fields import plan_columns
from shared.rejects import DUPLICATES, SUPPRESSED, RejectReason
from tests.builders import make_request
from tests.unit.optimizely.lists.rows import list_field

REQUEST = make_request(delivery_file="file.txt", urn_column="Kunden ID")
TYPES = {"CustomerSince": "DATE", "LoyaltyPoints": "INTEGER"}


FIELDS = [
    list_field(name, TYPES.get(name, "STRING"))
    for name in (*(name.replace(" ", "") for name in HEADER[1:]), "Urn", "BroadcastKey")
]


def found_in(path: Path) -> GeneratedFile:
    """What the bridge finds, in the words of the generator."""
    reasons: Counter[RejectReason | None] = Counter()
    outside: Counter[str] = Counter()
    with path.open("rb") as stream, DeliveryFile(stream, REQUEST, DeliveryFileLayout()) as file:
        plan = plan_columns(
            file.columns,
            urn=file.urn,
            email=file.email,
            communication_key=file.communication_key,
            fields=FIELDS,
            list_name="Customers",
            fixed={"BroadcastKey": "J1-0"},
        )
        assert plan.left_out == ()
        for _, values, fault in file.rows():
            row = fault or plan.row(values)
            reason = file.repetition(values) if isinstance(row, list) else row
            reasons[reason] += 1
            if reason is None:
                outside["blocklisted"] += blocklisted(values[file.email])
                outside["unsubscribed"] += unsubscribed_before(values[file.email])
    return GeneratedFile(
        rows=file.rows_read,
        good=reasons.pop(None, 0),
        rejected={reason: rows for reason, rows in reasons.items() if reason and reason not in DUPLICATES},
        duplicates={reason: rows for reason, rows in reasons.items() if reason in DUPLICATES},
        blocklisted=outside["blocklisted"],
        unsubscribed=outside["unsubscribed"],
    )


@given(rows=st.integers(0, 3000), seed=st.integers(0, 2**32))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_bridge_counts_the_rows_that_the_generator_reports(tmp_path: Path, rows: int, seed: int) -> None:
    path = tmp_path / "file.txt"
    written = write_delivery_file(path, rows, seed)
    assert found_in(path) == written
    assert written.rows == rows == written.good + sum((written.rejected | written.duplicates).values())


def test_a_large_file_has_some_of_everything(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    written = write_delivery_file(path, 50_000, seed=1)
    assert found_in(path) == written
    responses_only = {
        RejectReason.NOT_TEXT,
        RejectReason.BROKEN_QUOTE,
        RejectReason.TYPE_MISSING,
        RejectReason.RECIPIENT_MISSING,
        RejectReason.DATE_INVALID,
        RejectReason.DATABASE_RULE,
    }
    of_broken_exports = {RejectReason.LINE_UNFINISHED, RejectReason.INVISIBLE_CHARACTER}
    of_other_lists = {RejectReason.FIELD_MISSING, RejectReason.NOT_ENCODABLE, RejectReason.NEEDS_QUOTE}
    never = responses_only | SUPPRESSED | of_other_lists | of_broken_exports
    assert written.rejected.keys() | written.duplicates.keys() == set(RejectReason) - never
    assert 0.005 < sum(written.rejected.values()) / written.rows < 0.02
    assert 0.005 < written.duplicates[RejectReason.DUPLICATE_EMAIL] / written.rows < 0.02
    assert 0.001 < written.duplicates[RejectReason.DUPLICATE_COMMUNICATION_KEY] / written.rows < 0.004
    assert 0.0025 < written.blocklisted / written.rows < 0.01
    assert 0.0025 < written.unsubscribed / written.rows < 0.01


def test_the_same_seed_gives_the_same_file_and_another_seed_another(tmp_path: Path) -> None:
    files = [tmp_path / name for name in "abc"]
    for path, seed in zip(files, (1, 1, 2), strict=True):
        write_delivery_file(path, 200, seed)
    first, same, other = (path.read_bytes() for path in files)
    assert first == same != other


def test_the_file_looks_as_faststats_writes_it(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_delivery_file(path, 5000, seed=1)
    text = path.read_bytes().decode("utf-8")
    assert not text.startswith("\ufeff")
    assert text.startswith("Kunden ID\tEmail\tCommunication Key\tTitle\tFirst Name\tLast Name\tCompany\tCity\t")
    assert text.count("\n") == text.count("\r\n") == 5001
    scripts = {unicodedata.name(letter).split()[0] for letter in text if letter.isalpha()}
    assert {"LATIN", "GREEK", "CYRILLIC", "HEBREW", "ARABIC", "CJK", "HIRAGANA"} <= scripts
    assert '"' in text
    assert ";" in text
    hosts = set(re.findall(r"@([^\s@]+)", text.lower()))
    assert all(re.fullmatch(r"(.*\.)?example(\.(org|com|net))?", host) for host in hosts)


@pytest.mark.parametrize(
    ("list_name", "part"),
    [("Customers", "Customers"), ("Köln / Bonn", "Köln  Bonn"), ('a|b:c*"<>?\\', "abc"), ("..\\..\\x", "....x")],
)
def test_the_name_is_broadcaster_list_and_guid(list_name: str, part: str) -> None:
    name = delivery_file_name(list_name, seed=1)
    guid = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(rf"Optimizely_{re.escape(part)}_{guid}\.txt", name)
    assert delivery_file_name(list_name, seed=1) == name != delivery_file_name(list_name, seed=2)
