"""How response files are written: their names, columns, dates and types. Pure.

One layout for each kind of file, in the channels file under `[responses.<name>]` (docs/reference/response-files.md):
Optimizely agrees them per client. What a layout leaves out has the documented default of FERG's parameters for
Optimizely (docs/why/sources.md, Apteco 5.3). FERG's own parameter names are accepted as they are, so that its list
can be copied.
"""

import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from shared.config.header_names import loose_name
from shared.config.validation import LONGEST_DAYS, TimeZoneName


class ResponseField(StrEnum):
    """The meaning of a column of a response file; the value is its documented header name."""

    EMAIL = "Email"
    URN = "Urn"
    COMMUNICATION_KEY = "CommunicationKey"
    BROADCAST_KEY = "BroadcastKey"  #: the list field of the bridge that returns with every response
    MAILING_ID = "MailingId"
    MESSAGE_TYPE = "MessageType"
    CLICK_URL = "ClickUrl"
    EVENT_TIME = "EventTriggeredDate"
    DELIVERY_DATE = "DeliveryDate"
    CLICK_DATE = "ClickDate"


class AfterLoad(StrEnum):
    """What happens to a response file on the SFTP site after it is loaded."""

    LEAVE = "leave"
    ARCHIVE = "archive"  #: it is moved to another folder
    REMOVE = "remove"


#: FERG's parameters for names of columns.
_FERG_COLUMNS: Final[Mapping[str, ResponseField]] = {
    "EMAILCOLUMNNAME": ResponseField.EMAIL,
    "URNCOLUMNNAME": ResponseField.URN,
    "COMMUNICATIONKEYCOLUMNNAME": ResponseField.COMMUNICATION_KEY,
    "SENDIDCOLUMNNAME": ResponseField.MAILING_ID,
    "TYPECOLUMNNAME": ResponseField.MESSAGE_TYPE,
    "CLICKURLCOLUMNNAME": ResponseField.CLICK_URL,
    "EVENTTRIGGEREDDATECOLUMNNAME": ResponseField.EVENT_TIME,
    "DELIVERYDATECOLUMNNAME": ResponseField.DELIVERY_DATE,
    "CLICKDATECOLUMNNAME": ResponseField.CLICK_DATE,
}
#: Parameters without effect here: every type and column is kept, and a schedule gathers files.
_FERG_WITHOUT_EFFECT: Final = frozenset(
    {
        *("TYPE", "RUNCOLUMNNAME", "MESSAGENAMECOLUMNNAME", "ADDITIONALFIELDS"),
        *("MAXRETRIES", "READACCESSRETRIES", "LOOKUPBROADCASTIDSONTHEFLY", "EXECUTIONBUFFER", "EXECUTIONTAG"),
    }
)
#: Parameters that hold or name a secret, and the settings that replace them.
_FERG_SECRETS: Final[Mapping[str, str]] = {
    "FTPURL": "SFTP_HOST, SFTP_USER and SFTP_RESPONSE_FOLDER",
    "PEMPRIVATEKEY": "SFTP_PRIVATE_KEY",
}
_FERG_DELIMITERS: Final = {"TAB": "\t", "COMMA": ",", "SEMICOLON": ";", "PIPE": "|", "SPACE": " "}
_FERG_ENCLOSERS: Final = {"DOUBLEQUOTE": '"', "SINGLEQUOTE": "'", "NONE": ""}

#: Words that name a date format.
UNIX_SECONDS, UNIX_MILLISECONDS, ISO_8601 = "UnixTimeStamp", "UnixTimeStampMilliseconds", "ISO8601"
_WORDS: Final = frozenset({UNIX_SECONDS, UNIX_MILLISECONDS, ISO_8601})
#: Parts of a date format as FERG writes it, the largest first.
DATE_PARTS: Final = ("yyyy", "MM", "dd", "HH", "mm", "ss")
DATE_PART: Final = re.compile("(yyyy|MM|dd|HH|mm|ss|[A-Za-z])")
#: Number of parts that a format may have: up to the day, the minute, the second.
_DATE_LENGTHS: Final = (3, 5, 6)
#: Patterns of local times in ISO 8601, and the format of each.
_ISO_PATTERNS: Final[Mapping[str, str]] = {
    "0000-00-00": "yyyy-MM-dd",
    "0000-00-00 00:00": "yyyy-MM-dd HH:mm",
    "0000-00-00 00:00:00": "yyyy-MM-dd HH:mm:ss",
}
_MAX_TYPE: Final = 50
#: No zone is farther from UTC.
_MAX_HOURS: Final = 26


def _date_format(text: str) -> str:
    parts = DATE_PART.findall(text)
    if text not in _WORDS and (len(parts) not in _DATE_LENGTHS or set(parts) != set(DATE_PARTS[: len(parts)])):
        words = ", ".join(sorted(_WORDS))
        msg = f"a date format has yyyy, MM and dd once each, then HH and mm, then ss; or it is one of {words}"
        raise ValueError(msg)
    return text


def _character(value: object, words: Mapping[str, str]) -> object:
    return words.get(value.upper(), value) if isinstance(value, str) else value


