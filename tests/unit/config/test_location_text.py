"""The text of a location: every kind, and invalid texts."""

import pytest

from shared.config.location_text import LocationKind, ParsedLocation, parse_location


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("/mnt/deliveries", ParsedLocation(LocationKind.FOLDER, "", "/mnt/deliveries")),
        ("/mnt/with: colon", ParsedLocation(LocationKind.FOLDER, "", "/mnt/with: colon")),
        ("container:deliveries", ParsedLocation(LocationKind.CONTAINER, "deliveries", "")),
        ("container:deliveries/", ParsedLocation(LocationKind.CONTAINER, "deliveries", "")),
        ("container:deliveries/some/Folder 1/", ParsedLocation(LocationKind.CONTAINER, "deliveries", "some/Folder 1")),
        ("sftp:partner", ParsedLocation(LocationKind.SFTP, "partner", "")),
        ("sftp:Partner_1.a-b/out/folder", ParsedLocation(LocationKind.SFTP, "Partner_1.a-b", "out/folder")),
    ],
)
def test_every_kind_of_location_is_parsed(text: str, parsed: ParsedLocation) -> None:
    assert parse_location(text) == parsed


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
def test_an_invalid_location_is_refused_without_its_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"name|folder|path") as caught:
        parse_location(text)
    _, _, behind = text.partition(":")
    assert not behind or behind not in str(caught.value)
