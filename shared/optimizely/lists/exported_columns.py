"""Which columns of a delivery file an exported file has, and what they are called there."""

from collections.abc import Mapping, Sequence

from shared.errors import ListFileColumnsWrong, MappedColumnMissing
from shared.optimizely.lists.plan import Column, ListPlan, find_position


def plan_export(
    columns: Sequence[str], *, email: int, name: str, field_map: Mapping[str, str], order: Sequence[str]
) -> ListPlan:
    """Name the columns of a delivery file as the receiver of an exported file wants them.

    Args:
        columns: names of the columns of the delivery file.
        email: position of the address.
        name: what the file is called in errors.
        field_map: new name by column of the delivery file; the others keep theirs.
        order: the new names that are written, in their order; without it all, in the order of the delivery file.

    Returns:
        The plan. Values are written as they are.

    Raises:
        ListFileColumnsWrong: `order` names what there is not, or two columns would have one name.
        MappedColumnMissing: the delivery file lacks a column that the map names.
    """
    names = list(columns)
    for column, new in field_map.items():
        position = find_position(columns, column)
        if position is None:
            raise MappedColumnMissing(column=column, field=new)
        names[position] = new
    for wanted in order or names:
        if names.count(wanted) != 1:
            told = "two columns are" if wanted in names else "no column is"
            raise ListFileColumnsWrong(list=name, reason=f"{told} named {wanted}")
    written = [Column(wanted, names.index(wanted)) for wanted in order or names]
    return ListPlan(
        written,
        constants=(),
        address=next((place for place, column in enumerate(written) if column.position == email), 0),
        list_name=name,
        left_out=[column for column, new in zip(columns, names, strict=True) if new not in (order or names)],
    )
