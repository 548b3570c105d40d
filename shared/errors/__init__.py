"""The error catalogue: what happened, what to do next, who must act, and whether a retry can help.

A class with a `code` is an entry; the classes above it are families. Control flow asks for classes or typed fields.

    BridgeError
    ├── TerminalError                         a retry cannot help
    │   ├── InputError                        the client's data: who made the broadcast or gave the command
    │   │   ├── AlreadySent
    │   │   ├── BroadcastUnknown
    │   │   ├── CampaignOfAnother
    │   │   ├── ChannelCallInvalid
    │   │   ├── ChannelUnknown
    │   │   ├── DeliveryDiffers
    │   │   ├── DeliveryEnded
    │   │   ├── ErasureUnclear
    │   │   ├── ErasureUnderWay
    │   │   ├── FileNameRefused
    │   │   ├── IllegalTransition
    │   │   ├── JobCommandInvalid
    │   │   ├── ListAmbiguous
    │   │   ├── ListUnknown
    │   │   ├── MappedColumnMissing
    │   │   ├── MessageAmbiguous
    │   │   ├── MessageNotTestable
    │   │   ├── MessageUnknown
    │   │   ├── NeverReleased
    │   │   ├── NoRecipients
    │   │   ├── OutsideSendTimes
    │   │   ├── RequiredFieldMissing
    │   │   ├── ResponseFileDiffers
    │   │   ├── ResponseFileNotKept
    │   │   ├── ResponseFileUnknown
    │   │   ├── SeedListMissing
    │   │   ├── SeedListUnfit
    │   │   ├── SendModeImpossible
    │   │   ├── StartTooLate
    │   │   ├── TestSendDiffers
    │   │   └── DeliveryFileError
    │   │       ├── ColumnMissing
    │   │       ├── DeliveryFileChanged
    │   │       ├── DeliveryFileColumnTwice
    │   │       ├── DeliveryFileEmpty
    │   │       ├── DeliveryFileEncrypted
    │   │       ├── DeliveryFileHeaderBroken
    │   │       ├── DeliveryFileLineEnds
    │   │       ├── DeliveryFileMissing
    │   │       ├── DeliveryFileNotText
    │   │       ├── DeliveryFilePackedBroken
    │   │       ├── DeliveryFilePackedOtherwise
    │   │       ├── DeliveryFileSeveral
    │   │       ├── DeliveryFileTooLarge
    │   │       └── DeliveryFileTooWide
    │   ├── InstallationError                 who runs the bridge: settings, permissions, schemas
    │   │   ├── BulkLoadClosed
    │   │   ├── CatalogueUnreadable
    │   │   ├── DatabaseAddressRefused
    │   │   ├── DatabaseLoginRefused
    │   │   ├── DatabaseMissing
    │   │   ├── DatabaseObjectMissing
    │   │   ├── DatabasePermissionDenied
    │   │   ├── DatabaseRuleBroken
    │   │   ├── DatabaseTextNotAscii
    │   │   ├── DatabaseValueTooLong
    │   │   ├── DropMissing
    │   │   ├── FieldMapAmbiguous
    │   │   ├── ImportJobUnknown
    │   │   ├── LedgerMarkMissing
    │   │   ├── LedgerOlder
    │   │   ├── LedgerOther
    │   │   ├── ListFieldUnknown
    │   │   ├── ListFileColumnsWrong
    │   │   ├── MigrationChanged
    │   │   ├── MigrationFailed
    │   │   ├── OdbcDriverMissing
    │   │   ├── OptimizelyLoginRefused
    │   │   ├── ScheduledJobsHidden
    │   │   ├── SchemaMapMismatch
    │   │   ├── SchemaOutOfDate
    │   │   ├── SchemaTooNew
    │   │   ├── SeedsNotAllowed
    │   │   ├── SettingsInvalid
    │   │   ├── SftpHostKeyRefused
    │   │   ├── SftpLoginRefused
    │   │   ├── SftpRefused
    │   │   ├── SftpRenameRefused
    │   │   └── TestInstallation
    │   ├── RemoteError                       the other side: Optimizely, SQL Server, storage
    │   │   ├── AlreadyStarted
    │   │   ├── BatchInvalid
    │   │   ├── CampaignNotStartable
    │   │   ├── CopyAmbiguous
    │   │   ├── CopyNotSeen
    │   │   ├── CopyPossible
    │   │   ├── CopyUnproven
    │   │   ├── ImportCountWrong
    │   │   ├── ImportNotSeen
    │   │   ├── ListChangedMeanwhile
    │   │   ├── ListFieldMissing
    │   │   ├── ListFileStillThere
    │   │   ├── ListFileTaken
    │   │   ├── OptimizelyConflict
    │   │   ├── OptimizelyRefused
    │   │   ├── SendNotSeen
    │   │   ├── SendOutcomeUnknown
    │   │   ├── SendStopped
    │   │   ├── SentShort
    │   │   ├── SftpAlgorithmsRefused
    │   │   ├── TestSendOutcomeUnknown
    │   │   ├── UploadOutcomeUnknown
    │   │   └── ResponseFileError
    │   │       ├── ResponseFileEncrypted
    │   │       ├── ResponseFileLayout
    │   │       ├── ResponseFileName
    │   │       ├── ResponseFilePackedBroken
    │   │       ├── ResponseFilePackedOtherwise
    │   │       ├── ResponseFileRefused
    │   │       ├── ResponseFileRows
    │   │       ├── ResponseFileSeveral
    │   │       ├── ResponseFileTooLarge
    │   │       └── ResponseFileVanished
    │   └── InternalError                     this code
    │       ├── RowsUnaccounted
    │       ├── StepNeverEnds
    │       └── UploadUnrecorded
    └── TransientError                        retried with growing pauses
        ├── TransientInstallationError        who runs the bridge, if it lasts
        │   ├── DatabaseTlsFailed
        │   ├── EntraTokenUnavailable
        │   ├── Held
        │   └── LocationUnavailable
        ├── TransientRemoteError              the other side, if it lasts
        │   ├── BulkLoadIncomplete
        │   ├── DatabaseFull
        │   ├── DatabaseUnavailable
        │   ├── ResponseFileChanged
        │   ├── ResponseFileSize
        │   ├── SftpTextInChannel
        │   ├── SftpUnavailable
        │   ├── StartUnsettled
        │   ├── StorageUnavailable
        │   └── OptimizelyNotAnswered
        │       ├── OptimizelyAnswerInvalid
        │       └── OptimizelyUnavailable
        └── TransientInternalError            this code, if it lasts
            ├── BroadcastChangedMeanwhile
            ├── ErasureBusy
            ├── LeaseLost
            ├── ResponseFileBusy
            ├── StagedFileMissing
            ├── SuppressionsIncomplete
            ├── TestSendBusy
            └── UnexpectedError

Fields are names, numbers and codes, never an address, a key of a person or a secret: errors are logged and written to
WS_DB. Errors of a library are mapped to this catalogue once, where the library is called.
"""

from collections.abc import Iterator

# Each module is a room of the catalogue: an entry is declared there, and nowhere listed again but in the tree above.
from shared.errors.base import *  # noqa: F403
from shared.errors.base import BridgeError, TerminalError, TransientError
from shared.errors.databases import *  # noqa: F403
from shared.errors.delivery_files import *  # noqa: F403
from shared.errors.input import *  # noqa: F403
from shared.errors.installation import *  # noqa: F403
from shared.errors.internal import *  # noqa: F403
from shared.errors.remote import *  # noqa: F403
from shared.errors.response_files import *  # noqa: F403


def catalogue() -> Iterator[type[BridgeError]]:
    """Every entry of the catalogue, terminal ones first, each kind by code."""
    for kind in (TerminalError, TransientError):
        yield from sorted(_entries(kind), key=lambda entry: entry.code)


def _entries(family: type[BridgeError]) -> Iterator[type[BridgeError]]:
    for subclass in family.__subclasses__():
        if "code" in vars(subclass):
            yield subclass
        yield from _entries(subclass)
