"""List files carry what the list has fields for, in the layout of its import job."""

import csv
import io
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import ListFieldMissing, RequiredFieldMissing
from shared.optimizely.list_file import ListPlan, plan_columns
from shared.rejects import RejectReason


@dataclass(frozen=True)
class Field:
    internal_name: str
    type: str = "STRING"
    required: bool = False
    display_name: str = ""


KEYS = [Field("Email", required=True), Field("Urn"), Field("CommunicationKey"), Field("BroadcastKey")]


def plan(*fields: Field, columns: tuple[str, ...] = ("Kunden ID", "E-Mail", "Communication Key")) -> ListPlan:
    return plan_columns(
        columns,
        urn=0,
        email=1,
        communication_key=2,
        fields=[*KEYS, *fields],
        list_name="Customers",
        broadcast_key="J1-00000000",
    )


def test_key_columns_and_the_key_of_the_broadcast_come_first() -> None:
    made = plan()
    assert made.header() == b"Email;Urn;CommunicationKey;BroadcastKey\n"
    assert made.encode(("1", "a@example.org", "k")) == b"a@example.org;1;k;J1-00000000\n"


def test_other_columns_go_to_the_field_of_their_name_and_the_rest_is_left_out() -> None:
    columns = ("Kunden ID", "Email", "Communication Key", "first name", "LAST_NAME", "Shoe size", "modified")
    made = plan(
        Field("FirstName"), Field("x1", display_name="Last-Name"), Field("modified", "TIMESTAMP"), columns=columns
    )
    assert made.header() == b"Email;Urn;CommunicationKey;BroadcastKey;FirstName;x1\n"
    assert made.left_out == ("Shoe size", "modified")


@pytest.mark.parametrize("missing", ["Email", "Urn", "CommunicationKey", "BroadcastKey"])
def test_a_list_without_a_key_field_is_refused(missing: str) -> None:
    with pytest.raises(ListFieldMissing, match=missing):
        plan_columns(
            ("U", "E", "C"),
            urn=0,
            email=1,
            communication_key=2,
            fields=[field for field in KEYS if field.internal_name != missing],
            list_name="Customers",
            broadcast_key="k",
        )


def test_a_required_field_without_a_column_is_refused() -> None:
    with pytest.raises(RequiredFieldMissing, match="Country"):
        plan(Field("Country", required=True))


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("INTEGER", "12", "12"),
        ("INTEGER", "", "0"),
        ("INTEGER", "many", None),
        ("INTEGER", "2147483648", None),
        ("SHORT", "32768", None),
        ("LONG", "2147483648", "2147483648"),
        ("DECIMAL", "1.50", "1.50"),
        ("DECIMAL", "1,50", None),
        ("FLOAT", "", "0"),
        ("DATE", "2026-02-02", "2026-02-02"),
        ("DATE", "", ""),
        ("DATE", "02.02.2026", None),
        ("TIMESTAMP", "2026-02-02T08:00:00+01:00", "2026-02-02T08:00:00+01:00"),
        ("TIMESTAMP", "yesterday", None),
        ("BOOLEAN", "true", "true"),
        ("BOOLEAN", "maybe", None),
        ("STRING", "anything", "anything"),
        ("UNHEARD", "anything", "anything"),
    ],
)
def test_a_value_fits_the_type_of_its_field_or_the_row_is_rejected(kind: str, value: str, written: str | None) -> None:
    made = plan(Field("Extra", kind), columns=("Kunden ID", "E-Mail", "Communication Key", "Extra"))
    encoded = made.encode(("1", "a@example.org", "k", value))
    if written is None:
        assert encoded is RejectReason.FIELD_TYPE
    else:
        assert encoded == f"a@example.org;1;k;J1-00000000;{written}\n".encode()


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), max_size=20))
def test_whatever_the_values_a_csv_reader_gives_them_back(rows: list[tuple[str, str, str]]) -> None:
    made = plan()
    rows = [tuple(value.replace("\x00", "").encode(errors="ignore").decode() for value in row) for row in rows]  # type: ignore[misc]
    lines = [made.encode(row) for row in rows]
    text = b"".join(line for line in lines if isinstance(line, bytes)).decode()
    back = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))
    assert back == [[email, urn, key, "J1-00000000"] for urn, email, key in rows]
