"""The error catalogue: every entry can be found, says what to do, and is filled with exactly its fields."""

import copy
import pickle
import re
from collections.abc import Iterator
from dataclasses import MISSING, fields
from inspect import cleandoc
from string import Formatter

import pytest

import shared.errors
from shared.errors import (
    BridgeError,
    DatabaseUnavailable,
    DeliveryFileError,
    DeliveryFileMissing,
    InputError,
    InstallationError,
    InternalError,
    ListUnknown,
    RemoteError,
    ResponseFileError,
    TerminalError,
    TransientError,
    TransientInstallationError,
    TransientInternalError,
    TransientRemoteError,
    catalogue,
)

#: Tests define errors of their own.
ENTRIES = [entry for entry in catalogue() if entry.__module__.startswith("shared.")]
#: The codes of the first catalogue. They are an interface: none of them may go.
CODES = """
batch-invalid broadcast-changed-meanwhile broadcast-unknown bulk-load-closed bulk-load-incomplete
campaign-not-startable catalogue-unreadable channel-call-invalid channel-unknown
copy-ambiguous copy-not-seen database-address-refused database-full database-login-refused
database-missing database-object-missing database-permission-denied database-text-not-ascii
database-tls-failed database-unavailable database-value-too-long delivery-differs
delivery-ended delivery-file-changed delivery-file-column-missing delivery-file-column-twice
delivery-file-empty delivery-file-encrypted delivery-file-header-broken delivery-file-line-ends delivery-file-missing
delivery-file-not-text delivery-file-packed-broken delivery-file-packed-otherwise
delivery-file-several delivery-file-too-large delivery-file-too-wide drop-missing
entra-token-unavailable erasure-busy erasure-unclear erasure-under-way field-map-ambiguous
file-name-refused illegal-transition import-count-wrong import-not-seen job-command-invalid
lease-lost list-ambiguous list-changed-meanwhile list-field-missing list-field-unknown
list-file-columns-wrong list-required-field-missing list-unknown mapped-column-missing
message-ambiguous message-not-testable message-unknown migration-changed migration-failed
never-released no-recipients odbc-driver-missing optimizely-answer-invalid optimizely-conflict
optimizely-login-refused optimizely-refused optimizely-unavailable place-unavailable
response-file-busy response-file-changed response-file-differs response-file-encrypted
response-file-layout response-file-name response-file-not-kept response-file-packed-broken
response-file-packed-otherwise response-file-rows response-file-several response-file-too-large
response-file-unknown response-file-vanished rows-unaccounted schema-map-mismatch
schema-out-of-date schema-too-new seed-list-missing seed-list-unfit send-mode-impossible
send-not-seen send-outcome-unknown send-stopped settings-invalid sftp-algorithms-refused
sftp-host-key-refused sftp-login-refused sftp-refused sftp-unavailable staged-file-missing
storage-unavailable suppressions-incomplete unexpected-error
"""
FAMILIES = {
    TerminalError: {InputError, InstallationError, RemoteError, InternalError},
    TransientError: {TransientInstallationError, TransientRemoteError, TransientInternalError},
}

every_entry = pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.__name__)


def placeholders(entry: type[BridgeError]) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(f"{entry.summary} {entry.remedy}") if name is not None}


def made(entry: type[BridgeError]) -> BridgeError:
    return entry(**{name: f"<{name}>" for name in placeholders(entry)})


def own_subclasses(family: type[BridgeError]) -> list[type[BridgeError]]:
    return [subclass for subclass in family.__subclasses__() if subclass.__module__.startswith("shared.")]


def drawn_tree() -> Iterator[tuple[str, str]]:
    """Each class in the drawing at the head of the package, with the one above it."""
    above: dict[int, str] = {}
    for line in str(shared.errors.__doc__).splitlines():
        if drawn := re.match(r"    ([│├└─ ]*)([A-Z]\w+)(?: {2,}.*)?$", line):
            depth = len(drawn[1]) // 4
            above[depth] = drawn[2]
            yield above.get(depth - 1, ""), drawn[2]


def tree(family: type[BridgeError]) -> Iterator[tuple[str, str]]:
    for subclass in own_subclasses(family):
        yield family.__name__, subclass.__name__
        yield from tree(subclass)


# The tree


def test_the_drawing_at_the_head_of_the_package_is_the_tree() -> None:
    drawn = list(drawn_tree())
    assert sorted(drawn) == sorted([("", "BridgeError"), *tree(BridgeError)])


def test_a_family_says_who_must_act_below_each_base() -> None:
    assert set(own_subclasses(BridgeError)) == set(FAMILIES)
    for base, families in FAMILIES.items():
        assert set(own_subclasses(base)) == families


