"""Reasons for which a row of a delivery file or of a response file is rejected. Pure: no I/O.

The values are stored in the ledger and written to reject files: they never change.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

#: Longest URN and Communication Key in characters. `Response` has no room for longer ones, so nothing that a recipient
#: with such a key does could be recorded.
LONGEST_URN: Final = 255
LONGEST_COMMUNICATION_KEY: Final = 64
#: Longest value of any other column in characters.
LONGEST_VALUE: Final = 4_000


class RejectReason(StrEnum):
    """Why a row is rejected, as an operator reads it in the reject file."""

    # Of both kinds of file
    WRONG_FIELD_COUNT = "wrong-field-count"  #: more or fewer fields than the header
    CONTROL_CHARACTER = "control-character"  #: a control character, such as ESC or a lone carriage return
    VALUE_TOO_LONG = "value-too-long"  #: a value or row that is too long
    BROKEN_QUOTE = "broken-quote"  #: a quote that is not closed, or is within a value
    INVISIBLE_CHARACTER = "invisible-character"  #: a character that nobody sees, within a key or an address
    LINE_UNFINISHED = "line-unfinished"  #: the last line, which has no end

    # Of delivery files
    URN_MISSING = "urn-missing"  #: no URN
    COMMUNICATION_KEY_MISSING = "communication-key-missing"  #: no Communication Key
    EMAIL_MISSING = "email-missing"  #: no address
    EMAIL_INVALID = "email-invalid"  #: not a valid address
    DUPLICATE_EMAIL = "duplicate-email"  #: an earlier row has the address
    DUPLICATE_COMMUNICATION_KEY = "duplicate-communication-key"  #: an earlier row has the Communication Key
    FIELD_TYPE = "field-type"  #: a value of another type than its list field
    FIELD_MISSING = "field-missing"  #: no value for a required list field
    NOT_ENCODABLE = "not-encodable"  #: a character that the encoding of the list file lacks
    NEEDS_QUOTE = "needs-quote"  #: a delimiter or quote in a value, in a layout without quotes
    UNSUBSCRIBED = "unsubscribed"  #: removed before the upload: unsubscribed at Optimizely
    BOUNCED_OUT = "bounced-out"  #: removed before the upload: hard-bounced too often
    BLOCKLISTED = "blocklisted"  #: removed before the upload: on Optimizely's blocklist
    TEST_INSTALLATION = "test-installation"  #: removed before the upload: not in ONLY_MAIL of a test installation

    # Of response files
    TYPE_MISSING = "type-missing"  #: a response without a message type
    RECIPIENT_MISSING = "recipient-missing"  #: a response without a recipient
    DATE_INVALID = "date-invalid"  #: a date that does not match the format, or an event without a date
    NOT_TEXT = "not-text"  #: bytes that are not text in the encoding of the file
    DATABASE_RULE = "database-rule"  #: a rule of a table of RS_DB refuses the response


#: What helps with a reason, for those who see only the counts.
_HINTS: Final = {
    RejectReason.LINE_UNFINISHED: (
        'the last line has no end; if its writer never ends it, set last_line = "may-end-without"'
    ),
}


def in_words[Reason: str](rows_by_reason: Mapping[Reason, int]) -> str:
    """Rows by reason, the most frequent first, with what helps: `date-invalid 2, line-unfinished 1 (…)`."""
    by_rows = sorted(rows_by_reason.items(), key=lambda item: -item[1])
    return ", ".join(f"{reason} {rows}{hint(reason, ' ({})')}" for reason, rows in by_rows)


def hint(reason: str, form: str = "{}") -> str:
    """What helps with a reason, in this form; empty where its name says enough."""
    found = next((text for known, text in _HINTS.items() if known == reason), "")
    return found and form.format(found)


#: Reasons for rows that repeat an earlier row; counted apart from rejects.
DUPLICATES: Final = frozenset({RejectReason.DUPLICATE_EMAIL, RejectReason.DUPLICATE_COMMUNICATION_KEY})

#: Reasons for rows that Optimizely would not mail, or a test installation must not; counted apart from rejects.
SUPPRESSED: Final = frozenset(
    {
        RejectReason.UNSUBSCRIBED,
        RejectReason.BOUNCED_OUT,
        RejectReason.BLOCKLISTED,
        RejectReason.TEST_INSTALLATION,
    }
)
