"""The columns of an exported file: which ones of the delivery file, and under which names."""

from collections.abc import Mapping, Sequence

from shared.errors import ListFileColumnsWrong, MappedColumnMissing
from shared.optimizely.lists.plan import Column, ListPlan, find_position


def plan_export(
    columns: Sequence[str], *, email: int, name: str, field_map: Mapping[str, str], order: Sequence[str]
) -> ListPlan:
    """Select and rename the columns of a delivery file for the receiver of an exported file.

    Args:
        columns: names of the columns of the delivery file.
        email: position of the address.
        name: name of the file in errors.
        field_map: new name by column of the delivery file; the others keep their names.
        order: the new names that are written, in order; without it all, in the order of the delivery file.

    Returns:
        The plan. Values are written unchanged.

    Raises:
        ListFileColumnsWrong: `order` has a name of no column, or two columns would have the same name.
        MappedColumnMissing: the delivery file lacks a column that the map names.
    """
    names = list(columns)
    for column, new in field_map.items():
        position = find_position(columns, column)
        if position is None:
            raise MappedColumnMissing(column=column, field=new)
        names[position] = new
    for new in order or names:
        if names.count(new) != 1:
            count = "two columns are" if new in names else "no column is"
            raise ListFileColumnsWrong(list=name, reason=f"{count} named {new}")
    written = [Column(new, names.index(new)) for new in order or names]
    return ListPlan(
        written,
        constants=(),
        address=next((index for index, column in enumerate(written) if column.position == email), 0),
        list_name=name,
        left_out=[column for column, new in zip(columns, names, strict=True) if new not in (order or names)],
    )