@every_entry
def test_an_entry_belongs_to_one_base_and_has_nothing_below_it(entry: type[BridgeError]) -> None:
    assert issubclass(entry, TerminalError) != issubclass(entry, TransientError)
    assert own_subclasses(entry) == []
    assert len(entry.__bases__) == 1


def test_errors_of_a_file_can_be_caught_by_their_class() -> None:
    for prefix, family in {"delivery-file-": DeliveryFileError, "response-file-": ResponseFileError}.items():
        codes = {entry.code for entry in ENTRIES if issubclass(entry, family)}
        assert all(code.startswith(prefix) for code in codes)
    assert {entry.code for entry in ENTRIES if entry.code.startswith("delivery-file-")} == {
        entry.code for entry in ENTRIES if issubclass(entry, DeliveryFileError)
    }


def test_the_catalogue_lists_terminal_errors_first_and_each_kind_by_code() -> None:
    kinds = [issubclass(entry, TransientError) for entry in ENTRIES]
    assert kinds == sorted(kinds)
    for kind in (TerminalError, TransientError):
        codes = [entry.code for entry in ENTRIES if issubclass(entry, kind)]
        assert codes == sorted(codes)


# Codes


def test_no_code_has_gone() -> None:
    assert set(CODES.split()) <= {entry.code for entry in ENTRIES}


def test_no_two_entries_share_a_code() -> None:
    codes = [entry.code for entry in ENTRIES]
    assert sorted(set(codes)) == sorted(codes)


@every_entry
def test_a_code_is_in_kebab_case_and_fits_its_column(entry: type[BridgeError]) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", entry.code)
    assert len(entry.code) <= 64


# Texts


@every_entry
def test_the_docstring_of_an_entry_begins_with_its_summary(entry: type[BridgeError]) -> None:
    assert cleandoc(str(entry.__doc__)).partition("\n")[0] == entry.summary


@every_entry
def test_an_entry_says_what_happened_and_what_to_do_in_sentences(entry: type[BridgeError]) -> None:
    assert re.fullmatch(r"[A-Z{].+[.]", entry.summary)
    assert re.fullmatch(r"[A-Z`d].+[.]", entry.remedy)


@every_entry
def test_the_templates_use_exactly_the_fields(entry: type[BridgeError]) -> None:
    """A field with a default is for the code that catches the error; the templates need none of those."""
    assert placeholders(entry) == {field.name for field in fields(entry) if field.default is MISSING}
    assert all(field.kw_only for field in fields(entry))


@every_entry
def test_an_entry_is_filled_with_its_fields_and_shows_its_code(entry: type[BridgeError]) -> None:
    error = made(entry)
    assert str(error) == f"{error.sentence} [{entry.code}]"
    assert error.log_context() == {"code": entry.code}
    for name in placeholders(entry):
        assert f"<{name}>" in error.sentence
        assert getattr(error, name) == error.fields()[name] == f"<{name}>"
    assert "{" not in error.sentence


@every_entry
def test_an_entry_made_without_a_field_is_noticed_at_once(entry: type[BridgeError]) -> None:
    for missing in placeholders(entry):
        with pytest.raises(TypeError, match=missing):
            entry(**dict.fromkeys(placeholders(entry) - {missing}, "x"))


def test_braces_in_a_field_are_left_alone() -> None:
    assert "{list}" in DeliveryFileMissing(file="{list}", location="x").sentence


def test_a_name_from_outside_is_quoted_so_that_it_cannot_start_a_line_of_its_own() -> None:
    assert "\n" not in ListUnknown(list="News\nINFO all is well").sentence


# Exceptions


@every_entry
def test_a_copy_of_an_error_is_the_same(entry: type[BridgeError]) -> None:
    error = made(entry)
    for twin in (copy.copy(error), copy.deepcopy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert type(twin) is entry
        assert (str(twin), twin.fields(), twin.args) == (str(error), error.fields(), error.args)


def test_a_field_with_a_default_is_copied_as_well() -> None:
    error = DatabaseUnavailable(database="WS_DB", reason="x", number=1205, undone=True)
    error.add_note("in a test")
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (twin.number, twin.undone, twin.__notes__) == (1205, True, ["in a test"])


def mapped() -> None:
    try:
        int("anna@example.com")
    except ValueError:
        raise ListUnknown(list="News") from None


def test_an_error_hides_its_cause_where_it_is_raised_from_none() -> None:
    with pytest.raises(ListUnknown) as caught:
        mapped()
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_two_errors_are_equal_only_if_they_are_one() -> None:
    error = ListUnknown(list="News")
    assert error == error  # noqa: PLR0124 - that is the question
    assert error != ListUnknown(list="News")
    assert len({error, ListUnknown(list="News")}) == 2
    assert repr(error).startswith("ListUnknown(")
