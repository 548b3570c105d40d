"""The table that a run of the matrix prints."""

from tests.matrix.cells import Results
from tests.matrix.faults import Fault


def table(results: Results, *, rows: int, scenarios: int) -> str:
    """Cells by boundary and fault, run or impossible; then the reasons, and the totals."""
    boundaries = sorted({boundary for boundary, _ in (*results.run, *results.impossible)})
    widths = [max(len(fault), 9) for fault in Fault]
    lines = [
        "",
        f"{'run/impossible':16}" + "  ".join(f"{fault:>{width}}" for fault, width in zip(Fault, widths, strict=True)),
    ]
    for boundary in boundaries:
        counts = (f"{results.run[boundary, fault]}/{results.impossible[boundary, fault]}" for fault in Fault)
        lines.append(
            f"{boundary:16}" + "  ".join(f"{text:>{width}}" for text, width in zip(counts, widths, strict=True))
        )
    run, impossible = results.run.total(), results.impossible.total()
    cells = f"{run} cells run, {impossible} impossible, {run + impossible} in all"
    ends = f"{len(results.wrong)} wrong, {len(results.beyond)} beyond, {results.decided} took an operator's decision"
    lines += [
        f"{rows} rows of the code's own list, {scenarios} scenarios: {cells}; {ends}.",
        "Impossible:",
        *(f"{count:6}  {reason}" for reason, count in results.reasons.most_common()),
    ]
    return "\n".join(lines)
