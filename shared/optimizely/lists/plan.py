"""How rows of a delivery file are written as rows of a list, or of an exported file."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from shared.config.header_names import loose_name
from shared.rejects import RejectReason


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list file."""

    name: str
    #: Position of its value: in a row of the delivery file, or after it for a constant.
    position: int
    #: Whether the list file must have it.
    mandatory: bool = True
    #: Converts a value to the form in which it is written, or to None if it does not fit; without a function, any
    #: text fits.
    convert: Callable[[str], str | None] | None = None
    #: Whether a row with an empty value is refused.
    required: bool = False


class ListPlan:
    """How rows of a delivery file are written as rows of a list. Created by `plan_columns` and by `plan_export`.

    Attributes:
        list_name: name of the list, for errors.
        columns: names of the columns that are written, in order: internal names of fields, and extra ones.
        address: position of the address among them.
        left_out: columns of the delivery file that are not written.
    """

    def __init__(
        self, written: Sequence[Column], *, constants: Sequence[str], address: int, list_name: str, left_out: list[str]
    ) -> None:
        self.list_name = list_name
        self.columns = tuple(column.name for column in written)
        self.address = address
        self.left_out = tuple(left_out)
        self._constants = tuple(constants)
        positions = [column.position for column in written]
        # For one position `itemgetter` returns the value itself; an exported file may have a single column.
        self._pick: Callable[[Sequence[str]], Sequence[str]] = (
            itemgetter(*positions) if len(positions) > 1 else itemgetter(slice(positions[0], positions[0] + 1))
        )
        self._checks = [
            (index, column.convert or str, column.required, column.name)
            for index, column in enumerate(written)
            if column.convert is not None or column.required
        ]

    def row(self, values: Sequence[str]) -> list[str] | RejectReason:
        """The values of one recipient in the form in which they are written, in the order of `columns`.

        Args:
            values: a valid row of the delivery file: one stripped value for each of its columns.

        Returns:
            The values; or why the list cannot hold them: `field-type`, `field-missing`. `refused_field` returns the
            field.
        """
        cells = self._cells(values)
        if self._checks and (refusal := self._convert(cells)):
            return refusal[0]
        return cells

    def refused_field(self, values: Sequence[str]) -> str | None:
        """Name of the first field for which `row` refuses the row; None if it accepts it."""
        refusal = self._convert(self._cells(values))
        return refusal and refusal[1]

    def _cells(self, values: Sequence[str]) -> list[str]:
        return list(self._pick((*values, *self._constants)))

    def _convert(self, cells: list[str]) -> tuple[RejectReason, str] | None:
        """Convert the values in place; if one does not fit, the reason and the field."""
        for index, convert, required, name in self._checks:
            written = convert(cells[index])
            if written is None:
                return RejectReason.FIELD_TYPE, name
            if required and not written:
                return RejectReason.FIELD_MISSING, name
            cells[index] = written
        return None


class ListRows(ABC):
    """Writes the rows of a list: `header`; `encode` for each row, `pack` for the accepted ones; `finish`."""

    def __init__(self, plan: ListPlan) -> None:
        self._plan = plan

    def header(self) -> bytes:
        """The bytes before the first row; they are packed like rows.

        Raises:
            ListFileColumnsWrong: the layout cannot express the name of a column.
        """
        return b""

    def encode(self, values: Sequence[str]) -> bytes | RejectReason:
        """The row for a valid row of the delivery file, as for `ListPlan.row`; or why it cannot be written."""
        cells = self._plan.row(values)
        return self._encoded(cells) if isinstance(cells, list) else cells

    @abstractmethod
    def _encoded(self, cells: Sequence[str]) -> bytes | RejectReason: ...

    def pack(self, rows: bytes) -> bytes:
        """The bytes to store for the header or rows, in order; may be empty and come with later ones."""
        return rows

    def finish(self) -> bytes:
        """The last bytes to store; call once, after the last row."""
        return b""


def find_position(columns: Sequence[str], name: str) -> int | None:
    """Position of the column with exactly this name, else of the first with the same loose name."""
    if name in columns:
        return columns.index(name)
    loose_names = [loose_name(column) for column in columns]
    return loose_names.index(loose_name(name)) if loose_name(name) in loose_names else None
