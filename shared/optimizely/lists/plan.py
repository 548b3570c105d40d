"""How rows of a delivery file become rows of a list, or of an exported file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter

from shared.config.header_names import loose_name
from shared.rejects import RejectReason


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the list file."""

    name: str
    #: Where its value stands: in a row of the delivery file, or behind it when every row has the same.
    position: int
    #: Whether the list file cannot do without it.
    needed: bool = True
    #: The value as it is written, None when it does not fit; no function where any text fits.
    fit: Callable[[str], str | None] | None = None
    #: Whether an empty value refuses a row.
    filled: bool = False


class ListPlan:
    """How rows of a delivery file become rows of a list. Made by `plan_columns` and by `plan_export`.

    Attributes:
        list_name: name of the list, for errors.
        columns: names of the columns that are written, in their order: internal names of fields, and the extra ones.
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
        # Of one position `itemgetter` gives the value itself; a list has two at the least, an exported file may not.
        self._pick: Callable[[Sequence[str]], Sequence[str]] = (
            itemgetter(*positions) if len(positions) > 1 else itemgetter(slice(positions[0], positions[0] + 1))
        )
        self._checks = [
            (index, column.fit or str, column.filled, column.name)
            for index, column in enumerate(written)
            if column.fit is not None or column.filled
        ]

    def row(self, values: Sequence[str]) -> list[str] | RejectReason:
        """The values of one recipient, as they are written, in the order of `columns`.

        Args:
            values: a good row of the delivery file: as many values as it has columns, without spaces around them.

        Returns:
            The values; or why the list cannot take them: `field-type`, `field-missing`. `refused_field` says which
            field.
        """
        cells = self._cells(values)
        if self._checks and (refused := self._refuse(cells)):
            return refused[0]
        return cells

    def refused_field(self, values: Sequence[str]) -> str | None:
        """Name of the first field for which `row` refuses the row; None when it does not."""
        refused = self._refuse(self._cells(values))
        return refused and refused[1]

    def _cells(self, values: Sequence[str]) -> list[str]:
        return list(self._pick((*values, *self._constants)))

    def _refuse(self, cells: list[str]) -> tuple[RejectReason, str] | None:
        """Why the row is refused and for which field; a row that is not gets its values as they are written."""
        for index, fit, filled, name in self._checks:
            written = fit(cells[index])
            if written is None:
                return RejectReason.FIELD_TYPE, name
            if filled and not written:
                return RejectReason.FIELD_MISSING, name
            cells[index] = written
        return None


def find_position(columns: Sequence[str], name: str) -> int | None:
    """Position of the column with exactly this name, else of the first with the same loose name."""
    if name in columns:
        return columns.index(name)
    loose_names = [loose_name(column) for column in columns]
    return loose_names.index(loose_name(name)) if loose_name(name) in loose_names else None
