"""The score of a session, by module, and its survivors."""

from collections import Counter
from pathlib import Path
from typing import Any

from cosmic_ray.work_item import WorkerOutcome


def report(session: Any, path: Path) -> float:
    """Print the score by module and write it with the survivors to `path`; the score in per cent."""
    results = dict(session.results)
    run, killed, survivors = Counter[str](), Counter[str](), []
    for item in session.work_items:
        (mutation,) = item.mutations
        result = results.get(item.job_id)
        if result is None or result.worker_outcome is not WorkerOutcome.NORMAL:
            continue
        module = str(mutation.module_path)
        run[module] += 1
        killed[module] += result.is_killed
        if not result.is_killed:
            place = f"{module}:{mutation.start_pos[0]}"
            survivors.append(f"- `{place}` {mutation.operator_name}: `{(result.diff or '').strip()}`")
    lines = [f"{killed[module]:>5} of {run[module]:>5}  {module}" for module in sorted(run)]
    score = 100 * killed.total() / max(run.total(), 1)
    lines.append(f"{killed.total()} of {run.total()} mutants are killed: {score:.1f} %.")
    path.write_text("\n".join([*lines, "", *sorted(survivors), ""]), encoding="utf-8")
    print("", *lines, f"The survivors are in {path}.", sep="\n")
    return score
