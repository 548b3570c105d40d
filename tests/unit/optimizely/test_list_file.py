"""List files: which column goes to which field, what fits a field, and that every value comes back."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.delivery_file_generator import HEADER, write_delivery_file
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
KEY_COLUMNS = ["Kunden ID", "Email", "Communication Key"]
KEY_VALUES = ["1", "anna@example.org", "k1"]


def plan(columns: Sequence[str] = (), fields: Sequence[Field] = (), *, keys: Sequence[Field] = KEYS) -> ListPlan:
    """A plan for a file with the key columns and these ones, and a list with the key fields and these ones."""
    return plan_columns(
        [*KEY_COLUMNS, *columns],
        urn=0,
        email=1,
        communication_key=2,
        fields=[*keys, *fields],
        list_name="Customers",
        broadcast_key="J1-ab",
    )


def read_back(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=";"))


def encode(kind: str, value: str, *, required: bool = False) -> str | RejectReason:
    """What becomes of a value in a field of this type."""
    line = plan(["Field"], [Field("Field", kind, required)]).encode([*KEY_VALUES, value])
    return line if isinstance(line, RejectReason) else read_back(line)[0][-1]


# Columns and fields


def test_keys_go_to_their_fields_and_the_broadcast_key_is_in_every_line() -> None:
    made = plan()
    assert made.header() == b"Email;Urn;CommunicationKey;BroadcastKey\n"
    assert made.encode(KEY_VALUES) == b"anna@example.org;1;k1;J1-ab\n"


@pytest.mark.parametrize("column", ["FirstName", "First Name", "first_name", " FIRST-NAME "])
@pytest.mark.parametrize("field", [Field("FirstName"), Field("f1", display_name="First name")])
def test_a_column_goes_to_the_field_of_its_name(column: str, field: Field) -> None:
    made = plan([column], [field])
    assert made.fields[-1] == field.internal_name
    assert made.left_out == ()


def test_an_internal_name_goes_before_a_display_name() -> None:
    assert plan(["City"], [Field("City"), Field("Town", display_name="City")]).fields[-1] == "City"


def test_columns_without_a_field_are_left_out_and_told() -> None:
    made = plan(["Secret", "City"], [Field("City"), Field("Empty")])
    assert made.left_out == ("Secret",)
    assert made.encode([*KEY_VALUES, "s", "Köln"]) == "anna@example.org;1;k1;J1-ab;Köln\n".encode()


def test_a_second_column_of_a_field_is_left_out() -> None:
    made = plan(["City", "CITY", "Urn", "BroadcastKey"], [Field("City")])
    assert made.left_out == ("CITY", "Urn", "BroadcastKey")


@pytest.mark.parametrize("name", ["created", "modified", "bmOptinFinishedDate"])
def test_what_optimizely_fills_itself_is_not_written(name: str) -> None:
    made = plan([name], [Field(name, "TIMESTAMP", required=True)])
    assert made.left_out == (name,)


def test_one_column_can_be_urn_and_address() -> None:
    made = plan_columns(
        ["Email", "Key"], urn=0, email=0, communication_key=1, fields=KEYS, list_name="L", broadcast_key="J1"
    )
    assert made.encode(["anna@example.org", "k"]) == b"anna@example.org;anna@example.org;k;J1\n"


@pytest.mark.parametrize("missing", ["Email", "Urn", "CommunicationKey", "BroadcastKey"])
def test_a_list_without_a_key_field_is_refused(missing: str) -> None:
    with pytest.raises(ListFieldMissing) as caught:
        plan(keys=[field for field in KEYS if field.internal_name != missing])
    assert caught.value.facts == {"list": "Customers", "field": missing}


def test_a_broadcast_key_must_be_text() -> None:
    with pytest.raises(ListFieldMissing, match="no field for BroadcastKey that holds text"):
        plan(keys=[*KEYS[:3], Field("BroadcastKey", "LONG")])


def test_a_required_field_without_a_column_is_refused() -> None:
    with pytest.raises(RequiredFieldMissing) as caught:
        plan(["City"], [Field("City"), Field("Country", required=True)])
    assert caught.value.facts == {"list": "Customers", "field": "Country"}


# Types


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        ("SHORT", "-32768", "-32768"),
        ("INTEGER", "2147483647", "2147483647"),
        ("LONG", "-9223372036854775808", "-9223372036854775808"),
        ("INTEGER", "+007", "+007"),
        ("SHORT", "", "0"),
        ("LONG", "", "0"),
        ("FLOAT", "", "0"),
        ("DECIMAL", "", "0"),
        ("FLOAT", "-1.50", "-1.50"),
        ("DECIMAL", "12345678901234567890.12", "12345678901234567890.12"),
        ("DATE", "2024-02-29", "2024-02-29"),
        ("DATE", "", ""),
        ("TIMESTAMP", "2026-03-01T12:30:00+01:00", "2026-03-01T12:30:00+01:00"),
        ("TIMESTAMP", "2026-03-01 12:30", "2026-03-01 12:30"),
        ("TIMESTAMP", "2026-03-01T12:30:00.123Z", "2026-03-01T12:30:00.123Z"),
        ("TIMESTAMP", "", ""),
        ("BOOLEAN", "True", "True"),
        ("BOOLEAN", "0", "0"),
        ("BOOLEAN", "", ""),
        ("STRING", " as it is ", " as it is "),
        ("TEXT", "", ""),
        ("GEOMETRY", "a type that the vendor added", "a type that the vendor added"),
    ],
)
def test_a_value_that_fits_its_field_is_written(kind: str, value: str, written: str) -> None:
    assert encode(kind, value) == written


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("SHORT", "32768"),
        ("INTEGER", "2147483648"),
        ("INTEGER", "-2147483649"),
        ("LONG", "9223372036854775808"),
        ("LONG", "1" * 5000),
        ("INTEGER", "1.0"),
        ("INTEGER", " 1"),
        ("INTEGER", "1\n"),
        ("INTEGER", "1 000"),
        ("INTEGER", "1_000"),
        ("INTEGER", "١٢"),
        ("INTEGER", "many"),
        ("FLOAT", "1,5"),
        ("FLOAT", "nan"),
        ("DECIMAL", "1."),
        ("DECIMAL", "1e5"),
        ("DATE", "31.12.2020"),
        ("DATE", "2023-02-29"),
        ("DATE", "20240229"),
        ("DATE", "2024-W09-4"),
        ("DATE", "2024-02-29T00:00"),
        ("TIMESTAMP", "2024-02-29"),
        ("TIMESTAMP", "2024-02-29 25:00"),
        ("TIMESTAMP", "2024-02-29 12:00:00 noon"),
        ("BOOLEAN", "yes"),
        ("BOOLEAN", "2"),
    ],
)
def test_a_value_that_does_not_fit_its_field_refuses_the_row(kind: str, value: str) -> None:
    assert encode(kind, value) is RejectReason.FIELD_TYPE


@pytest.mark.parametrize("kind", ["STRING", "DATE", "BOOLEAN"])
def test_an_empty_value_of_a_required_field_refuses_the_row(kind: str) -> None:
    assert encode(kind, "", required=True) is RejectReason.FIELD_MISSING
    assert encode("INTEGER", "", required=True) == "0"


def test_it_is_known_which_field_refuses_a_row() -> None:
    made = plan(["Points", "Since"], [Field("Points", "INTEGER"), Field("Since", "DATE")])
    assert made.refused_field([*KEY_VALUES, "7", "yesterday"]) == "Since"
    assert made.refused_field([*KEY_VALUES, "many", "yesterday"]) == "Points"
    assert made.refused_field([*KEY_VALUES, "7", ""]) is None


def test_the_type_of_a_key_field_counts_too() -> None:
    made = plan(keys=[KEYS[0], Field("Urn", "INTEGER"), *KEYS[2:]])
    assert made.encode(["A1", *KEY_VALUES[1:]]) is RejectReason.FIELD_TYPE
    assert made.refused_field(["A1", *KEY_VALUES[1:]]) == "Urn"


# Lines


@pytest.mark.parametrize(
    ("value", "written"),
    [("a;b", '"a;b"'), ('a"b', '"a""b"'), ("a\nb", '"a\nb"'), ("a\rb", '"a\rb"'), ("a,b c'", "a,b c'"), ("", "")],
)
def test_a_value_is_quoted_only_where_it_must_be(value: str, written: str) -> None:
    made = plan(["Name"], [Field("Name")])
    assert made.encode([*KEY_VALUES, value]) == f"anna@example.org;1;k1;J1-ab;{written}\n".encode()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=6))
def test_every_value_comes_back(values: list[str]) -> None:
    names = [f"F{number}" for number in range(len(values))]
    made = plan(names, [Field(name) for name in names])
    line = made.encode([*KEY_VALUES, *values])
    assert isinstance(line, bytes)
    header, row = read_back(made.header() + line)
    assert dict(zip(header, row, strict=True)) == dict(zip(names, values, strict=True)) | {
        "Email": "anna@example.org",
        "Urn": "1",
        "CommunicationKey": "k1",
        "BroadcastKey": "J1-ab",
    }


def test_generated_rows_fit_the_list_of_the_demo(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_delivery_file(path, 500, seed=1)
    types = {"Customer Since": "DATE", "Loyalty Points": "INTEGER"}
    fields = [Field(name.replace(" ", ""), types.get(name, "STRING")) for name in HEADER[3:]]
    made = plan(HEADER[3:], fields)
    assert made.left_out == ()
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[1:-1]]
    encoded = [made.encode([value.strip("\r") for value in row]) for row in rows if len(row) == len(HEADER)]
    lines = [line for line in encoded if isinstance(line, bytes)]
    assert len(lines) > 480
    assert {len(row) for row in read_back(b"".join(lines))} == {len(HEADER) + 1}
