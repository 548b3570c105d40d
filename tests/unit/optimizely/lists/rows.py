"""A small recipient list and a delivery file for it, for the tests of list files."""

from collections.abc import Sequence
from typing import Any

from shared.optimizely.lists.fields import plan_columns
from shared.optimizely.lists.plan import ListPlan
from shared.optimizely.rest.answers import RecipientListField


def list_field(
    name: str, kind: str = "STRING", *, required: bool = False, display_name: str = ""
) -> RecipientListField:
    """A field of a list."""
    return RecipientListField(internal_name=name, type=kind, required=required, display_name=display_name)


KEYS = [
    list_field("Email", required=True),
    list_field("Urn"),
    list_field("CommunicationKey"),
    list_field("BroadcastKey"),
]
KEY_COLUMNS = ["Kunden ID", "Email", "Communication Key"]
KEY_VALUES = ["1", "anna@example.org", "k1"]


def plan(
    columns: Sequence[str] = (),
    fields: Sequence[RecipientListField] = (),
    *,
    keys: Sequence[RecipientListField] = KEYS,
    **more: Any,
) -> ListPlan:
    """A plan for a file with the key columns and these ones, and a list with the key fields and these ones."""
    return plan_columns(
        [*KEY_COLUMNS, *columns],
        urn=0,
        email=1,
        communication_key=2,
        fields=[*keys, *fields],
        list_name="Customers",
        **{"fixed": {"BroadcastKey": "J1-ab"}, **more},
    )


def plan_of_texts(width: int) -> ListPlan:
    """A plan of the key columns and `width` columns of any text, `F0`, `F1`, …"""
    names = [f"F{number}" for number in range(width)]
    return plan(names, [list_field(name) for name in names])
