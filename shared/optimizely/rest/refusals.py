"""Refusals whose meaning depends on the operation."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

from shared.errors import OptimizelyLoginRefused, OptimizelyRefused, ScheduledJobsHidden


def exists(get: Callable[[], object]) -> bool:
    """Whether the object of a GET exists: one that does not, or was deleted, is refused with status 404."""
    try:
        get()
    except OptimizelyRefused as refused:
        if refused.status == HTTPStatus.NOT_FOUND:
            return False
        raise
    return True


@contextmanager
def jobs_refused() -> Iterator[None]:
    """Status 403 of the operations for scheduled jobs: the API user is accepted, the address is not."""
    try:
        yield
    except OptimizelyLoginRefused as error:
        if error.status != HTTPStatus.FORBIDDEN:
            raise
        raise ScheduledJobsHidden(reason=f"status {error.status}") from None
