"""The path of a list file: its name follows the pattern of the layout, and whatever it is made of, it is safe."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.config.channels import ListFileLayout
from shared.routes.list_file import list_file_path
from tests.builders import make_broadcast, make_request


def path(pattern: str, *, list_name: str, delivery_file: str = "x", key: str = "J1", **ids: Any) -> str:
    layout = ListFileLayout.model_construct(name=pattern)
    request = make_request(key=key, list_name=list_name, delivery_file=delivery_file)
    return list_file_path("/in", layout, make_broadcast(request=request, **{"list_id": 1} | ids))


def test_a_name_follows_its_pattern() -> None:
    assert path("{list_id}_{broadcast}.csv", list_name="Kunden", key="J1-ab", list_id=12) == "/in/12_J1-ab.csv"
    assert (
        path(
            "{mailing}.{list}-{broadcast}-{delivery_file}.csv.gz",
            list_name="Kunden / Nord 1.0",
            key="J1-ab",
            delivery_file="PowerShell_Kunden & Co.txt.converted",
            source_mailing_id=77,
        )
        == "/in/77.Kunden___Nord_1.0-J1-ab-PowerShell_Kunden___Co.csv.gz"
    )


@pytest.mark.parametrize(
    ("list_name", "name"),
    [
        ("../../etc", "_.._.._etc.J1.csv"),
        ("-rf", "_-rf.J1.csv"),
        ("{broadcast}", "_broadcast_.J1.csv"),
        ("", "_.J1.csv"),
    ],
)
def test_a_list_name_cannot_make_a_name_dangerous(list_name: str, name: str) -> None:
    assert path("{list}.{broadcast}.csv", list_name=list_name) == f"/in/{name}"


@given(
    st.sampled_from(
        ["{list}{broadcast}", "{mailing}-{broadcast}", "{delivery_file}{broadcast}", ".{broadcast}{list}.gz"]
    ),
    st.text(st.characters(exclude_categories=["Cs"])),
)
def test_every_name_is_safe(pattern: str, list_name: str) -> None:
    name = path(pattern, list_name=list_name * 50, key="J1-0123abcd", delivery_file=list_name).removeprefix("/in/")
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name)
    assert len(name) <= 255
