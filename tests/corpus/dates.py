"""Dates: every format, the hours in which the clock changes, invalid dates, dates outside the valid years."""

from tests.corpus.case import SHORT_HEADER, Case, written


def dates(*texts_and_times: tuple[str, str], layout: str = "") -> Case:
    """A row for each text, with the event's time in UTC; without a time, the text is not a date."""
    rows = [f"{number};Open;{text}" for number, (text, _) in enumerate(texts_and_times)]
    good = tuple({"event_time": time} for _, time in texts_and_times if time)
    return Case(
        content=written(*rows, header=SHORT_HEADER),
        layout=layout,
        rows_read=len(texts_and_times),
        rows_good=len(good),
        rejects=tuple(
            (line, "date-invalid", "EventTriggeredDate")
            for line, (_, time) in enumerate(texts_and_times, 2)
            if not time
        ),
        values=good,
    )


DATES: dict[str, Case] = {
    "dates with and without seconds": dates(
        ("01.03.2026 12:30", "2026-03-01T11:30Z"), ("01.03.2026 12:30:59", "2026-03-01T11:30:59Z")
    ),
    "seconds where the layout has none": dates(
        ("01.03.2026 12:30:15", ""),
        ("01.03.2026 12:30", "2026-03-01T11:30Z"),
        layout='date_formats = ["dd.MM.yyyy HH:mm"]',
    ),
    "dates in the other order": dates(
        ("2026-03-01 12:30", ""), ("2026.03.01 12:30", ""), ("01.03.2026 12:30", "2026-03-01T11:30Z")
    ),
    "month and day swapped: refused where it is evident": dates(
        ("03/14/2026 12:30", ""),
        ("04/03/2026 12:30", "2026-03-04T11:30Z"),
        layout='date_formats = ["dd/MM/yyyy HH:mm"]',
    ),
    "American dates where the layout says so": dates(
        ("03/14/2026 12:30", "2026-03-14T11:30Z"),
        ("14/03/2026 12:30", ""),
        layout='date_formats = ["MM/dd/yyyy HH:mm"]',
    ),
    "the hour that the clock leaves out in spring": dates(
        ("29.03.2026 01:59", "2026-03-29T00:59Z"),
        ("29.03.2026 02:30", "2026-03-29T01:30Z"),
        ("29.03.2026 03:30", "2026-03-29T01:30Z"),
    ),
    "the hour that comes twice in autumn": dates(
        ("25.10.2026 01:59", "2026-10-24T23:59Z"),
        ("25.10.2026 02:30", "2026-10-25T00:30Z"),
        ("25.10.2026 03:00", "2026-10-25T02:00Z"),
    ),
    "the hour that comes twice in autumn, in New York": dates(
        ("01.11.2026 01:30", "2026-11-01T05:30Z"), layout='time_zone = "America/New_York"'
    ),
    "the hour that comes twice in autumn, with its offset": dates(
        ("2026-10-25T02:30:00+02:00", "2026-10-25T00:30Z"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T01:30Z"),
        layout='date_formats = ["ISO8601"]',
    ),
    "a zone without summer time": dates(("29.03.2026 02:30", "2026-03-29T02:30Z"), layout='time_zone = "UTC"'),
    "a zone of half hours": dates(("01.03.2026 12:30", "2026-03-01T07:00Z"), layout='time_zone = "Asia/Kolkata"'),
    "Unix seconds": dates(
        ("1772368215", "2026-03-01T12:30:15Z"),
        ("1772368215.5", "2026-03-01T12:30:15.5Z"),
        ("1772368215000", ""),
        ("-1", ""),
        ("0", ""),
        ("1.7e9", ""),
        layout='date_formats = ["UnixTimeStamp"]',
    ),
    "Unix milliseconds": dates(
        ("1772368215250", "2026-03-01T12:30:15.25Z"),
        ("1772368215", ""),
        ("0x19CA", ""),
        layout='date_formats = ["UnixTimeStampMilliseconds"]',
    ),
    "ISO 8601 with and without an offset": dates(
        ("2026-03-01T12:30:15Z", "2026-03-01T12:30:15Z"),
        ("2026-03-01T12:30:15+05:30", "2026-03-01T07:00:15Z"),
        ("2026-03-01T12:30:15-0800", "2026-03-01T20:30:15Z"),
        ("2026-03-01 12:30", "2026-03-01T11:30Z"),
        ("2026-03-01T12:30:15.250Z", "2026-03-01T12:30:15.25Z"),
        ("2026-03-01", "2026-02-28T23:00Z"),
        ("2026-W09-7", ""),
        ("2026-060", ""),
        ("20260301T123015Z", ""),
        ("2026-03-01T12:30:15+25:00", ""),
        ("2026-03-01T24:30:00Z", ""),
        layout='date_formats = ["ISO8601"]',
    ),
    "several formats side by side": dates(
        ("01.03.2026 12:30", "2026-03-01T11:30Z"),
        ("1772368215", "2026-03-01T12:30:15Z"),
        ("2026-03-01T12:30:15Z", "2026-03-01T12:30:15Z"),
        layout='date_formats = ["dd.MM.yyyy HH:mm", "UnixTimeStamp", "ISO8601"]',
    ),
    "days without a time": dates(
        ("01.03.2026", "2026-02-28T23:00Z"), ("01.03.2026 12:30", ""), layout='date_formats = ["dd.MM.yyyy"]'
    ),
    "digits without anything between them": dates(
        ("20260301123015", "2026-03-01T11:30:15Z"), ("2026030112301", ""), layout='date_formats = ["yyyyMMddHHmmss"]'
    ),
    "29 February": dates(("29.02.2026 12:30", ""), ("29.02.2028 12:30", "2028-02-29T11:30Z"), ("29.02.2100 12:30", "")),
    "days and times that are none": dates(
        ("31.04.2026 12:30", ""),
        ("00.03.2026 12:30", ""),
        ("01.13.2026 12:30", ""),
        ("01.03.2026 24:00", ""),
        ("01.03.2026 12:60", ""),
        ("01.03.2026 12:30:60", ""),
        ("00.00.0000 00:00", ""),
    ),
    "days long past and far off": dates(
        ("01.01.1970 01:00", ""),
        ("31.12.1999 12:30", ""),
        ("01.01.2000 12:30", "2000-01-01T11:30Z"),
        ("31.12.2099 12:30", "2099-12-31T11:30Z"),
        ("01.01.2100 12:30", ""),
        ("31.12.9999 23:59", ""),
        ("01.01.0001 00:00", ""),
    ),
    "dates in a format that was not agreed": dates(
        ("1.3.2026 12:30", ""),
        ("01.03.26 12:30", ""),
        ("01.03.2026 12:30 PM", ""),
        ("01.03.2026 12.30", ""),
        ("01.03.2026  12:30", ""),
        ("01.03.2026T12:30", ""),
        ("46082.52", ""),
        ("\u0660\u0661.\u0660\u0663.2026 12:30", ""),
        ("So, 01.03.2026 12:30", ""),
        ("NULL", ""),
    ),
    "no date": dates(("", ""), ("   ", ""), ("01.03.2026 12:30", "2026-03-01T11:30Z")),
    "an offset in hours": dates(("01.03.2026 12:30", "2026-03-01T10:00Z"), layout="date_offset = -1.5"),
    "an offset in hours over the change of the clock": dates(
        ("29.03.2026 01:30", "2026-03-29T01:30Z"), layout="date_offset = 2"
    ),
    "an offset in hours, which times with a zone do not need": dates(
        ("2026-03-01T12:30:00Z", "2026-03-01T12:30Z"), layout='date_offset = 5\ndate_formats = ["ISO8601"]'
    ),
    "the other dates of a row": Case(
        content=written(
            "1;Click;01.03.2026 12:30;01.03.2026 09:00;01.03.2026 12:29",
            "2;Click;01.03.2026 12:30;;",
            "3;Click;01.03.2026 12:30;soon;",
            "4;Click;01.03.2026 12:30;;then",
            "5;Click;never;soon;then",
            header=f"{SHORT_HEADER};DeliveryDate;ClickDate",
        ),
        rows_read=5,
        rows_good=2,
        rejects=(
            (4, "date-invalid", "DeliveryDate"),
            (5, "date-invalid", "ClickDate"),
            (6, "date-invalid", "EventTriggeredDate"),
        ),
        values=(
            {
                "event_time": "2026-03-01T11:30Z",
                "delivery_date": "2026-03-01T08:00Z",
                "click_date": "2026-03-01T11:29Z",
            },
            {"delivery_date": None, "click_date": None},
        ),
    ),
    "one column for two dates": Case(
        content=written("1;Click;01.03.2026 12:30", header=SHORT_HEADER),
        layout='fields = {ClickDate = ["EventTriggeredDate"]}',
        rows_read=1,
        rows_good=1,
        values=({"event_time": "2026-03-01T11:30Z", "click_date": "2026-03-01T11:30Z", "delivery_date": None},),
    ),
}
