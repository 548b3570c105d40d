"""Fields of a list: the column of each, their order, and the values that fit."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.faststats.delivery_file_generator import HEADER, write_delivery_file
from shared.errors import (
    FieldMapAmbiguous,
    ListFieldMissing,
    ListFieldUnknown,
    ListFileColumnsWrong,
    MappedColumnMissing,
    RequiredFieldMissing,
)
from shared.optimizely.lists.fields import plan_columns
from shared.optimizely.rest.answers import RecipientListField
from shared.rejects import RejectReason
from tests.unit.optimizely.lists.rows import KEY_COLUMNS, KEY_VALUES, KEYS, list_field, plan

KEY_FIELDS = ("Email", "Urn", "CommunicationKey", "BroadcastKey")


def written(kind: str, value: str, *, required: bool = False) -> str | RejectReason:
    """The result for a value in a field of this type."""
    row = plan(["Field"], [list_field("Field", kind, required=required)]).row([*KEY_VALUES, value])
    return row[-1] if isinstance(row, list) else row


# By name


def test_keys_have_their_fields_and_the_broadcast_key_is_in_every_row() -> None:
    made = plan()
    assert made.columns == KEY_FIELDS
    assert made.row(KEY_VALUES) == ["anna@example.org", "1", "k1", "J1-ab"]
    assert made.columns[made.address] == "Email"


@pytest.mark.parametrize("column", ["FirstName", "First Name", "first_name", " FIRST-NAME "])
@pytest.mark.parametrize("field", [list_field("FirstName"), list_field("f1", display_name="First name")])
def test_a_column_is_matched_by_its_name(column: str, field: RecipientListField) -> None:
    made = plan([column], [field])
    assert made.columns[-1] == field.internal_name
    assert made.left_out == ()


def test_an_internal_name_has_precedence_over_a_display_name() -> None:
    assert plan(["City"], [list_field("City"), list_field("Town", display_name="City")]).columns[-1] == "City"


def test_an_exact_name_has_precedence_over_a_loose_one() -> None:
    fields = [list_field("first_name"), list_field("FirstName")]
    assert plan(["FirstName", "first_name"], fields).columns == (*KEY_FIELDS, "FirstName", "first_name")


def test_columns_without_a_field_are_left_out_and_reported() -> None:
    made = plan(["Secret", "City"], [list_field("City"), list_field("Empty")])
    assert made.left_out == ("Secret",)
    assert made.row([*KEY_VALUES, "s", "Köln"]) == ["anna@example.org", "1", "k1", "J1-ab", "Köln"]


def test_a_second_column_of_a_field_is_left_out() -> None:
    made = plan(["City", "CITY", "Urn", "BroadcastKey"], [list_field("City")])
    assert made.left_out == ("CITY", "Urn", "BroadcastKey")


@pytest.mark.parametrize("name", ["created", "modified", "bmOptinFinishedDate"])
def test_system_fields_are_not_written(name: str) -> None:
    made = plan([name], [list_field(name, "TIMESTAMP", required=True)])
    assert made.left_out == (name,)


def test_one_column_can_be_urn_and_address() -> None:
    made = plan_columns(
        ["Email", "Key"],
        urn=0,
        email=0,
        communication_key=1,
        fields=KEYS,
        list_name="L",
        fixed={"BroadcastKey": "J1"},
    )
    assert made.row(["anna@example.org", "k"]) == ["anna@example.org", "anna@example.org", "k", "J1"]


@pytest.mark.parametrize("missing", KEY_FIELDS)
def test_a_list_without_a_key_field_is_refused(missing: str) -> None:
    with pytest.raises(ListFieldMissing) as caught:
        plan(keys=[field for field in KEYS if field.internal_name != missing])
    assert caught.value.fields() == {"list": "Customers", "field": missing}


def test_a_required_field_without_a_column_is_refused() -> None:
    with pytest.raises(RequiredFieldMissing) as caught:
        plan(["City"], [list_field("City"), list_field("Country", required=True)])
    assert caught.value.fields() == {"list": "Customers", "field": "Country"}


# The same value in every row


def test_a_fixed_field_must_be_able_to_hold_its_value() -> None:
    with pytest.raises(ListFieldMissing, match="no field for BroadcastKey that accepts 'J1-ab'"):
        plan(keys=[*KEYS[:3], list_field("BroadcastKey", "LONG")])


def test_several_fields_can_be_fixed() -> None:
    made = plan(["City"], [list_field("City"), list_field("Wave", "LONG")], fixed={"BroadcastKey": "J1", "wave": "77"})
    assert made.columns == (*KEY_FIELDS, "Wave", "City")
    assert made.row([*KEY_VALUES, "Köln"]) == ["anna@example.org", "1", "k1", "J1", "77", "Köln"]


def test_an_extra_column_needs_no_field_and_is_the_last() -> None:
    made = plan(["City"], [list_field("City")], extra={"MailingId": "4711"})
    assert made.columns == (*KEY_FIELDS, "City", "MailingId")
    assert made.row([*KEY_VALUES, "Köln"]) == ["anna@example.org", "1", "k1", "J1-ab", "Köln", "4711"]


def test_an_extra_column_fills_the_field_of_its_name() -> None:
    made = plan(["Mailing ID"], [list_field("mailingid", "LONG", required=True)], extra={"MailingId": "4711"})
    assert made.columns == (*KEY_FIELDS, "MailingId")
    assert made.left_out == ("Mailing ID",)
    assert made.row([*KEY_VALUES, "no number"]) == ["anna@example.org", "1", "k1", "J1-ab", "4711"]


def test_an_extra_column_cannot_be_a_key() -> None:
    with pytest.raises(ListFileColumnsWrong, match="the column urn occurs twice"):
        plan(extra={"urn": "4711"})


# The channel's map


@pytest.mark.parametrize("column", ["Ort", " ORT"])
@pytest.mark.parametrize("field", ["City", "city", "Wohn-Ort"])
def test_a_mapped_column_goes_to_the_field_of_the_map(column: str, field: str) -> None:
    made = plan(["Ort"], [list_field("City", display_name="Wohnort"), list_field("Ort")], field_map={column: field})
    assert made.columns == (*KEY_FIELDS, "City")


def test_a_mapped_column_has_precedence_over_one_with_the_name_of_the_field() -> None:
    made = plan(["City", "Ort"], [list_field("City")], field_map={"Ort": "City"})
    assert made.left_out == ("City",)
    assert made.row([*KEY_VALUES, "Berlin", "Köln"]) == ["anna@example.org", "1", "k1", "J1-ab", "Köln"]


def test_the_map_prefers_the_column_with_the_exact_name() -> None:
    made = plan(["first_name", "First Name"], [list_field("Vorname")], field_map={"First Name": "Vorname"})
    assert made.left_out == ("first_name",)


@pytest.mark.parametrize("column", KEY_COLUMNS)
def test_a_key_column_can_go_to_another_field(column: str) -> None:
    default = dict(zip(KEY_COLUMNS, ("Urn", "Email", "CommunicationKey"), strict=True))[column]
    keys = [list_field("other") if field.internal_name == default else field for field in KEYS]
    made = plan(keys=keys, field_map={column: "other"})
    assert made.columns == tuple("other" if name == default else name for name in KEY_FIELDS)
    assert made.row(KEY_VALUES) == ["anna@example.org", "1", "k1", "J1-ab"]


def test_the_address_is_known_where_it_goes_to_another_field() -> None:
    made = plan(["City"], [list_field("City"), list_field("mail")], keys=KEYS[1:], field_map={"Email": "mail"})
    assert made.columns[made.address] == "mail"


def test_the_field_of_a_key_is_free_when_its_column_is_mapped_elsewhere() -> None:
    made = plan(["Second"], [list_field("mail")], field_map={"Email": "mail", "Second": "Email"})
    assert dict(zip(made.columns, made.row([*KEY_VALUES, "b@example.org"]), strict=True)) == {
        "mail": "anna@example.org",
        "Urn": "1",
        "CommunicationKey": "k1",
        "BroadcastKey": "J1-ab",
        "Email": "b@example.org",
    }


def test_urn_and_address_in_one_mapped_column_fill_one_field() -> None:
    made = plan_columns(
        ["Email", "Key"],
        urn=0,
        email=0,
        communication_key=1,
        fields=[list_field("mail"), *KEYS[2:]],
        list_name="L",
        fixed={"BroadcastKey": "J1"},
        field_map={"Email": "mail"},
    )
    assert made.columns == ("mail", "CommunicationKey", "BroadcastKey")


def test_a_mapped_column_that_the_file_lacks_is_refused() -> None:
    with pytest.raises(MappedColumnMissing) as caught:
        plan(["City"], [list_field("City")], field_map={"Ort": "City"})
    assert caught.value.fields() == {"column": "Ort", "field": "City"}


@pytest.mark.parametrize("field", ["Town", "created"])
def test_a_mapped_field_that_the_list_lacks_is_refused(field: str) -> None:
    with pytest.raises(ListFieldUnknown) as caught:
        plan(["City"], [list_field("City"), list_field("created", "TIMESTAMP")], field_map={"City": field})
    assert caught.value.fields() == {"list": "Customers", "field": field}


@pytest.mark.parametrize(
    ("field_map", "reason"),
    [
        ({"City": "Town", "Ort": "town"}, "two columns for the field Town"),
        ({"City": "Town", "CITY": "Urn"}, "two fields for the column CITY"),
        ({"City": "Email"}, "two columns for the field Email"),
        ({"Email": "Urn"}, "two columns for the field Urn"),
        ({"Email": "BroadcastKey"}, "two columns for the field BroadcastKey"),
        ({"City": "BroadcastKey"}, "two columns for the field BroadcastKey"),
        ({"City": "Wave"}, "two columns for the field Wave"),
    ],
)
def test_an_ambiguous_map_is_refused(field_map: Mapping[str, str], reason: str) -> None:
    with pytest.raises(FieldMapAmbiguous) as caught:
        plan(["City", "Ort"], [list_field("Town"), list_field("Wave")], field_map=field_map, extra={"Wave": "1"})
    assert caught.value.fields() == {"list": "Customers", "reason": reason}


# The order of the file


def test_the_columns_can_be_put_in_order() -> None:
    order = ["Wave", "Town", "urn", "CommunicationKey", "Broadcast Key", "Email"]
    made = plan(
        ["City", "Street"],
        [list_field("City", display_name="Town"), list_field("Street")],
        extra={"Wave": "7"},
        order=order,
    )
    assert made.columns == ("Wave", "City", "Urn", "CommunicationKey", "BroadcastKey", "Email")
    assert made.row([*KEY_VALUES, "Köln", "Domplatz"]) == ["7", "Köln", "1", "k1", "J1-ab", "anna@example.org"]
    assert made.left_out == ("Street",)
    assert made.columns[made.address] == "Email"


def test_what_is_checked_follows_the_order() -> None:
    made = plan(
        ["Points", "Name"], [list_field("Points", "LONG"), list_field("Name")], order=["Points", "Name", *KEY_FIELDS]
    )
    assert made.row([*KEY_VALUES, "", "Anna"]) == ["0", "Anna", "anna@example.org", "1", "k1", "J1-ab"]
    assert made.row([*KEY_VALUES, "many", "Anna"]) is RejectReason.FIELD_TYPE


@pytest.mark.parametrize(
    ("order", "reason"),
    [
        ([*KEY_FIELDS, "Wave", "City", "Nothing"], "there is no value for the column Nothing"),
        ([*KEY_FIELDS, "Wave", "City", "Unfilled"], "there is no value for the column Unfilled"),
        ([*KEY_FIELDS, "Wave", "City", "e-mail"], "the column e-mail occurs twice"),
        ([*KEY_FIELDS[:3], "Wave", "City"], "the mandatory column BroadcastKey is missing"),
        ([*KEY_FIELDS[1:], "Wave", "City"], "the mandatory column Email is missing"),
        ([*KEY_FIELDS, "City"], "the mandatory column Wave is missing"),
        ([*KEY_FIELDS, "Wave"], "the mandatory column City is missing"),
    ],
)
def test_an_order_that_does_not_fit_the_list_is_refused(order: Sequence[str], reason: str) -> None:
    fields = [list_field("City", required=True), list_field("Unfilled")]
    with pytest.raises(ListFileColumnsWrong) as caught:
        plan(["City"], fields, extra={"Wave": "1"}, order=order)
    assert caught.value.fields() == {"list": "Customers", "reason": reason}


@given(st.permutations([*KEY_FIELDS, "A", "B", "C", "Wave"]), st.integers(0, 3))
def test_every_value_is_under_its_name_in_every_order(order: list[str], optional: int) -> None:
    kept = [name for name in order if name not in ["A", "B", "C"][:optional]]
    made = plan(["A", "B", "C"], [list_field("A"), list_field("B"), list_field("C")], extra={"Wave": "w"}, order=kept)
    row = made.row([*KEY_VALUES, "a", "b", "c"])
    assert made.columns == tuple(kept)
    assert isinstance(row, list)
    values = dict(
        zip([*KEY_FIELDS, "A", "B", "C", "Wave"], ["anna@example.org", "1", "k1", "J1-ab", *"abcw"], strict=True)
    )
    assert row == [values[name] for name in kept]
    assert made.left_out == tuple(["A", "B", "C"][:optional])


# Types


@pytest.mark.parametrize(
    ("kind", "value", "fitting"),
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
        ("FLOAT", "1,5", "1.5"),
        ("DECIMAL", "-12,99", "-12.99"),
        ("DECIMAL", "1,5000", "1.5000"),
        ("DECIMAL", "0,125", "0.125"),
        ("DECIMAL", "1234,567", "1234.567"),
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
def test_a_value_that_fits_its_field_is_written(kind: str, value: str, fitting: str) -> None:
    assert written(kind, value) == fitting


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("SHORT", "32768"),
        ("INTEGER", "2147483648"),
        ("INTEGER", "-2147483649"),
        ("LONG", "9223372036854775808"),
        ("LONG", "1" * 5000),
        ("INTEGER", "1.0"),
        ("INTEGER", "1,0"),
        ("INTEGER", " 1"),
        ("INTEGER", "1\n"),
        ("INTEGER", "1 000"),
        ("INTEGER", "1_000"),
        ("INTEGER", "١٢"),
        ("INTEGER", "many"),
        ("FLOAT", "nan"),
        ("DECIMAL", "1."),
        ("DECIMAL", "1,"),
        ("DECIMAL", "1e5"),
        ("DECIMAL", "1,500"),
        ("DECIMAL", "-123,456"),
        ("DECIMAL", "1,500.25"),
        ("DECIMAL", "1.500,25"),
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
    assert written(kind, value) is RejectReason.FIELD_TYPE


@pytest.mark.parametrize("kind", ["STRING", "DATE", "BOOLEAN"])
def test_an_empty_value_of_a_required_field_refuses_the_row(kind: str) -> None:
    assert written(kind, "", required=True) is RejectReason.FIELD_MISSING
    assert written("INTEGER", "", required=True) == "0"


def test_the_field_that_refuses_a_row_is_reported() -> None:
    made = plan(["Points", "Since"], [list_field("Points", "INTEGER"), list_field("Since", "DATE")])
    assert made.refused_field([*KEY_VALUES, "7", "yesterday"]) == "Since"
    assert made.refused_field([*KEY_VALUES, "many", "yesterday"]) == "Points"
    assert made.refused_field([*KEY_VALUES, "7", ""]) is None


def test_the_type_of_a_key_field_counts_too() -> None:
    made = plan(keys=[KEYS[0], list_field("Urn", "INTEGER"), *KEYS[2:]])
    assert made.row(["A1", *KEY_VALUES[1:]]) is RejectReason.FIELD_TYPE
    assert made.refused_field(["A1", *KEY_VALUES[1:]]) == "Urn"


def test_generated_rows_fit_the_list_of_the_demo(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    write_delivery_file(path, 500, seed=1)
    types = {"Customer Since": "DATE", "Loyalty Points": "INTEGER"}
    fields = [list_field(name.replace(" ", ""), types.get(name, "STRING")) for name in HEADER[3:]]
    made = plan(HEADER[3:], fields)
    assert made.left_out == ()
    rows = [line.split("\t") for line in path.read_text(encoding="utf-8").split("\n")[1:-1]]
    fitting = [made.row([value.strip("\r") for value in row]) for row in rows if len(row) == len(HEADER)]
    assert sum(isinstance(row, list) for row in fitting) > 480
