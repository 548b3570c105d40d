"""The table that a run of the matrix prints."""

from tests.matrix.cells import Results
from tests.matrix.ways import Way


def table(results: Results, *, rows: int, stories: int) -> str:
    """Cells by door and way, run or impossible; then the reasons, and the totals."""
    doors = sorted({door for door, _ in (*results.run, *results.impossible)})
    widths = [max(len(way), 9) for way in Way]
    lines = [
        "",
        f"{'run/impossible':16}" + "  ".join(f"{way:>{width}}" for way, width in zip(Way, widths, strict=True)),
    ]
    for door in doors:
        counts = (f"{results.run[door, way]}/{results.impossible[door, way]}" for way in Way)
        lines.append(f"{door:16}" + "  ".join(f"{text:>{width}}" for text, width in zip(counts, widths, strict=True)))
    run, impossible = results.run.total(), results.impossible.total()
    cells = f"{run} cells run, {impossible} impossible, {run + impossible} in all"
    ends = f"{len(results.wrong)} wrong, {len(results.beyond)} beyond, {results.decided} took an operator's decision"
    lines += [
        f"{rows} rows of the code's own list, {stories} stories: {cells}; {ends}.",
        "Impossible:",
        *(f"{count:6}  {reason}" for reason, count in results.reasons.most_common()),
    ]
    return "\n".join(lines)
