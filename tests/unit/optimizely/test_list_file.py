"""List files: where each column goes, and what a row becomes on its way."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BridgeError, ListFieldMissing, RequiredFieldMissing
from shared.optimizely.list_file import ListPlan, plan_columns
from shared.rejects import RejectReason

#: What `DeliveryFile` lets through: any text without control characters.
VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)


@dataclass(frozen=True)
class Field:
    internal_name: str
    display_name: str = ""
    type: str = "STRING"
    required: bool = False


KEYS = (Field("Email"), Field("Urn"), Field("CommunicationKey"), Field("BroadcastKey"))


def plan(columns: Sequence[str], fields: Sequence[Field] = KEYS) -> ListPlan:
    """A plan for these columns after the three key columns."""
    return plan_columns(
        ("Kunden ID", "E-Mail", "Key", *columns),
        urn=0,
        email=1,
        communication_key=2,
        fields=fields,
        list_name="Customers",
        broadcast_key="J7-0123abcd",
    )


def typed(kind: str, value: str) -> str | RejectReason:
    """What becomes of a value in a list field of a type."""
    line = plan(["Value"], (*KEYS, Field("Value", type=kind))).encode(("1", "a@example.org", "K1", value))
    if isinstance(line, RejectReason):
        return line
    (cells,) = csv.reader(io.StringIO(line.decode(), newline=""), delimiter=";", strict=True)
    return cells[4]


def test_header_and_row_byte_for_byte() -> None:
    made = plan(["Name", "Note"], (*KEYS, Field("Name"), Field("Note")))
    assert made.header() == b"Email;Urn;CommunicationKey;BroadcastKey;Name;Note\n"
    assert made.encode(("1", "a@example.org", "K1", 'Zoë "Z"', "a;b")) == (
        'a@example.org;1;K1;J7-0123abcd;"Zoë ""Z""";"a;b"\n'.encode()
    )
    assert made.left_out == ()


@given(st.lists(st.lists(VALUES, min_size=5, max_size=5), max_size=20))
def test_what_is_written_is_read_again(rows: Sequence[Sequence[str]]) -> None:
    made = plan(["Name", "Note"], (*KEYS, Field("Name"), Field("Note", type="TEXT")))
    text = made.header()
    for row in rows:
        line = made.encode(row)
        assert isinstance(line, bytes)
        assert line.endswith(b"\n")
        text += line
    header, *found = csv.reader(io.StringIO(text.decode(), newline=""), delimiter=";", strict=True)
    assert header == ["Email", "Urn", "CommunicationKey", "BroadcastKey", "Name", "Note"]
    assert found == [[email, urn, key, "J7-0123abcd", name, note] for urn, email, key, name, note in rows]


@pytest.mark.parametrize("column", ["First Name", "first_name", "FIRSTNAME", "First-Name", " firstName "])
@pytest.mark.parametrize("field", [Field("firstName"), Field("f17", "First Name")])
def test_a_column_finds_the_field_of_its_name(column: str, field: Field) -> None:
    made = plan([column], (*KEYS, field))
    assert made.header().decode().split(";")[-1] == f"{field.internal_name}\n"
    assert made.left_out == ()


def test_an_internal_name_is_worth_more_than_a_display_name() -> None:
    fields = (*KEYS, Field("Name"), Field("old", "Name"), Field("old_mail", "Email"))
    assert plan(["Name"], fields).header() == b"Email;Urn;CommunicationKey;BroadcastKey;Name\n"


def test_columns_without_a_field_are_left_out_and_named() -> None:
    fields = (*KEYS, Field("Name"))
    made = plan(["Other", "Name", "NAME", "BroadcastKey", "Email"], fields)
    assert made.left_out == ("Other", "NAME", "BroadcastKey", "Email")
    assert made.encode(("1", "a@example.org", "K1", "o", "n", "m", "b", "e")) == b"a@example.org;1;K1;J7-0123abcd;n\n"


