"""Columns of an exported file: which ones of the delivery file, under which names, in which order."""

from collections.abc import Mapping, Sequence

import pytest

from shared.errors import ListFileColumnsWrong, MappedColumnMissing
from shared.optimizely.lists.exported_columns import plan_export
from shared.optimizely.lists.plan import ListPlan

COLUMNS = ("Kunden ID", "Email", "Communication Key", "Vorname")
VALUES = ("1", "anna@example.org", "k1", "Anna")


def plan(field_map: Mapping[str, str] | None = None, order: Sequence[str] = ()) -> ListPlan:
    return plan_export(COLUMNS, email=1, name="x.txt", field_map=field_map or {}, order=order)


def test_by_default_every_column_is_written_under_its_own_name() -> None:
    made = plan()
    assert (made.columns, made.row(VALUES), made.left_out) == (COLUMNS, list(VALUES), ())


def test_columns_are_renamed_put_in_order_and_left_out() -> None:
    made = plan({"kunden_id": "customer", "Email": "mail"}, ["mail", "customer"])
    assert made.columns == ("mail", "customer")
    assert made.row(VALUES) == ["anna@example.org", "1"]
    assert made.left_out == ("Communication Key", "Vorname")


def test_a_file_can_have_one_column() -> None:
    assert plan(order=["Email"]).row(VALUES) == ["anna@example.org"]


def test_a_column_that_the_map_names_must_be_there() -> None:
    with pytest.raises(MappedColumnMissing):
        plan({"Nachname": "surname"})


@pytest.mark.parametrize(
    ("field_map", "order", "reason"),
    [
        ({"Vorname": "Email"}, (), "two columns are named Email"),
        ({}, ["Nachname"], "no column is named Nachname"),
        ({"Email": "mail"}, ["Email"], "no column is named Email"),
    ],
)
def test_ambiguous_and_missing_names_are_refused(
    field_map: Mapping[str, str], order: Sequence[str], reason: str
) -> None:
    with pytest.raises(ListFileColumnsWrong, match=reason):
        plan(field_map, order)
