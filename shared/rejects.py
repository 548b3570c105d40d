"""Reasons for which a row of a delivery file or of a response file is not taken. Pure: no I/O.

The words are stored in the ledger and written to reject files: they are never changed.
"""

from enum import StrEnum
from typing import Final

#: Longest URN and Communication Key in characters. `Response` has no room for longer ones, so nothing that a recipient
#: with such a key does could be recorded.
LONGEST_URN: Final = 255
LONGEST_COMMUNICATION_KEY: Final = 64
#: Longest value of any other column in characters.
LONGEST_VALUE: Final = 4_000


class RejectReason(StrEnum):
    """Why a row is not taken; what an operator reads in the reject file."""

    # Of both kinds of file
    WRONG_FIELD_COUNT = "wrong-field-count"  #: more or fewer fields than the header has
    CONTROL_CHARACTER = "control-character"  #: a character that no text has, such as ESC or a lone carriage return
    VALUE_TOO_LONG = "value-too-long"  #: a value, or a whole row, beyond every sensible length
    BROKEN_QUOTE = "broken-quote"  #: a quote that is opened and not closed, or stands within a value

    # Of delivery files
    URN_MISSING = "urn-missing"  #: no URN
    COMMUNICATION_KEY_MISSING = "communication-key-missing"  #: no Communication Key
    EMAIL_MISSING = "email-missing"  #: no address
    EMAIL_INVALID = "email-invalid"  #: not the syntax of an address
    DUPLICATE_EMAIL = "duplicate-email"  #: an earlier row has the address
    DUPLICATE_COMMUNICATION_KEY = "duplicate-communication-key"  #: an earlier row has the Communication Key
    FIELD_TYPE = "field-type"  #: a value that does not fit the type of its list field
    FIELD_MISSING = "field-missing"  #: no value for a list field that must have one
    NOT_ENCODABLE = "not-encodable"  #: a character that the encoding of the list file does not have
    NEEDS_QUOTE = "needs-quote"  #: a delimiter or quote in a value, in a layout without quotes
    UNSUBSCRIBED = "unsubscribed"  #: taken out before the upload: unsubscribed at Optimizely
    BOUNCED_OUT = "bounced-out"  #: taken out before the upload: hard-bounced too often
    BLOCKLISTED = "blocklisted"  #: taken out before the upload: on Optimizely's blocklist

    # Of response files
    TYPE_MISSING = "type-missing"  #: a response without message type
    RECIPIENT_MISSING = "recipient-missing"  #: a response of nobody
    DATE_INVALID = "date-invalid"  #: a date that does not fit the format, or an event without a date
    NOT_TEXT = "not-text"  #: bytes that are no text in the encoding of the file


#: Rows that are left out because an earlier row says the same; counted apart from rejects.
DUPLICATES: Final = frozenset({RejectReason.DUPLICATE_EMAIL, RejectReason.DUPLICATE_COMMUNICATION_KEY})

#: Rows that are taken out before the upload because Optimizely would not mail them; counted apart from rejects.
SUPPRESSED: Final = frozenset({RejectReason.UNSUBSCRIBED, RejectReason.BOUNCED_OUT, RejectReason.BLOCKLISTED})
