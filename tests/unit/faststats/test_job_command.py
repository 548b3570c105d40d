"""The command of a job is read with suspicion, and says which broadcast is asked for."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.broadcast import BroadcastRequest, RouteKind, SendMode, job_key
from shared.config.channels import Channel, Channels
from shared.config.send_window import SendWindow
from shared.errors import ChannelCallInvalid, ChannelUnknown, JobCommandInvalid, SendModeImpossible
from shared.faststats.job_command import read_job_command
from shared.faststats.peoplestage_slots import Slot, UploadCall
from shared.faststats.schema_map.names import WsDbSchema
from tests.databases import ZONE

from .conftest import NOW
from .job_commands import LAUGHS, command, job


def _offset(minutes: int) -> timezone:
    return timezone(timedelta(minutes=minutes))


def read(text: str | None, channels: Channels | None = None, *, zone: str = ZONE) -> BroadcastRequest:
    return read_job_command(job(text), WsDbSchema(zone), channels or Channels())


def test_a_command_shows_all_that_a_broadcast_needs() -> None:
    request = read(command())
    assert (request.key, request.job_id, request.system) == (job_key("Holidays", 7, NOW), 7, "Holidays")
    assert (request.list_name, request.message_name) == ("Newsletter", "Spring")
    assert request.delivery_file == "spring.txt"
    assert (request.urn_column, request.email_column) == ("Customer Urn", "E-Mail")
    assert request.communication_key_column == "Comm Key"
    assert (request.step_id, request.run) == (4711, 3)
    assert request.parameters == "ClosedLoopLayout=Email|Urn;A=b"
    assert request.send_mode is SendMode.VERIFY_THEN_START


@pytest.mark.parametrize("empty", [None, "", "  \n "])
def test_columns_that_the_command_does_not_name_have_their_usual_names(empty: str | None) -> None:
    request = read(
        command(
            UrnColumnName=empty,
            EmailColumnName=empty,
            FileSpecification=empty,
            ExternalId=empty,
            Run=empty,
            Parameters=empty,
            UploadOnly=empty,
        )
    )
    assert (request.urn_column, request.email_column) == ("Urn", "Email")
    assert request.communication_key_column == "Communication Key"
    assert (request.step_id, request.run, request.parameters) == (None, None, "")
    assert request.send_mode is SendMode.VERIFY_THEN_START


@pytest.mark.parametrize(("text", "number"), [("12", 12), ("-1", -1), ("x", None), ("1e3", None), ("9" * 19, None)])
def test_a_run_that_is_no_number_is_left_out(text: str, number: int | None) -> None:
    assert read(command(Run=text)).run == number


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        ("true", SendMode.UPLOAD_ONLY),
        (" True ", SendMode.UPLOAD_ONLY),
        ("1", SendMode.UPLOAD_ONLY),
        ("false", SendMode.VERIFY_THEN_START),
        ("0", SendMode.VERIFY_THEN_START),
    ],
)
def test_upload_only_is_what_the_command_says(text: str, mode: SendMode) -> None:
    assert read(command(UploadOnly=text)).send_mode is mode


def test_a_broadcast_that_is_only_uploaded_needs_no_message() -> None:
    request = read(command(UploadOnly="true", MessageName=None))
    assert request.message_name == ""


def test_names_are_read_with_their_letters_and_without_the_space_around_them() -> None:
    request = read(command(ListName="\n  Größe &amp; Maß &lt;1&gt; <!-- no --> 日本 ", MessageName="<![CDATA[A&B]]>"))
    assert request.message_name == "A&B"
    assert request.list_name.startswith("Größe & Maß <1>")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (r"D:\FastStats\Deliveries\spring.txt", "spring.txt"),
        (r"\\server\share\Deliveries\spring.txt", "spring.txt"),
        (r"\\?\D:\Deliveries\spring.txt", "spring.txt"),
        ("/mnt/deliveries/spring.txt", "spring.txt"),
        (r"/mnt\deliveries/spring.txt", "spring.txt"),
        (r"D:\Deliveries/..\..\etc/spring.txt", "spring.txt"),
        ("../../etc/passwd", "passwd"),
        (r"..\..\passwd", "passwd"),
        ("D:spring.txt", "spring.txt"),
        ("spring.txt", "spring.txt"),
        (r"D:\Deliveries\Größe 1 (2).txt", "Größe 1 (2).txt"),
        (r"D:\Deliveries\.hidden", ".hidden"),
        (r"D:\Deliveries\a..b", "a..b"),
    ],
)
def test_of_the_path_of_another_machine_only_the_name_counts(path: str, name: str) -> None:
    assert read(command(FilePath=path)).delivery_file == name


@given(path=st.text(alphabet="ab./\\:~ %?*", max_size=12))
def test_no_path_leads_out_of_the_folder_of_delivery_files(path: str) -> None:
    try:
        name = read(command(FilePath=path)).delivery_file
    except JobCommandInvalid:
        return
    folder = Path("/deliveries")
    assert (folder / name).resolve().parent == folder


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (None, "it has none"),
        ("", "it has none"),
        ("   ", "it is not well-formed XML"),
        ("FilePath=x", "it is not well-formed XML"),
        ("<DeliveryCommand>", "it is not well-formed XML"),
        ("<DeliveryCommand>\x00</DeliveryCommand>", "it is not well-formed XML"),
        ("<DeliveryCommand>\udcff</DeliveryCommand>", "it is not well-formed XML"),
        ("<DeliveryCommand>&undefined;</DeliveryCommand>", "it is not well-formed XML"),
        ("<DeliveryCommand/>", "it has no element BroadcastActionDetails"),
        ("<DeliveryCommand><FtpActionDetails/></DeliveryCommand>", "it has no element BroadcastActionDetails"),
        ("<BroadcastActionDetails/>", "it has no element BroadcastActionDetails"),
        (command(FilePath=None), "it names no delivery file (FilePath)"),
        (command(FilePath=" "), "it names no delivery file (FilePath)"),
        (command(FilePath="D:\\"), "it names no delivery file (FilePath)"),
        (command(FilePath=r"\\server\share"), "it names no delivery file (FilePath)"),
        (command(FilePath="."), "it names no delivery file (FilePath)"),
        (command(FilePath=".."), "it names no delivery file (FilePath)"),
        (command(FilePath=r"D:\Deliveries\.."), "it names no delivery file (FilePath)"),
        (command(FilePath="a/../"), "it names no delivery file (FilePath)"),
        (command(FilePath="D:.."), "it names no delivery file (FilePath)"),
        (command(FilePath="D:\\a\nINFO all is well.txt"), "FilePath is not one line of at most 255 characters"),
        (command(FilePath="a" * 256), "FilePath is not one line of at most 255 characters"),
        (command(ListName=None), "it names no list (ListName)"),
        (command(ListName="\t"), "it names no list (ListName)"),
        (command(ListName="a" * 256), "ListName is not one line of at most 255 characters"),
        (command(ListName="a&#10;b"), "ListName is not one line of at most 255 characters"),
        (command(MessageName=None), "it names no message (MessageName)"),
        (command(MessageName="a" * 256), "MessageName is not one line of at most 255 characters"),
        (command(UrnColumnName="a" * 256), "UrnColumnName is not one line of at most 255 characters"),
        (command(EmailColumnName="a&#9;b"), "EmailColumnName is not one line of at most 255 characters"),
    ],
    ids=lambda value: "" if value is None else value[-40:],
)
def test_a_command_that_cannot_be_used_is_refused_with_the_reason(text: str | None, reason: str) -> None:
    with pytest.raises(JobCommandInvalid) as caught:
        read(text)
    assert caught.value.fields() == {"job": 7, "reason": reason}
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_names_and_paths_may_be_as_long_as_the_ledger_has_room_for() -> None:
    long = "a" * 255
    request = read(command(FilePath="D:\\folder\\" * 99 + long, ListName=long, Parameters="p" * 9999))
    assert (request.delivery_file, request.list_name, len(request.parameters)) == (long, long, 9999)


@pytest.mark.parametrize(
    "prolog",
    [
        f'<!DOCTYPE x [<!ENTITY a0 "ha">{LAUGHS}]>',
        f'<!DOCTYPE x [<!ENTITY a9 "{"ha" * 100_000}">]>',
        '<!DOCTYPE x [<!ENTITY a9 SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE x [<!ENTITY a9 SYSTEM "http://127.0.0.1:9/a">]>',
        '<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p; <!ENTITY a9 "x">]>',
        '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/a.dtd" [<!ENTITY a9 "x">]>',
        '<!DOCTYPE x PUBLIC "-//x" "file:///etc/passwd" [<!ENTITY a9 "x">]>',
    ],
    ids=["billion laughs", "one big entity", "file", "address", "parameter entity", "external DTD", "public DTD"],
)
def test_bombs_and_entities_from_outside_are_refused(prolog: str) -> None:
    with pytest.raises(JobCommandInvalid) as caught:
        read(prolog + command(ListName="&a9;" * 2000))
    assert caught.value.reason == "it is not well-formed XML"
    assert "root:" not in str(caught.value)


def test_a_command_with_a_document_type_is_refused_even_if_it_declares_nothing() -> None:
    with pytest.raises(JobCommandInvalid):
        read('<!DOCTYPE DeliveryCommand SYSTEM "http://127.0.0.1:9/a.dtd">' + command())


@pytest.mark.parametrize(
    "prolog",
    [
        "\ufeff",
        '<?xml version="1.0"?>',
        '<?xml version="1.0" encoding="utf-16"?>',
        '<?xml version="1.0" encoding="utf-8"?>\n',
    ],
    ids=ascii,
)
def test_a_prolog_that_databases_keep_does_no_harm(prolog: str) -> None:
    assert read(prolog + command(ListName="Größe")).list_name == "Größe"


def test_a_command_of_absurd_depth_does_no_harm() -> None:
    depth = 100_000
    deep = f"<a>{'<a>' * depth}{'</a>' * depth}</a>"
    assert read(command(Parameters=deep, ListName="Newsletter")).list_name == "Newsletter"


@pytest.mark.parametrize("system", ["a" * 101, "a\nb"], ids=["long", "two lines"])
def test_a_job_of_a_system_that_the_ledger_has_no_room_for_is_refused(system: str) -> None:
    with pytest.raises(JobCommandInvalid, match="the name of its system is not one line of at most 100 characters"):
        read_job_command(replace(job(command()), system=system), WsDbSchema(ZONE), Channels())


def test_a_job_that_names_no_channel_follows_the_default_one() -> None:
    request = read(command())
    assert (request.channel, request.route, request.send_mode) == (
        "default",
        RouteKind.IMPORT_JOB,
        SendMode.VERIFY_THEN_START,
    )


def test_a_job_follows_the_channel_that_its_parameters_name() -> None:
    channels = Channels({"Loop": Channel(route=RouteKind.CLOSED_LOOP)})
    request = read(command(Parameters="A=b; channel = Loop ;x"), channels)
    assert (request.channel, request.route, request.send_mode) == (
        "Loop",
        RouteKind.CLOSED_LOOP,
        SendMode.AFTER_IMPORT,
    )


def test_a_job_with_an_unknown_channel_is_refused() -> None:
    with pytest.raises(ChannelUnknown):
        read(command(Parameters="Channel=Nobody"))


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-12-01 09:00", datetime(2026, 12, 1, 8, 0, tzinfo=UTC)),
        ("2026-07-01T09:00:30", datetime(2026, 7, 1, 7, 0, 30, tzinfo=UTC)),
        ("2026-12-01T09:00+02:00", datetime(2026, 12, 1, 7, 0, tzinfo=UTC)),
        ("2026-10-25 02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_a_job_with_a_time_is_sent_at_that_time(text: str, utc: datetime) -> None:
    request = read(command(Parameters=f"SendAt={text}"), zone="Europe/Berlin")
    assert (request.send_mode, request.send_at) == (SendMode.AT_TIME, utc)


@pytest.mark.parametrize("text", ["tomorrow", "2026-03-29 02:30", "12", "2026-13-01 09:00"])
def test_a_job_with_a_time_that_there_is_not_is_refused(text: str) -> None:
    with pytest.raises(JobCommandInvalid):
        read(command(Parameters=f"SendAt={text}"), zone="Europe/Berlin")


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize(
    "text",
    [
        *("0001-01-01", "0001-01-01T00:00:00", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00"),
        *("9999-12-31", "9999-12-31T23:59:59.9999999", "9999-12-31T23:59:59-12:00", "1999-12-31T12:00Z", "2100-01-02"),
    ],
)
def test_a_time_out_of_range_is_refused_with_a_sentence_that_helps(text: str, zone: str) -> None:
    """.NET writes an empty date as 0001-01-01. Sent at once, it could not be taken back."""
    with pytest.raises(JobCommandInvalid, match="SendAt is not within the years 2000 to 2099; leave it out"):
        read(command(Parameters=f"SendAt={text}"), zone=zone)


@given(
    time=st.datetimes(timezones=st.none() | st.timezones() | st.builds(_offset, st.integers(-1439, 1439))),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "Pacific/Kiritimati", "Etc/GMT+12", "Pacific/Apia"]),
)
def test_any_time_is_either_refused_or_bounded(time: datetime, zone: str) -> None:
    try:
        request = read(command(Parameters=f"SendAt={time.isoformat()}"), zone=zone)
    except JobCommandInvalid:
        return
    assert request.send_at is not None
    assert request.send_at.tzinfo is UTC
    assert request.send_at.year in range(2000, 2100)
    assert request.send_mode is SendMode.AT_TIME


@pytest.mark.parametrize(
    ("added", "requested"),
    [
        (datetime(2026, 12, 1, 9, 0, tzinfo=UTC), datetime(2026, 12, 1, 8, 0, tzinfo=UTC)),
        (datetime(1900, 1, 1, tzinfo=UTC), None),  # a job without a time
        (datetime(1, 1, 1, tzinfo=UTC), None),
        (datetime(9999, 12, 31, 23, 59, tzinfo=UTC), None),
    ],
)
def test_a_job_was_requested_at_its_wall_time(added: datetime, requested: datetime | None) -> None:
    """WS_DB has the wall time of its server, which a job carries labelled as UTC."""
    late = replace(job(command()), time_added=added)
    assert read_job_command(late, WsDbSchema("Europe/Berlin"), Channels()).requested_at == requested


@pytest.mark.parametrize(("text", "allowed"), [("2026-12-01 09:00", True), ("2026-12-01 03:00", False)])
def test_a_time_outside_the_hours_of_the_channel_is_refused(text: str, *, allowed: bool) -> None:
    channels = Channels({"default": Channel(send_between=SendWindow.parse("08:00-20:00"), time_zone="Europe/Berlin")})
    if allowed:
        assert read(command(Parameters=f"SendAt={text}"), channels, zone="Europe/Berlin").send_at is not None
        return
    with pytest.raises(JobCommandInvalid, match="in which the channel sends, 08:00-20:00 Europe/Berlin"):
        read(command(Parameters=f"SendAt={text}"), channels, zone="Europe/Berlin")


@given(text=st.text(max_size=40))
def test_any_text_for_a_time_ends_in_an_entry_of_the_catalogue(text: str) -> None:
    columns = {"UrnFieldName": "U", "EmailFieldName": "E", "CommunicationKeyFieldName": "C"}
    delivery = {"Path": f"{uuid4()}.txt", "Size": "1", "ListName": "L", "MessageName": "M"}
    call = UploadCall.read(Slot.UPLOAD, columns | delivery).model_copy(update={"send_at": text})
    with suppress(ChannelCallInvalid):
        call.request(Channels(), system="S", zone="Pacific/Kiritimati")


@pytest.mark.parametrize(
    ("route", "job_parameters", "upload_only"),
    [
        (RouteKind.CLOSED_LOOP, "SendAt=2026-12-01 09:00", "false"),
        (RouteKind.CLOSED_LOOP, "", "true"),
        (RouteKind.SENDING_BATCH, "", "true"),
    ],
)
def test_a_job_that_asks_for_what_its_route_cannot_do_is_refused_and_reported_what_it_can(
    route: RouteKind, job_parameters: str, upload_only: str
) -> None:
    channels = Channels({"default": Channel(route=route)})
    with pytest.raises(SendModeImpossible, match="It supports "):
        read(command(Parameters=job_parameters, UploadOnly=upload_only), channels)
