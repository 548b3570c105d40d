"""Layouts of response files: valid and invalid ones, and FERG's own parameters."""

from typing import Any

import pytest
from pydantic import ValidationError

from shared.config.response_layouts import ResponseField, ResponseLayout, layout_of


def test_parameters_of_ferg_are_accepted_unchanged() -> None:
    layout = ResponseLayout.model_validate(
        {
            "FILEPATTERN": "*_FERGE_*",
            "DELIMITER": "TAB",
            "ENCLOSER": "DOUBLEQUOTE",
            "DATEFORMAT": "dd.MM.yyyy HH:mm:ss",
            "DateOffset": "1",
            "RemoveFiles": "true",
            "TYPECOLUMNNAME": "MessageType",
            "URNCOLUMNNAME": "CUSTOMER_ID",
            "EMAILCOLUMNNAME": "EMAIL",
            "SENDIDCOLUMNNAME": "MAILING_ID",
            "MESSAGENAMECOLUMNNAME": "MAILING_NAME",
            "EVENTTRIGGEREDDATECOLUMNNAME": "TIMESTAMP",
            "DELIVERYDATECOLUMNNAME": "TIMESTAMP",
        }
    )
    assert (layout.names, layout.delimiter, layout.quote) == (("*_FERGE_*",), "\t", '"')
    assert (layout.date_formats, layout.date_offset) == (("dd.MM.yyyy HH:mm:ss",), 1)
    assert layout.aliases(ResponseField.URN) == ("CUSTOMER_ID",)
    assert layout.aliases(ResponseField.EVENT_TIME) == layout.aliases(ResponseField.DELIVERY_DATE) == ("TIMESTAMP",)
    assert layout.aliases(ResponseField.CLICK_URL) == ("ClickUrl",)


def test_formats_with_the_same_meaning_are_compatible() -> None:
    formats = ("ISO8601", "yyyy-MM-dd HH:mm", "dd.MM.yyyy")
    assert ResponseLayout(date_formats=formats).date_formats == formats


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        ({"time_zone": "W. Europe Standard Time"}, "Europe/Berlin"),
        ({"LOCALTIMEZONE": "Romance Standard Time"}, "Europe/Paris"),
        ({"LOCALTIMEZONE": "gmt standard time"}, "Europe/London"),
        ({"LOCALTIMEZONE": "local"}, "Europe/Berlin"),
        ({"LOCALTIMEZONE": "Local", "time_zone": "Asia/Tokyo"}, "Asia/Tokyo"),
        ({"LOCALTIMEZONE": "Europe/Vienna"}, "Europe/Vienna"),
    ],
)
def test_a_time_zone_may_have_its_name_of_windows(given: dict[str, Any], zone: str) -> None:
    assert ResponseLayout.model_validate(given).time_zone == zone


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"FTPURL": "sftp://u:qqq@host"}, "SFTP_HOST, SFTP_USER"),
        ({"PEMPRIVATEKEY": "qqq"}, "SFTP_PRIVATE_KEY"),
        ({"COLOUR": "red"}, "COLOUR"),
        ({"date_formats": ["dd.MM.yyyy", "MM.dd.yyyy"]}, "could be read as dd.MM.yyyy and as MM.dd.yyyy"),
        ({"date_formats": ["UnixTimeStamp", "UnixTimeStampMilliseconds"]}, "a number could be"),
        ({"date_formats": ["ISO8601", "yyyy-dd-MM HH:mm"]}, "read as yyyy-MM-dd HH:mm and as yyyy-dd-MM HH:mm"),
        ({"date_formats": ["yyyy-dd-MM", "ISO8601"]}, "read as yyyy-MM-dd and as yyyy-dd-MM"),
        ({"date_formats": []}, "date_formats"),
        ({"names": []}, "names"),
        ({"delimiter": '"'}, "delimiter"),
        ({"delimiter": ",,"}, "delimiter"),
        ({"delimiter": "'", "quote": "'"}, "delimiter"),
        ({"columns": ["Urn", "URN"]}, "twice"),
        ({"encoding": "qqq"}, "encoding"),
        ({"time_zone": "Mars"}, "no time zone with this name"),
        ({"date_offset": 100}, "date_offset"),
        ({"fields": {"Surname": ["x"]}}, "fields"),
    ],
)
def test_an_invalid_layout_is_refused_without_a_value(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        ResponseLayout.model_validate(given)
    assert message in str(refused.value)
    assert "qqq" not in str(refused.value)


@pytest.mark.parametrize(
    "date_format",
    ["", "dd.MM.yy HH:mm", "d.M.yyyy H:mm", "dd.MM.yyyy hh:mm tt", "dd.MM.yyyy HH", "dd.MM.yyyy HH:mm HH"],
)
def test_a_date_format_with_other_parts_is_refused(date_format: str) -> None:
    with pytest.raises(ValidationError, match="a date format has yyyy, MM and dd once each"):
        ResponseLayout(date_formats=(date_format,))


def test_the_case_of_a_name_does_not_matter() -> None:
    assert layout_of("RESPONSE1.CSV", {"default": ResponseLayout(names=("Response*.csv",))}) is not None


def test_the_first_layout_that_matches_a_name_is_used() -> None:
    layouts = {"clicks": ResponseLayout(names=("Response_clicks*",)), "rest": ResponseLayout()}
    assert layout_of("Response_clicks.csv", layouts) == ("clicks", layouts["clicks"])
    assert layout_of("Response1", layouts) == ("rest", layouts["rest"])
    assert layout_of("other.csv", layouts) is None
