"""Refusals whose meaning depends on the operation."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from shared.errors import OptimizelyLoginRefused, ScheduledJobsHidden


@contextmanager
def jobs_refused() -> Iterator[None]:
    """Status 403 of the operations for scheduled jobs: the API user is accepted, the address is not."""
    try:
        yield
    except OptimizelyLoginRefused as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        raise ScheduledJobsHidden(reason=f"status {error.status}") from None
