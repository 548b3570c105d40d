"""Digests: by its bytes a file is known, whatever it is called and whenever it was changed (rule 10)."""

from hashlib import sha256
from typing import TYPE_CHECKING, Final

from shared.files.line_end import FileEnds

if TYPE_CHECKING:
    from _typeshed import SupportsRead

#: Bytes read at a time.
_BLOCK: Final = 256 * 1024


class DigestingReader:
    """Reads a stream piece by piece, and knows the SHA-256 of all of it.

    Attributes:
        size: bytes read so far.
        ends: what shows whether its last line has an end.
    """

    def __init__(self, stream: "SupportsRead[bytes]") -> None:
        self._stream = stream
        self._digest = sha256()
        self.size = 0
        self.ends = FileEnds()

    def read(self, size: int = -1, /) -> bytes:
        """At most this many bytes; all that are left if it is negative."""
        data = self._stream.read(size)
        self._digest.update(data)
        self.ends.add(data)
        self.size += len(data)
        return data

    def digest(self) -> bytes:
        """The 32 bytes of the digest; reads what is left of the stream."""
        while self.read(_BLOCK):
            pass
        return self._digest.digest()
