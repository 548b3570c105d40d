"""This code: a fault of the bridge to be reported, or a state of its own that passes by itself."""

from shared.errors.base import TerminalError, TransientError


class InternalError(TerminalError):
    """The bridge has a fault: report it."""


class TransientInternalError(TransientError):
    """Other work of the bridge is in the way; only if it lasts is it a fault."""


class RowsUnaccounted(InternalError, code="rows-unaccounted"):
    """The rows of {what} do not add up: {read} read, but {accounted} accounted for.

    Rule 5 of docs/why/rules.md: every row that is read is accounted for.
    """

    remedy = "Nothing was sent or loaded from it. This is a fault of the bridge: report it with the numbers."
    what: str
    read: int
    accounted: int


class BroadcastChangedMeanwhile(TransientInternalError, code="broadcast-changed-meanwhile"):
    """Broadcast {broadcast} was changed by another process between reading and writing it."""

    remedy = "The bridge checks it again automatically."
    broadcast: str


class LeaseLost(TransientInternalError, code="lease-lost"):
    """The lease {lease} was lost: it was not renewed in time, and another process may hold it now."""

    remedy = "The step stops here; the holder of the lease continues, or the bridge retries automatically."
    lease: str


class StepNeverEnds(InternalError, code="step-never-ends"):
    """The step {step} of {what} was begun {attempts} times and never ended: its process died, or lost its lease."""

    remedy = (
        "Find out from the log of the host what ended the processes, such as a lack of memory. A broadcast that has "
        "failed was sent to nobody: run `bridge broadcast retry`. One that needs an operator is settled by "
        "`bridge broadcast resolve`. A response file is loaded again by `bridge responses replay`."
    )
    step: str
    what: str
    attempts: int


class UploadUnrecorded(InternalError, code="upload-unrecorded"):
    """Broadcast {broadcast} is {state}, but the ledger has no record of its upload."""

    remedy = (
        "Check in Optimizely Campaign whether it was sent. If it was, run `bridge broadcast resolve {broadcast} "
        "--started`, otherwise `bridge broadcast resolve {broadcast} --not-started`."
    )
    broadcast: str
    state: str


class ErasureBusy(TransientInternalError, code="erasure-busy"):
    """The person cannot be erased yet, because another process works on {what}."""

    remedy = "Run `bridge erase` again; it continues where it stopped."
    what: str


class TestSendBusy(TransientInternalError, code="test-send-busy"):
    """The test send is still under way: an earlier try of the same click has not been answered yet."""

    __test__ = False  # for pytest, which takes the name for a test class

    remedy = "The script retries automatically and then gets the first result."


class ResponseFileBusy(TransientInternalError, code="response-file-busy"):
    """The response file {file} is being gathered, loaded or delivered to FERG by another process."""

    remedy = "Try again in a minute."
    file: str


class SuppressionsIncomplete(TransientInternalError, code="suppressions-incomplete"):
    """The channel {channel!r} removes suppressed recipients, but they are not fully synced from Optimizely yet."""

    remedy = (
        "draw_suppressions syncs them and the bridge retries automatically; if the error lasts, see its last error."
    )
    channel: str


class StagedFileMissing(TransientInternalError, code="staged-file-missing"):
    """The staged file {blob} is missing."""

    remedy = "The bridge stages it again from its source automatically."
    blob: str


class UnexpectedError(TransientInternalError, code="unexpected-error"):
    """The step {step} ended with an unexpected {kind}."""

    remedy = (
        "It is retried a few times automatically; if it fails for good, report it with the log, which has a traceback."
    )
    step: str
    kind: str
