"""The last line of a file: without its end it may be half a line, of a file that is still being written (rule 11)."""

from shared.files.archives.unpack import SIGNATURE_BYTES, is_packed


class FileEnds:
    """The first and the last bytes of a file that is read piece by piece."""

    def __init__(self) -> None:
        self._first = b""
        self._last = b""

    def add(self, piece: bytes) -> None:
        """Note the next piece."""
        self._first = (self._first + piece[:SIGNATURE_BYTES])[:SIGNATURE_BYTES]
        self._last = (self._last + piece[-2:])[-2:]

    @property
    def last_line_ends(self) -> bool:
        """Whether its last line has an end, in UTF-8, UTF-16 and encodings of one byte. Archives confirm themselves."""
        return not self._last or is_packed(self._first) or self._last.rstrip(b"\0").endswith((b"\n", b"\r"))
