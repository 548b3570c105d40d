"""Values: missing and too long ones, types, equal events, values that look like code."""

from tests.corpus.case import ANNA, BERT, HEADER, SHORT_HEADER, Case, written

TIME = "01.03.2026 12:30"
#: Every column with a maximum length.
WIDE = "Urn;CommunicationKey;MessageType;EventTriggeredDate;Email;ClickUrl;BroadcastKey;MailingId;Text"
EMOJI = "\N{GRINNING FACE}"

VALUES: dict[str, Case] = {
    "rows without a recipient": Case(
        content=written(f";;Open;{TIME};x", f" ;\t;Open;{TIME};x", ANNA),
        rows_read=3,
        rows_good=1,
        rejects=((2, "recipient-missing", ""), (3, "recipient-missing", "")),
    ),
    "rows that have only one of the three keys": Case(
        content=written(
            f"1;;;Open;{TIME}",
            f";K2;;Open;{TIME}",
            f";;cleo@example.org;Open;{TIME}",
            header="Urn;CommunicationKey;Email;MessageType;EventTriggeredDate",
        ),
        rows_read=3,
        rows_good=3,
        values=(
            {"urn": "1", "communication_key": "", "email": ""},
            {"urn": "", "communication_key": "K2", "email": ""},
            {"urn": "", "communication_key": "", "email": "cleo@example.org"},
        ),
    ),
    "rows without a type": Case(
        content=written(f"1;K1;;{TIME};x", f"1;K1;   ;{TIME};x", BERT),
        rows_read=3,
        rows_good=1,
        rejects=((2, "type-missing", "MessageType"), (3, "type-missing", "MessageType")),
    ),
    "values that are one character too long": Case(
        content=written(
            f"{'1' * 256};K;Open;{TIME};;;;;",
            f"1;{'K' * 65};Open;{TIME};;;;;",
            f"1;K;{'O' * 51};{TIME};;;;;",
            f"1;K;Open;{TIME};{'a' * 309}@example.org;;;;",
            f"1;K;Open;{TIME};;{'u' * 2001};;;",
            f"1;K;Open;{TIME};;;{'B' * 65};;",
            f"1;K;Open;{TIME};;;;{'9' * 65};",
            f"1;K;Open;{TIME};;;;;{'x' * 4001}",
            header=WIDE,
        ),
        rows_read=8,
        rows_good=0,
        rejects=(
            (2, "value-too-long", "Urn"),
            (3, "value-too-long", "CommunicationKey"),
            (4, "value-too-long", "MessageType"),
            (5, "value-too-long", "Email"),
            (6, "value-too-long", "ClickUrl"),
            (7, "value-too-long", "BroadcastKey"),
            (8, "value-too-long", "MailingId"),
            (9, "value-too-long", "Text"),
        ),
    ),
    "values that are as long as may be": Case(
        content=written(
            f"{'1' * 255};{'K' * 64};{'O' * 50};{TIME};{'a' * 308}@example.org;{'u' * 2000};{'B' * 64};{'9' * 64};"
            + "x" * 4000,
            header=WIDE,
        ),
        rows_read=1,
        rows_good=1,
        values=(
            {
                "urn": "1" * 255,
                "communication_key": "K" * 64,
                "message_type": "O" * 50,
                "email": "a" * 308 + "@example.org",
                "click_url": "u" * 2000,
                "broadcast_key": "B" * 64,
                "mailing_id": "9" * 64,
                "details": {"Text": "x" * 4000},
            },
        ),
    ),
    "emoji, each of which counts as two": Case(
        content=written(
            f"1;{EMOJI * 32};Open;{TIME};{EMOJI * 2000}",
            f"2;{EMOJI * 33};Open;{TIME};",
            f"3;K;Open;{TIME};{EMOJI * 2001}",
        ),
        rows_read=3,
        rows_good=1,
        rejects=((3, "value-too-long", "CommunicationKey"), (4, "value-too-long", "Browser")),
        values=({"urn": "1", "communication_key": EMOJI * 32, "details": {"Browser": EMOJI * 2000}},),
    ),
    "spaces around values": Case(
        content=written(f" 1 ;\tK1\t; Open ;  {TIME} ;\u00a0Firefox\u00a0"),
        rows_read=1,
        rows_good=1,
        values=(
            {
                "urn": "1",
                "communication_key": "K1",
                "message_type": "Open",
                "event_time": "2026-03-01T11:30Z",
                "details": {"Browser": "Firefox"},
            },
        ),
    ),
    "numbers with leading zeros, with signs and very long ones": Case(
        content=written(f"007;;Open;{TIME};+0", f"-1;;Open;{TIME};1e5", f"{'9' * 40};;Open;{TIME};0x1F"),
        rows_read=3,
        rows_good=3,
        values=(
            {"urn": "007", "details": {"Browser": "+0"}},
            {"urn": "-1", "details": {"Browser": "1e5"}},
            {"urn": "9" * 40, "details": {"Browser": "0x1F"}},
        ),
    ),
    "known types in odd case": Case(
        content=written(
            *(f"{word};{word};{TIME}" for word in ("oPEN", "SEND", "click", "UnSubscription")), header=SHORT_HEADER
        ),
        rows_read=4,
        rows_good=4,
        values=(
            {"message_type": "Open", "details": {}},
            {"message_type": "Send", "details": {}},
            {"message_type": "Click", "details": {}},
            {"message_type": "Unsubscription", "details": {}},
        ),
    ),
    "other words for the known types, in odd case": Case(
        content=written(f"1;HARDBOUNCE;{TIME}", f"2;broadcastOptOut;{TIME}", f"3;GELESEN;{TIME}", header=SHORT_HEADER),
        layout="types = {gelesen = 'Open'}",
        rows_read=3,
        rows_good=3,
        values=(
            {"message_type": "Bounce", "details": {"MessageTypeInFile": "HARDBOUNCE"}},
            {"message_type": "Unsubscription", "details": {"MessageTypeInFile": "broadcastOptOut"}},
            {"message_type": "Open", "details": {"MessageTypeInFile": "GELESEN"}},
        ),
    ),
    "a column of the name that the bridge keeps such words under": Case(
        content=written(f"1;HARDBOUNCE;{TIME};x", f"2;Open;{TIME};y", header=f"{SHORT_HEADER};messagetypeinfile"),
        rows_read=2,
        rows_good=2,
        values=(
            {"message_type": "Bounce", "details": {"MessageTypeInFile": "HARDBOUNCE", "Column 4": "x"}},
            {"message_type": "Open", "details": {"Column 4": "y"}},
        ),
    ),
    "unknown types": Case(
        content=written(f"1;Blocked;{TIME}", f"2;Öffnung;{TIME}", f"3;0;{TIME}", header=SHORT_HEADER),
        rows_read=3,
        rows_good=3,
        values=({"message_type": "Blocked"}, {"message_type": "Öffnung"}, {"message_type": "0"}),
    ),
    "one type for each file, by its name": Case(
        content=written(f"1;{TIME};full", f"2;{TIME};", header="Urn;EventTriggeredDate;Reason"),
        name="Bounces_20260301.csv",
        layout='names = ["Bounces_*"]\nmessage_type = "Bounce"',
        rows_read=2,
        rows_good=2,
        values=(
            {"urn": "1", "message_type": "Bounce", "details": {"Reason": "full"}},
            {"urn": "2", "message_type": "Bounce", "details": {}},
        ),
    ),
    "one type for each file, which has a column for another": Case(
        content=written(f"1;hard;{TIME}", header=SHORT_HEADER),
        layout='message_type = "Bounce"',
        rows_read=1,
        rows_good=1,
        values=({"message_type": "Bounce", "details": {"MessageType": "hard"}},),
    ),
    "two equal events": Case(
        content=written(ANNA, ANNA, BERT),
        rows_read=3,
        rows_good=3,
        values=({"urn": "1"}, {"urn": "1"}, {"urn": "2"}),
    ),
    "events that differ in their details only": Case(
        content=written(ANNA, ANNA.replace("Firefox", "Safari")),
        rows_read=2,
        rows_good=2,
        values=({"details": {"Browser": "Firefox"}}, {"details": {"Browser": "Safari"}}),
    ),
    "Communication Keys that differ in case only": Case(
        content=written(f"1;ab;Open;{TIME};", f"1;AB;Open;{TIME};"),
        rows_read=2,
        rows_good=2,
        values=({"communication_key": "ab"}, {"communication_key": "AB"}),
    ),
    "values that look like formulas": Case(
        content=written(
            f"=1+1;;Open;{TIME};=cmd|' /C calc'!A0", f"@SUM(1);;Open;{TIME};+49 30 1234", f"-2;;Open;{TIME};-1+1"
        ),
        rows_read=3,
        rows_good=3,
        values=(
            {"urn": "=1+1", "details": {"Browser": "=cmd|' /C calc'!A0"}},
            {"urn": "@SUM(1)", "details": {"Browser": "+49 30 1234"}},
            {"urn": "-2", "details": {"Browser": "-1+1"}},
        ),
    ),
    "values that look like SQL, markup, placeholders and paths": Case(
        content=written(
            f"' OR 1=1 --;;Open;{TIME};'), DROP TABLE Response",
            f"<script>alert(1)</script>;;Open;{TIME};&lt,%00%0a",
            f"{{0}} %s :urn ?;;Open;{TIME};..\\..\\..//etc/passwd",
        ),
        rows_read=3,
        rows_good=3,
        values=(
            {"urn": "' OR 1=1 --", "details": {"Browser": "'), DROP TABLE Response"}},
            {"urn": "<script>alert(1)</script>", "details": {"Browser": "&lt,%00%0a"}},
            {"urn": "{0} %s :urn ?", "details": {"Browser": "..\\..\\..//etc/passwd"}},
        ),
    ),
    "words for a missing value in other systems": Case(
        content=written(f"NULL;;Open;{TIME};NaN", f"None;\\N;Open;{TIME};#N/A"),
        rows_read=2,
        rows_good=2,
        values=(
            {"urn": "NULL", "details": {"Browser": "NaN"}},
            {"urn": "None", "communication_key": "\\N", "details": {"Browser": "#N/A"}},
        ),
    ),
    "an address of a click with everything that an address may hold": Case(
        content=written(f"1;Click;{TIME};https://example.org/a%20b?x=1&y=ü#'top'", header=f"{SHORT_HEADER};ClickUrl"),
        rows_read=1,
        rows_good=1,
        values=({"click_url": "https://example.org/a%20b?x=1&y=ü#'top'"},),
    ),
    "a column whose name looks like a formula refuses a row": Case(
        content=written(f"1;K1;Open;{TIME};{'x' * 4001}", header=HEADER.replace("Browser", "@SUM(A1)")),
        rows_read=1,
        rows_good=0,
        rejects=((2, "value-too-long", "@SUM(A1)"),),
    ),
}
