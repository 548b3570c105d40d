"""Headers, delimiters and field counts; columns with other names, extra columns, missing columns."""

from tests.corpus.case import ANNA, BERT, CLEO, HEADER, SHORT_HEADER, Case, loaded, refused, written

LAYOUT_CODE = "response-file-layout"
ROW = "1;Open;01.03.2026 12:30"
#: As in a list of FERG's parameters for another client.
FERG = """
FILEPATTERN = "Response*"
DELIMITER = "TAB"
ENCLOSER = "NONE"
DATEFORMAT = "yyyy-MM-dd HH:mm:ss"
DATEOFFSET = 1
LOCALTIMEZONE = "Europe/London"
REMOVEFILES = "true"
URNCOLUMNNAME = "Kunden ID"
COMMUNICATIONKEYCOLUMNNAME = "Schlüssel"
TYPECOLUMNNAME = "Typ"
EVENTTRIGGEREDDATECOLUMNNAME = "Zeitpunkt"
MAXRETRIES = 3
"""


def delimited(delimiter: str) -> bytes:
    return written(ANNA, BERT, CLEO).replace(b";", delimiter.encode())


COLUMNS: dict[str, Case] = {
    "a header of other columns": refused(LAYOUT_CODE, b"Name;Place\nAnna;Berlin\n"),
    "a header without the type": refused(LAYOUT_CODE, written("1;01.03.2026 12:30", header="Urn;EventTriggeredDate")),
    "a header without the time": refused(LAYOUT_CODE, written("1;Open", header="Urn;MessageType")),
    "a header without anything of the recipient": refused(
        LAYOUT_CODE, written("Open;01.03.2026 12:30", header="MessageType;EventTriggeredDate")
    ),
    "a header with a column twice": refused(LAYOUT_CODE, written(f"{ROW};2", header=f"{SHORT_HEADER};urn")),
    "a header with the columns of two details whose names differ by a blank": Case(
        content=written(f"{ROW};9;x", header=f"{SHORT_HEADER};Link Id;LinkId"),
        rows_read=1,
        rows_good=1,
        values=({"details": {"Link Id": "9", "LinkId": "x"}},),
    ),
    "a header with the same detail four times": Case(
        content=written(f"{ROW};1;2;3;4", header=f"{SHORT_HEADER};Link;LINK;link\u200b;Link (2)"),
        rows_read=1,
        rows_good=1,
        values=({"details": {"Link": "1", "LINK (2)": "2", "link (3)": "3", "Link (2) (2)": "4"}},),
    ),
    "a detail that is named as a column without a name": Case(
        content=written(f"{ROW};x;y", header=f"{SHORT_HEADER};Column 5;"),
        rows_read=1,
        rows_good=1,
        values=({"details": {"Column 5": "x", "Column 5 (2)": "y"}},),
    ),
    "two columns without a header whose names differ by a blank": Case(
        content=f"{ROW};9;x\n".encode(),
        layout='columns = ["Urn", "MessageType", "EventTriggeredDate", "Link Id", "Link_Id"]',
        rows_read=1,
        rows_good=1,
        values=({"details": {"Link Id": "9", "Link_Id": "x"}},),
    ),
    "a header with a name of 256 characters": refused(
        LAYOUT_CODE, written(f"{ROW};x", header=f"{SHORT_HEADER};{'x' * 256}")
    ),
    "a header with a name of 255 characters": Case(
        content=written(f"{ROW};x", header=f"{SHORT_HEADER};{'x' * 255}"),
        rows_read=1,
        rows_good=1,
        values=({"details": {"x" * 255: "x"}},),
    ),
    "no header where one is expected": refused(LAYOUT_CODE, f"{ANNA}\n{BERT}\n".encode()),
    "the header occurs twice": Case(
        content=written(HEADER, ANNA, BERT),
        rows_read=3,
        rows_good=2,
        rejects=((2, "date-invalid", "EventTriggeredDate"),),
    ),
    "the header comes again at the end": Case(
        content=written(ANNA, BERT, HEADER),
        rows_read=3,
        rows_good=2,
        rejects=((4, "date-invalid", "EventTriggeredDate"),),
    ),
    "the header is in other case, with spaces, underscores and hyphens": loaded(
        written(ANNA, BERT, header=" URN ; communication key;MESSAGE_TYPE;event-Triggered-date;Browser"), 2
    ),
    "the header is quoted and the rows are not": loaded(
        written(ANNA, header='"Urn";"CommunicationKey";"MessageType";"EventTriggeredDate";"Browser"'), 1
    ),
    "no column but those that are needed": Case(
        content=written(ROW, header=SHORT_HEADER),
        rows_read=1,
        rows_good=1,
        values=(
            {
                "urn": "1",
                "message_type": "Open",
                "email": "",
                "communication_key": "",
                "click_url": "",
                "delivery_date": None,
                "click_date": None,
                "details": {},
            },
        ),
    ),
    "columns in another order": Case(
        content=written("01.03.2026 12:30;Open;1", header="EventTriggeredDate;MessageType;Urn"),
        rows_read=1,
        rows_good=1,
        values=({"urn": "1", "message_type": "Open"},),
    ),
    "unknown columns": Case(
        content=written(f"{ROW};full;;550", f"{ROW};;;", header=f"{SHORT_HEADER};Reason;Region;SMTP Code"),
        rows_read=2,
        rows_good=2,
        values=({"details": {"Reason": "full", "SMTP Code": "550"}}, {"details": {}}),
    ),
    "a column without a name": Case(
        content=written(f"{ROW};;x", header=f"{SHORT_HEADER};;"),
        layout="",
        rows_read=1,
        rows_good=1,
        values=({"details": {"Column 5": "x"}},),
    ),
    "every line ends in a delimiter, the header too": Case(
        content=written(f"{ROW};", f"{ROW};", header=f"{SHORT_HEADER};"),
        rows_read=2,
        rows_good=2,
        values=({"details": {}}, {"details": {}}),
    ),
    "every row ends in a delimiter, and the header does not": Case(
        content=written(f"{ROW};", f"{ROW};", header=SHORT_HEADER),
        rows_read=2,
        rows_good=0,
        rejects=((2, "wrong-field-count", ""), (3, "wrong-field-count", "")),
    ),
    "rows with too many and too few fields": Case(
        content=written(f"{ANNA};more", BERT, "3;K3;Bounce", CLEO),
        rows_read=4,
        rows_good=2,
        rejects=((2, "wrong-field-count", ""), (4, "wrong-field-count", "")),
        values=({"urn": "2"}, {"urn": "3"}),
    ),
    "a delimiter in a value that is not quoted": Case(
        content=written(f"{ROW};Mozilla/5.0 (X11; Linux)", f"{ROW};curl", header=f"{SHORT_HEADER};Agent"),
        rows_read=2,
        rows_good=1,
        rejects=((2, "wrong-field-count", ""),),
        values=({"details": {"Agent": "curl"}},),
    ),
    "tabs between values": loaded(delimited("\t"), 3, layout='delimiter = "TAB"'),
    "commas between values": loaded(delimited(","), 3, layout='delimiter = "COMMA"'),
    "pipes between values": loaded(delimited("|"), 3, layout='delimiter = "|"'),
    "commas where the layout says semicolons": refused(LAYOUT_CODE, delimited(",")),
    "a header with semicolons and rows with commas": Case(
        content=written(BERT.replace(";", ","), ANNA),
        rows_read=2,
        rows_good=1,
        rejects=((2, "wrong-field-count", ""),),
    ),
    "a first line for Excel that names the delimiter": refused(LAYOUT_CODE, b"sep=;\n" + written(ANNA)),
    "a file without a header": loaded(
        f"{ANNA}\n{BERT}\n".encode(),
        2,
        layout='columns = ["Urn", "CommunicationKey", "MessageType", "EventTriggeredDate", "Browser"]',
    ),
    "a header where the layout says that there is none": Case(
        content=written(ANNA, BERT),
        layout='columns = ["Urn", "CommunicationKey", "MessageType", "EventTriggeredDate", "Browser"]',
        rows_read=3,
        rows_good=2,
        rejects=((1, "date-invalid", "EventTriggeredDate"),),
    ),
    "an empty file without a header": Case(
        content=b"", layout='columns = ["Urn", "MessageType", "EventTriggeredDate"]'
    ),
    "columns by the names of a layout, which may be several": Case(
        content=written("7;900;Klick;01.03.2026 12:30", header="KundenNr;SendId;Art;Zeit"),
        layout=(
            "types = {Klick = 'Click'}\n"
            "fields = {Urn = ['Kunden-Nr', 'Kunde'], MailingId = ['MAILING', 'send id'], MessageType = ['Art'], "
            "EventTriggeredDate = ['Zeit']}"
        ),
        rows_read=1,
        rows_good=1,
        values=({"urn": "7", "mailing_id": "900", "message_type": "Click", "details": {"MessageTypeInFile": "Klick"}},),
    ),
    "FERG's parameters as the layout": Case(
        content='Kunden ID\tSchlüssel\tTyp\tZeitpunkt\tGrund\n7\t"K7\topen\t2026-03-01 12:30:15\tx\n'.encode(),
        layout=FERG,
        rows_read=1,
        rows_good=1,
        values=(
            {
                "urn": "7",
                "communication_key": '"K7',
                "message_type": "Open",
                "event_time": "2026-03-01T13:30:15Z",
                "details": {"Grund": "x"},
            },
        ),
    ),
}
