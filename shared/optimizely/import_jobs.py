"""The import jobs of recipient lists: whether Optimizely Campaign has them under the names that the channels expect."""

from collections.abc import Collection

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


def require_job(rest: OptimizelyRest, name: str) -> None:
    """Make sure that a scheduled job of this name exists.

    Raises:
        ImportJobUnknown: none does.
        ScheduledJobsHidden: see `get_job_names`.
    """
    if name not in get_job_names(rest):
        raise ImportJobUnknown(job=name)
