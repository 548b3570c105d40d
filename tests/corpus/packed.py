"""Packed files: complete, truncated or damaged ones, bombs, archives of several files or of none."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Mapping

from tests.corpus.case import ANNA, BERT, CLEO, Case, loaded, refused, written

PLAIN = written(ANNA, BERT, CLEO)
#: Enough rows to read the first of them before damage at the end is found.
MANY = written(*(f"{number};K{number};Open;01.03.2026 12:30;" for number in range(20_000)))
#: Wide enough to be unpacked in several pieces.
WIDE = written(*(f"{number};K{number};Open;01.03.2026 12:30;{'Firefox ' * 80}" for number in range(1000)))
BROKEN, SEVERAL, TOO_LARGE = "response-file-packed-broken", "response-file-several", "response-file-too-large"
ENCRYPTED, OTHERWISE, LAYOUT_CODE = (
    "response-file-encrypted",
    "response-file-packed-otherwise",
    "response-file-layout",
)
#: The time within every zip file, so that its bytes do not change.
_DAY = (2026, 3, 1, 0, 0, 0)


def zipped(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED, comment: bytes = b"") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.comment = comment
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _DAY), content, compress_type=method)
    return file.getvalue()


def gzipped(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def changed(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def bomb(container: str) -> bytes:
    """A header, a row, and 64 MiB of one letter in some kilobytes."""
    packer = zlib.compressobj(9, wbits=31 if container == "gzip" else -15)
    begin = written(ANNA)
    packed = b"".join((packer.compress(begin), *(packer.compress(b"M" * 2**20) for _ in range(64)), packer.flush()))
    if container == "gzip":
        return packed
    # The stated size is small.
    return struct.pack("<4s5H3I2H", b"PK\3\4", 20, 0, 8, 0, 0, 0, len(packed), 100, 1, 0) + b"x" + packed


ONE = zipped({"Response1.csv": PLAIN})
DIRECTORY = ONE.rindex(b"PK\1\2")
GZIP = gzipped(PLAIN)

PACKED: dict[str, Case] = {
    "a gzip file": loaded(GZIP, 3, name="Response1.csv.gz"),
    "a zip file": loaded(ONE, 3, name="Response1.zip"),
    "a gzip file under the name of a plain one": loaded(GZIP, 3),
    "a plain file under the name of a zip file": loaded(PLAIN, 3, name="Response1.zip"),
    "a zip file that compresses nothing": loaded(zipped({"x.csv": PLAIN}, zipfile.ZIP_STORED), 3),
    "a zip file with a comment and a name with umlauts": loaded(zipped({"Übung/ä.csv": PLAIN}, comment=b"ours"), 3),
    "a zip file with padding": loaded(ONE + bytes(512), 3),
    "a gzip file with padding": loaded(GZIP + bytes(512), 3),
    "two gzip members, divided within a row": loaded(gzipped(PLAIN[:80]) + gzipped(PLAIN[80:]), 3),
    "a zip file that comes out in several pieces": Case(
        content=zipped({"Response1.csv": WIDE}), rows_read=1000, rows_good=1000
    ),
    "two gzip members, the first of which comes out in several pieces": Case(
        content=gzipped(WIDE) + gzipped(f"{ANNA}\n".encode()), rows_read=1001, rows_good=1001
    ),
    "two gzip members, each with a header": Case(
        content=gzipped(written(ANNA)) + gzipped(written(BERT)),
        rows_read=3,
        rows_good=2,
        rejects=((3, "date-invalid", "EventTriggeredDate"),),
        values=({"urn": "1"}, {"urn": "2"}),
    ),
    "a gzip file of UTF-16": loaded(gzipped("\ufeff".encode("utf-16-le") + PLAIN.decode().encode("utf-16-le")), 3),
    "a zip file whose content has rows that are refused": Case(
        content=zipped({"x.csv": written(ANNA, "2;K2", CLEO)}),
        rows_read=3,
        rows_good=2,
        rejects=((3, "wrong-field-count", ""),),
    ),
    "a gzip file that is cut off": refused(BROKEN, GZIP[:-20]),
    "a gzip file that is truncated after its content": refused(BROKEN, GZIP[:-4]),
    "a gzip file of 20,000 rows that is cut off at half": refused(BROKEN, gzipped(MANY)[: len(gzipped(MANY)) // 2]),
    "a gzip file with a wrong checksum": refused(BROKEN, changed(gzipped(MANY), len(gzipped(MANY)) - 8, bytes(4))),
    "a gzip file with a wrong size": refused(BROKEN, changed(GZIP, len(GZIP) - 4, b"\xff\xff\xff\x7f")),
    "a gzip file with damaged content": refused(BROKEN, changed(GZIP, 40, b"\xff" * 20)),
    "a gzip file followed by something else": refused(BROKEN, GZIP + b"more"),
    "nothing but the first bytes of a gzip file": refused(BROKEN, GZIP[:4]),
    "a zip file that is cut off within its content": refused(BROKEN, ONE[:80]),
    "a zip file that is cut off within its directory": refused(BROKEN, ONE[: DIRECTORY + 10]),
    "a zip file without a directory": refused(BROKEN, ONE[:DIRECTORY]),
    "a zip file with a wrong checksum": refused(BROKEN, changed(changed(ONE, DIRECTORY + 16, b"abcd"), 14, b"abcd")),
    "two concatenated zip files": refused(BROKEN, ONE * 2),
    "a zip file of two files": refused(SEVERAL, zipped({"a.csv": PLAIN, "b.csv": PLAIN})),
    "a zip file of a response file and a note": refused(SEVERAL, zipped({"a.csv": PLAIN, "read me.txt": b"Hello"})),
    "a zip file of a folder": refused(SEVERAL, zipped({"out/": b"", "out/a.csv": PLAIN})),
    "an empty zip file": refused(SEVERAL, zipped({})),
    "an encrypted zip file": refused(ENCRYPTED, changed(changed(ONE, 6, b"\x01"), DIRECTORY + 8, b"\x01")),
    "a zip file of another method": refused(OTHERWISE, zipped({"a.csv": PLAIN}, zipfile.ZIP_BZIP2)),
    "a gzip file of nothing": refused(LAYOUT_CODE, gzipped(b"")),
    "a zip file of an empty file": refused(LAYOUT_CODE, zipped({"a.csv": b""})),
    "a zip file in a zip file": refused(LAYOUT_CODE, zipped({"a.zip": ONE})),
    "a gzip file in a gzip file": refused(LAYOUT_CODE, gzipped(GZIP)),
    "a gzip file in a zip file": refused(LAYOUT_CODE, zipped({"a.gz": GZIP})),
    "a zip bomb": refused(TOO_LARGE, bomb("zip"), name="Response1.zip"),
    "a gzip bomb": refused(TOO_LARGE, bomb("gzip"), name="Response1.csv.gz"),
}
