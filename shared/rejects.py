"""Reasons for which a row of a delivery file or of a response file is not taken. Pure: no I/O."""

from enum import StrEnum


class RejectReason(StrEnum):
    """Why a row is not taken; what an operator reads in the reject file."""

    WRONG_FIELD_COUNT = "wrong-field-count"  #: more or fewer fields than the header has
    EMAIL_MISSING = "email-missing"  #: no address
    EMAIL_INVALID = "email-invalid"  #: not the syntax of an address
    URN_MISSING = "urn-missing"  #: no URN
    COMMUNICATION_KEY_MISSING = "communication-key-missing"  #: no Communication Key
    CONTROL_CHARACTER = "control-character"  #: a character that no text has
    VALUE_TOO_LONG = "value-too-long"  #: a value, or a whole row, beyond every sensible length
    DUPLICATE_EMAIL = "duplicate-email"  #: an earlier row has the address
    DUPLICATE_COMMUNICATION_KEY = "duplicate-communication-key"  #: an earlier row has the Communication Key
    FIELD_TYPE = "field-type"  #: a value that does not fit the type of its list field
    TYPE_MISSING = "type-missing"  #: a response without message type
    RECIPIENT_MISSING = "recipient-missing"  #: a response of nobody
    DATE_INVALID = "date-invalid"  #: a date that does not fit the format
    BROKEN_QUOTE = "broken-quote"  #: a quote that is opened and not closed
    NOT_TEXT = "not-text"  #: bytes that are no text in the encoding of the file


#: Rows that are left out because an earlier row says the same; counted apart from rejects.
DUPLICATES = frozenset({RejectReason.DUPLICATE_EMAIL, RejectReason.DUPLICATE_COMMUNICATION_KEY})
