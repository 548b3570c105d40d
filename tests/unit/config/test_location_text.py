"""The text of a place: what each kind says, and what is none."""

import pytest

from shared.config.location_text import ParsedPlace, PlaceKind, parse_place


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("/mnt/deliveries", ParsedPlace(PlaceKind.FOLDER, "", "/mnt/deliveries")),
        ("/mnt/with: colon", ParsedPlace(PlaceKind.FOLDER, "", "/mnt/with: colon")),
        ("container:deliveries", ParsedPlace(PlaceKind.CONTAINER, "deliveries", "")),
        ("container:deliveries/", ParsedPlace(PlaceKind.CONTAINER, "deliveries", "")),
        ("container:deliveries/some/Folder 1/", ParsedPlace(PlaceKind.CONTAINER, "deliveries", "some/Folder 1")),
        ("sftp:partner", ParsedPlace(PlaceKind.SFTP, "partner", "")),
        ("sftp:Partner_1.a-b/out/folder", ParsedPlace(PlaceKind.SFTP, "Partner_1.a-b", "out/folder")),
    ],
)
def test_every_kind_of_place_has_its_text(text: str, parsed: ParsedPlace) -> None:
    assert parse_place(text) == parsed


@pytest.mark.parametrize(
    "text",
    [
        "",
        "deliveries",
        "./deliveries",
        "/mnt/\0",
        "container:",
        "container:/folder",
        "container:UPPER",
        "container:ab",
        "container:a--b",
        "container:" + "a" * 64,
        "container:deliveries//folder",
        "container:deliveries/../other",
        "container:deliveries/./folder",
        "container:deliveries/a\\b",
        "container:deliveries/a\nb",
        "sftp:",
        "sftp://partner/out",
        "sftp:part ner/out",
        "sftp:partner/../out",
        "blob:deliveries",
        "https://account.blob.core.windows.net/deliveries",
    ],
)
def test_what_is_no_place_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match=r"name|folder|path") as caught:
        parse_place(text)
    _, _, behind = text.partition(":")
    assert not behind or behind not in str(caught.value)
