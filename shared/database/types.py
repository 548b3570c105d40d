"""Column types for aware times: kept as UTC, or as the local time of the database server."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from sqlalchemy import DateTime, Dialect, TypeDecorator
from sqlalchemy.dialects.mssql import DATETIME2
from sqlalchemy.types import TypeEngine


class _AwareDateTime(TypeDecorator[datetime]):
    """An aware time in a column without zone: whole milliseconds on SQL Server, microseconds in SQLite."""

    impl = DateTime
    cache_ok = True
    zone: str

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        """The column's type in this dialect."""
        if dialect.name == "mssql":
            return dialect.type_descriptor(DATETIME2(precision=3))  # type: ignore[no-untyped-call]  # theirs
        return dialect.type_descriptor(DateTime())

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """To the database."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without zone is not accepted")
        if dialect.name == "mssql":
            # The server would round, and compare what it kept with what it is asked for.
            value = value.replace(microsecond=value.microsecond // 1000 * 1000)
        return value.astimezone(ZoneInfo(self.zone)).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """From the database, as UTC. A local time that exists twice is read as the first."""
        del dialect
        return None if value is None else value.replace(tzinfo=ZoneInfo(self.zone)).astimezone(UTC)


class UtcDateTime(_AwareDateTime):
    """An aware time, kept as UTC without zone (DATETIME2 has none)."""

    cache_ok = True
    zone = "UTC"


class LocalDateTime(_AwareDateTime):
    """An aware time, kept as the local time of the database server, as FastStats keeps it."""

    cache_ok = True

    def __init__(self, zone: str) -> None:
        super().__init__()
        self.zone = zone
