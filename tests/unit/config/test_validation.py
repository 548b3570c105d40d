"""Messages about settings: plain sentences, and nothing of the library that checks them."""

from pathlib import Path

import pytest

from shared.config.channels import Channels
from shared.errors import SettingsInvalid

#: Words of pydantic.
LIBRARY = ("Value error", "Input should", "Extra inputs", "String should", "should match", "validation", "pydantic")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[responses.a]\nfolder = 1", "responses.a.folder: there is no such name here"),
        ("[responses.a]\nencoding = 'utf-7'", "responses.a.encoding: it must be 'utf-8', 'utf-16'"),
        ("[responses.a]\nnames = 'x'", "responses.a.names: it must be a list"),
        ("[responses.a]\nnames = []", "responses.a.names: it must have at least 1 entries"),
        ("[responses.a]\ndelimiter = 5", "responses.a.delimiter: it must be a text in quotes"),
        ("[responses.a]\ndelimiter = ';;'", "responses.a.delimiter: it must have at most 1 characters"),
        ("[responses.a]\ndate_offset = 'x'", "responses.a.date_offset: it must be a number"),
        ("[responses.a]\ndate_offset = 99", "responses.a.date_offset: it must be at most 26"),
        ("[responses.a]\nalert_after_hours = -1", "responses.a.alert_after_hours: it must be at least 0"),
        ("[responses.a]\ntime_zone = 'Mars'", "responses.a.time_zone: there is no time zone with this name"),
        ("[responses.a]\ntypes = 'x'", "responses.a.types: it must be a table"),
        ("[responses.a]\nlast_line = true", "responses.a.last_line: it must be 'must-end' or 'may-end-without'"),
        ("[responses.a]\ndelimiter = '|'\nquote = '|'", "responses.a.quote: it must be"),
        ("[channels.a]\nsuppress = 'perhaps'", "channels.a.suppress: it must be true or false"),
        ("[channels.a.drop]\nplace = 'container:x/y'\nsettle_seconds = 0", "settle_seconds: it must be greater than 0"),
        ("[sftp_sites.a]\nhost = 'x'\nport = 'y'", "sftp_sites.a.port: it must be a whole number"),
        ("channels = 5", "channels: it must be a table"),
    ],
)
def test_what_is_invalid_is_said_in_plain_words(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "channels.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SettingsInvalid) as caught:
        Channels.load(file)
    assert says in str(caught.value)
    assert [word for word in LIBRARY if word in str(caught.value)] == []
