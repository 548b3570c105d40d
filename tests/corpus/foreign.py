"""Files of other formats with the name of a response file."""

import bz2
import codecs
import lzma
import struct
import zlib

from tests.corpus.case import Case, refused, written
from tests.corpus.packed import zipped

LAYOUT_CODE = "response-file-layout"


def png() -> bytes:
    """A picture of one pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">2I5B", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


PDF = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
XLSX = zipped(
    {
        "[Content_Types].xml": b"<Types/>",
        "_rels/.rels": b"<Relationships/>",
        "xl/workbook.xml": b"<workbook/>",
        "xl/worksheets/sheet1.xml": b"<worksheet/>",
    }
)
HTML = b"<!DOCTYPE html>\n<html><head><title>503 Service Unavailable</title></head>\n<body>Try later</body></html>\n"
JSON = b'[{"Urn": "1", "MessageType": "Open", "EventTriggeredDate": "01.03.2026 12:30"}]\n'
XML = b'<?xml version="1.0"?>\n<responses><response urn="1" type="Open"/></responses>\n'
LIST = b"Kunden ID\tEmail\tCommunication Key\tAnrede\n1\tanna@example.org\tK1\tFrau\n"
REJECTS = codecs.BOM_UTF8 + b'"Line","Reason","Column"\r\n"2","date-invalid","EventTriggeredDate"\r\n'
LISTING = b"total 4\n-rw-r--r-- 1 campaign campaign 120 Mar  1 12:30 Response1.csv\n"

FOREIGN: dict[str, Case] = {
    "a picture": refused(LAYOUT_CODE, png()),
    "a picture where the layout says windows-1252": refused(LAYOUT_CODE, png(), layout='encoding = "windows-1252"'),
    "a PDF file": refused(LAYOUT_CODE, PDF),
    "an Excel file": refused("response-file-several", XLSX, name="Response1.xlsx"),
    "an Excel file of old": refused(LAYOUT_CODE, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)),
    "a page of a web server that is down": refused(LAYOUT_CODE, HTML),
    "a file of JSON": refused(LAYOUT_CODE, JSON),
    "a file of XML": refused(LAYOUT_CODE, XML),
    "a list of recipients": refused(LAYOUT_CODE, LIST),
    "a list of recipients with semicolons": refused(LAYOUT_CODE, LIST.replace(b"\t", b";")),
    "a reject file of the bridge": refused(LAYOUT_CODE, REJECTS),
    "the listing of a folder": refused(LAYOUT_CODE, LISTING),
    "a file packed by bzip2": refused(LAYOUT_CODE, bz2.compress(written())),
    "a file packed by xz": refused(LAYOUT_CODE, lzma.compress(written())),
    "every byte there is, in its order": refused(LAYOUT_CODE, bytes(range(256)) * 4),
}
