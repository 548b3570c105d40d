"""Channels: valid and invalid files, and their error messages."""

from pathlib import Path

import pytest

from shared.broadcast import RouteKind, SendMode
from shared.config.channels import Channel, Channels, ListFileLayout
from shared.errors import ChannelUnknown, SettingsInvalid


def load(folder: Path, text: str | bytes) -> Channels:
    file = folder / "channels.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return Channels.load(file)


def test_without_a_file_there_is_the_default_channel() -> None:
    channels = Channels.load(None)
    assert channels.names() == ["default"]
    assert channels["default"] == Channel()
    with pytest.raises(ChannelUnknown, match="no channel named 'Newsletter'"):
        channels["Newsletter"]


def test_a_file_contains_channels_and_omits_defaults(tmp_path: Path) -> None:
    channels = load(
        tmp_path,
        """
        [channels."Newsletter DE"]
        route = "closed loop"
        fields = { "Kunden ID" = "Urn" }
        list_file = { name = "{mailing}-{broadcast}.csv.gz", gzip = true, encoding = "windows-1252" }

        [channels.default]
        send = "after import"
        """,
    )
    assert channels.names() == ["Newsletter DE", "default"]
    newsletter = channels["Newsletter DE"]
    assert newsletter.route is RouteKind.CLOSED_LOOP
    assert newsletter.default_send_mode is SendMode.AFTER_IMPORT
    assert newsletter.list_file == ListFileLayout(
        name="{mailing}-{broadcast}.csv.gz", gzip=True, encoding="windows-1252"
    )
    assert channels["default"].default_send_mode is SendMode.AFTER_IMPORT


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[channel.x]", "channel: there is no such name here"),
        ('[channels.x]\nroute = "pigeon"', "channels.x.route: it must be 'import job'"),
        ("[channels.x]\nspeed = 1", "channels.x.speed: there is no such name here"),
        (
            '[channels.x]\nroute = "closed loop"\nsend = "upload only"',
            "does not support send = 'upload only'; it supports after import",
        ),
        ('[channels.x]\nsend = "at a time"', "the time comes from the job"),
        ('[channels.x.list_file]\nname = "list.csv"', "{broadcast} is missing"),
        ('[channels.x.list_file]\nname = "{broadcast}/../x.csv"', "a file name may contain only letters"),
        ('[channels.x.list_file]\nname = "{broadcast}{0}"', "only these placeholders are allowed"),
        ('[channels.x.list_file]\nname = "{broadcast"', "only these placeholders are allowed"),
        ('[channels.x.list_file]\nname = "{broadcast.key}"', "only these placeholders are allowed"),
        ('[channels.x.list_file]\nname = "{{broadcast}}"', "only these placeholders are allowed"),
        ("[channels.x.list_file]\ngzip = true", "ends with .gz"),
        ('[channels.x.list_file]\nquote = ""\nquote_all = true', "quote_all requires a quote"),
        ('[channels.x.list_file]\ndelimiter = "||"', "at most 1 character"),
        ('[channels.x.list_file]\ncolumns = ["Email", "Email"]', "named twice"),
        ('[channels.x.import_job]\njob_name = "Import {name}"', "only these placeholders are allowed: list"),
        (
            '[channels.x]\nroute = "closed loop"\nclosed_loop = { mailing_column = "" }',
            "a closed loop requires the mailing id",
        ),
        ("[channels.x]\nmax_recipients = 0", "channels.x.max_recipients: "),
        ('[channels.x]\nsend_between = "8 to 20"', "send_between: write two times of day, such as 08:00-20:00"),
        ("[channels.x]\nsend_between = 8", "send_between: write two times of day"),
        ('[channels.x]\nsend_between = "08:00-20:00"', "send_between requires the time_zone"),
        ('[channels.x]\ntime_zone = "Europe/Berlin"', "send_between requires the time_zone"),
        ('[channels.x]\nsend_between = "08:00-20:00"\ntime_zone = "Mars"', "there is no time zone with this name"),
        ("[channels.x]\nlatest_start_hours = 0", "channels.x.latest_start_hours: "),
        ("[channels.x]\nlatest_start_hours = 1e9", "channels.x.latest_start_hours: "),
        ('[channels.x]\nroute = "export file"', "requires export_file.site"),
        (
            '[channels.x]\nroute = "export file"\nexport_file = { site = "p" }\nlist_file = { name = "{broadcast}" }',
            "channel x: there is no [sftp_sites.p]",
        ),
        ('[channels.x]\nroute = "export file"\nexport_file = { site = "p" }', "without {list_id} and {mailing}"),
        (
            """[channels.x]
            route = "export file"
            suppress = true
            export_file = { site = "p" }
            list_file = { name = "{broadcast}" }""",
            "suppress is not possible",
        ),
        ('[sftp_sites.p]\nhost = "h"\nuser = "u"\nhost_keys = ["k"]', "set private_key or password"),
        ('[sftp_sites.p]\nhost = "h"\nuser = "u"\nhost_keys = []\npassword = "P"', "sftp_sites.p.host_keys: "),
        ('[channels.x.drop]\nplace = "/in"', "drop.list_name is missing"),
        ('[channels.x.drop]\nplace = "/in"\nlist_name = "Customers"', "drop.message_name is missing"),
        ("[channels.x", "is not valid TOML"),
        (b"[channels.\xff]", "is not valid TOML"),
    ],
)
def test_an_invalid_file_is_refused_with_the_key_and_the_reason(
    tmp_path: Path, text: str | bytes, message: str
) -> None:
    with pytest.raises(SettingsInvalid) as refused:
        load(tmp_path, text)
    assert message in str(refused.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsInvalid, match=r"nowhere\.toml cannot be read"):
        Channels.load(tmp_path / "nowhere.toml")
