"""The list of a sending batch: recipients as JSON Lines when staged, and in chunks for the REST requests.

A recipient has the form of `PUT /sending/batches/{sendingBatchId}` (docs/why/sources.md, Optimizely 1.3):
`{"id": ..., "data": {field: value, ...}}`.
ASSUMPTION: every value is a string, as in the vendor's examples; and because a recipient has no address field there,
its id is the address, which is also in the data.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import batched
from json import JSONEncoder
from typing import Final, override

from shared.files.encodings import byte_lines
from shared.optimizely.lists.plan import ListRows
from shared.rejects import RejectReason

_JSON: Final = JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class JsonRows(ListRows):
    """The recipients of a sending batch, each a JSON object in UTF-8 and a line feed.

    Rows are refused as by `ListPlan.row`, and with `not-encodable` if a value is not Unicode text.
    """

    @override
    def _encoded(self, cells: Sequence[str]) -> bytes | RejectReason:
        data = dict(zip(self._plan.columns, cells, strict=True))
        try:
            return (_JSON.encode({"id": cells[self._plan.address], "data": data}) + "\n").encode()
        except UnicodeEncodeError:
            return RejectReason.NOT_ENCODABLE


def batch_chunks(content: Iterable[bytes], rows_per_chunk: int) -> Iterator[tuple[str, list[bytes]]]:
    """The recipients that `JsonRows` wrote, in chunks.

    Args:
        content: the file in pieces of any size.
        rows_per_chunk: recipients in a chunk; the last one has the rest.

    Yields:
        The name of a chunk (`rows-00000001-00001000`), which depends only on the file and `rows_per_chunk`, and its
        recipients, each a JSON object.
    """
    first = 1
    for chunk in batched(byte_lines(content), rows_per_chunk, strict=False):
        last = first + len(chunk) - 1
        yield f"rows-{first:08}-{last:08}", list(chunk)
        first = last + 1