class ResponseLayout(BaseModel):
    """The layout of the response files of one kind."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    #: Patterns of file names (`*` and `?`).
    names: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)] = ("Response*",)
    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r"[^\r\n\"']")] = ";"
    #: Quote around values; empty: quotation marks are data.
    quote: Literal['"', "'", ""] = '"'
    #: A BOM at the beginning of a file takes precedence for UTF-8 and UTF-16.
    encoding: Literal["utf-8", "utf-16", "utf-16-be", "windows-1252", "iso-8859-1", "iso-8859-15"] = "utf-8"
    #: Names of the columns of files without a header, in their order; empty: the first line has them.
    columns: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = ()
    #: Names that a column may have, by its meaning. Case, spaces, `_` and `-` are ignored.
    fields: Mapping[ResponseField, tuple[str, ...]] = Field(default_factory=dict)
    #: The message type of all rows, for files with only one type.
    message_type: Annotated[str, Field(max_length=_MAX_TYPE)] = ""
    #: Message type by the word that the files use for it. Case is ignored.
    types: Mapping[str, Annotated[str, Field(min_length=1, max_length=_MAX_TYPE)]] = Field(default_factory=dict)
    #: Formats of dates, tried in this order: as FERG writes them, or `UnixTimeStamp` (seconds),
    #: `UnixTimeStampMilliseconds`, `ISO8601`.
    date_formats: Annotated[tuple[Annotated[str, AfterValidator(_date_format)], ...], Field(min_length=1)] = (
        "dd.MM.yyyy HH:mm",
        "dd.MM.yyyy HH:mm:ss",
    )
    #: Whether a last line without a line end is a row; otherwise it may still be being written, and is rejected.
    last_line: Literal["must-end", "may-end-without"] = "must-end"
    #: Time zone of times that name none.
    time_zone: TimeZoneName = "Europe/Berlin"
    #: Hours added to local times before they are read as times of the zone.
    date_offset: Annotated[float, Field(ge=-_MAX_HOURS, le=_MAX_HOURS)] = 0
    #: What happens to a file on the SFTP site after it is loaded.
    after_load: AfterLoad = AfterLoad.LEAVE
    #: Where `archive` moves it: an existing folder on the SFTP site.
    archive_folder: str = ""
    #: Hours without a new file, counted from the last file or else from the first broadcast sent, until an alert is
    #: raised; 0: never.
    alert_after_hours: Annotated[float, Field(ge=0, le=LONGEST_DAYS * 24)] = 48

    def aliases(self, field: ResponseField) -> tuple[str, ...]:
        """Names that the column of a field may have."""
        return self.fields.get(field) or (field.value,)

    @model_validator(mode="before")
    @classmethod
    def _from_ferg(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the file says
        """Translate FERG's parameters; ours take precedence."""
        if not isinstance(given, Mapping):
            return given
        ours: dict[str, Any] = {}
        fields: dict[str, Any] = {}
        for name, value in given.items():
            parameter = str(name).upper()
            if parameter in _FERG_SECRETS:
                raise ValueError(f"{name} is not allowed here; use the app settings {_FERG_SECRETS[parameter]}")
            if parameter in _FERG_COLUMNS:
                fields[_FERG_COLUMNS[parameter]] = (value,)
            elif parameter in _FERG_TRANSLATIONS and name not in cls.model_fields:
                ours |= _FERG_TRANSLATIONS[parameter](value)
            elif parameter not in _FERG_WITHOUT_EFFECT:
                ours[str(name)] = value
        if "delimiter" in ours:
            ours["delimiter"] = _character(ours["delimiter"], _FERG_DELIMITERS)
        if "quote" in ours:
            ours["quote"] = _character(ours["quote"], _FERG_ENCLOSERS)
        if fields:
            ours["fields"] = {**fields, **(ours.get("fields") or {})}
        return ours

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote must differ")
        if (self.after_load is AfterLoad.ARCHIVE) != bool(self.archive_folder):
            raise ValueError("archive_folder and after_load = 'archive' require each other")
        loose_names = [loose_name(name) for name in self.columns]
        for field in ResponseField:
            if any(loose_names.count(loose_name(alias)) > 1 for alias in self.aliases(field)):
                raise ValueError(f"columns: the column {field.value} occurs twice")
        patterns = dict(_ISO_PATTERNS) if ISO_8601 in self.date_formats else {}
        for date_format in self.date_formats:
            pattern = DATE_PART.sub(lambda part: "0" * len(part[0]), date_format)
            if patterns.setdefault(pattern, date_format) != date_format:
                raise ValueError(f"date_formats: a date could be read as {patterns[pattern]} and as {date_format}")
        if {UNIX_SECONDS, UNIX_MILLISECONDS} <= set(self.date_formats):
            raise ValueError(f"date_formats: a number could be {UNIX_SECONDS} and {UNIX_MILLISECONDS}")
        return self


_FERG_TRANSLATIONS: Final[Mapping[str, Callable[[Any], Mapping[str, Any]]]] = {
    "FILEPATTERN": lambda value: {"names": (value,)},
    "DELIMITER": lambda value: {"delimiter": value},
    "ENCLOSER": lambda value: {"quote": value},
    "DATEFORMAT": lambda value: {"date_formats": (value,)},
    "DATEOFFSET": lambda value: {"date_offset": value},
    # FERG's default is the zone of its own machine, which the bridge does not know: as if it were left out.
    "LOCALTIMEZONE": lambda value: {} if str(value).casefold() == "local" else {"time_zone": value},
    "REMOVEFILES": lambda value: {
        "after_load": AfterLoad.REMOVE if str(value).casefold() == "true" else AfterLoad.LEAVE
    },
}


def layout_of(name: str, layouts: Mapping[str, ResponseLayout]) -> tuple[str, ResponseLayout] | None:
    """The first layout that has a pattern for the file's name, in any case, with the name of the layout."""
    for layout_name, layout in layouts.items():
        if any(fnmatchcase(name.casefold(), pattern.casefold()) for pattern in layout.names):
            return layout_name, layout
    return None