@pytest.mark.parametrize("name", ["created", "modified", "bmOptinFinishedDate"])
def test_fields_that_optimizely_fills_are_never_written(name: str) -> None:
    made = plan([name], (*KEYS, Field(name, type="TIMESTAMP", required=True)))
    assert made.left_out == (name,)
    assert made.header() == b"Email;Urn;CommunicationKey;BroadcastKey\n"


@pytest.mark.parametrize("missing", KEYS)
def test_a_list_without_one_of_the_four_fields_is_refused(missing: Field) -> None:
    with pytest.raises(ListFieldMissing) as raised:
        plan([], [field for field in KEYS if field is not missing])
    assert raised.value.facts == {"list": "Customers", "field": missing.internal_name}


def test_a_required_field_that_nothing_fills_is_refused() -> None:
    with pytest.raises(RequiredFieldMissing) as raised:
        plan(["Name"], (*KEYS, Field("Name", required=True), Field("Age", type="INTEGER", required=True)))
    assert raised.value.facts == {"list": "Customers", "field": "Age"}
    assert isinstance(raised.value, BridgeError)


def test_required_keys_are_filled() -> None:
    made = plan([], [Field(field.internal_name, required=True) for field in KEYS])
    assert made.header() == b"Email;Urn;CommunicationKey;BroadcastKey\n"


@pytest.mark.parametrize("kind", ["SHORT", "INTEGER", "LONG", "FLOAT", "DECIMAL"])
def test_an_empty_number_becomes_0(kind: str) -> None:
    assert typed(kind, "") == "0"


@pytest.mark.parametrize("kind", ["STRING", "TEXT", "DATE", "TIMESTAMP", "BOOLEAN", "SOMETHING NEW"])
def test_what_is_no_number_stays_empty(kind: str) -> None:
    assert typed(kind, "") == ""


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *[(kind, value) for kind in ("SHORT", "INTEGER", "LONG") for value in ("0", "-1", "+7", "007")],
        *[("SHORT", "32767"), ("SHORT", "-32768")],
        *[("INTEGER", "2147483647"), ("INTEGER", "-2147483648")],
        *[("LONG", "9223372036854775807"), ("LONG", "-9223372036854775808")],
        *[(kind, value) for kind in ("FLOAT", "DECIMAL") for value in ("0", "-1.5", "12345.678")],
        *[("DATE", "2026-03-29"), ("DATE", "2024-02-29")],
        *[("TIMESTAMP", "2026-03-29T02:30:00"), ("TIMESTAMP", "2026-03-29 02:30:00+01:00")],
        *[("BOOLEAN", value) for value in ("true", "FALSE", "0", "1")],
        *[(kind, "many; words") for kind in ("STRING", "TEXT", "SOMETHING NEW")],
    ],
)
def test_values_that_fit_are_written_as_they_are(kind: str, value: str) -> None:
    assert typed(kind, value) == value


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *[
            (kind, value)
            for kind in ("SHORT", "INTEGER", "LONG")
            for value in ("many", "1.5", "1,000", "1 000", "0x10", "1_000", "--1", "٣", "3\u00b2", "9" * 30, "1\n")
        ],
        *[("SHORT", "32768"), ("SHORT", "-32769")],
        *[("INTEGER", "2147483648"), ("INTEGER", "-2147483649")],
        *[("LONG", "9223372036854775808"), ("LONG", "-9223372036854775809")],
        *[
            (kind, value)
            for kind in ("FLOAT", "DECIMAL")
            for value in ("many", "1,5", "1.", "nan", "inf", "1.5.1", "٣")
        ],
        *[
            ("DATE", value)
            for value in ("29.03.2026", "2026-02-29", "20260329", "2026-W13-7", "2026-3-29", "2026-03-29T02")
        ],
        *[("TIMESTAMP", value) for value in ("29.03.2026 02:30", "2026-03-29T25:00", "now")],
        *[("BOOLEAN", value) for value in ("yes", "2", "wahr")],
    ],
)
def test_values_that_do_not_fit_are_rejected(kind: str, value: str) -> None:
    assert typed(kind, value) is RejectReason.FIELD_TYPE
