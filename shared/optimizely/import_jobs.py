"""The import jobs of recipient lists: whether Optimizely Campaign has them under the names that the channels expect."""

from collections.abc import Collection, Iterable

from shared.errors import ImportJobUnknown, ScheduledJobsHidden
from shared.optimizely.rest.client import OptimizelyRest


def get_job_names(rest: OptimizelyRest) -> Collection[str]:
    """The names of all scheduled jobs; at least one.

    Raises:
        ScheduledJobsHidden: REST refuses them, or lists none. A client with an import job has at least that one.
    """
    names = {job.name for job in rest.select_all_configured_jobs()}
    if not names:
        raise ScheduledJobsHidden(reason="the list is empty")
    return names


def require_jobs(rest: OptimizelyRest, names: Iterable[str]) -> None:
    """Make sure that scheduled jobs of these names exist.

    Raises:
        ImportJobUnknown: one does not.
        ScheduledJobsHidden: see `get_job_names`.
    """
    present = get_job_names(rest)
    for name in names:
        if name not in present:
            raise ImportJobUnknown(job=name)
