"""The doctor: checks every part of an installation and changes nothing. A check that fails hides no other.

A check that needs another one to pass, such as the tables of a database that is not reachable, is left out.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final

from pydantic import SecretStr

from shared.bridge import optimizely_rest
from shared.broadcast import RouteKind
from shared.clock import SystemClock
from shared.config.channels import DEFAULT, Channel, Channels, Drop
from shared.config.settings import Settings
from shared.config.unfinished_names import is_unfinished
from shared.database.connections import Database
from shared.database.facts import Fact, facts_of_database, facts_of_table
from shared.errors import BridgeError, ImportJobUnknown
from shared.faststats.schema_map.check import SchemaCheck
from shared.faststats.schema_map.names import MappedSchema, PsDbSchema, RsDbSchema, SchemaMap, WsDbSchema
from shared.faststats.ws_db import longest_written
from shared.files.locations import Locations
from shared.files.only_mail import OnlyMail
from shared.ledger.holds import Holds
from shared.ledger.schema import Schema
from shared.ledger.unfinished_lines import count_unfinished
from shared.optimizely.import_jobs import get_job_names
from shared.rejects import RejectReason, hint
from shared.sftp.examination import examine_site
from shared.sftp.site import SftpSite
from shared.sftp.sites import export_sites, optimizely_site
from shared.storage.account import blob_service
from shared.storage.staging import Staging
from shared.telemetry import traceback_location


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found."""

    check: str
    ok: bool
    text: str


@dataclass(frozen=True, slots=True)
class Check:
    """One check of an installation."""

    name: str
    #: Returns what to say when the check passes; raises a `BridgeError` or `CheckFailedError` when it fails.
    run: Callable[[], str]
    #: Names of checks that have to pass first.
    requires: tuple[str, ...] = ()


class CheckFailedError(Exception):
    """A check failed with one or several findings, which are its arguments."""


def examine() -> Iterator[Finding]:
    """Run every check, in order."""
    try:
        settings = Settings.load()
    except BridgeError as error:
        yield Finding("settings", ok=False, text=error.sentence)
        return
    yield Finding("settings", ok=True, text=f"system {settings.system_name}")
    if settings.only_mail is not None:
        only_mail = OnlyMail.parse(settings.only_mail)
        yield Finding("test installation", ok=True, text=f"this is one: it mails only the {only_mail}")
    failed = set[str]()
    for checks in CHECKS.values():
        for check in checks(settings):
            if not failed.isdisjoint(check.requires):
                continue
            try:
                yield Finding(check.name, ok=True, text=check.run())
            except (BridgeError, CheckFailedError) as error:
                failed.add(check.name)
                texts = (error.sentence,) if isinstance(error, BridgeError) else error.args
                yield from (Finding(check.name, ok=False, text=text) for text in texts)
            except Exception as error:  # noqa: BLE001 - its text may carry anything
                failed.add(check.name)
                yield Finding(check.name, ok=False, text=f"unexpected {traceback_location(error)}")


# Channels


def _channels(settings: Settings) -> Iterator[Check]:
    yield Check("channels", lambda: ", ".join(_load_channels(settings)[0].names()))
    try:
        channels, sites = _load_channels(settings)
    except BridgeError:
        return  # reported by the check before
    for name, site in sites.items():
        written = {channel.export_file.folder for channel in _every(channels) if channel.export_file.site == name}
        yield Check(f"SFTP site {name}", partial(_examine_site, site, [], written))


def _load_channels(settings: Settings) -> tuple[Channels, Mapping[str, SftpSite]]:
    channels = Channels.load(settings.channels_file)
    return channels, export_sites(channels)


# Databases


def _databases(settings: Settings) -> Iterator[Check]:
    yield Check("schema map", partial(_load_schema_map, settings))
    yield from _mapped_database(settings, "WS_DB", settings.ws_db, WsDbSchema, longest_written(settings.bridge_name))
    yield from _mapped_database(settings, "RS_DB", settings.rs_db, RsDbSchema)
    yield Check("the bridge's tables", partial(_check_migrations, settings.rs_db), requires=("RS_DB",))
    yield Check("holds", partial(_check_holds, settings.rs_db), requires=("RS_DB", "the bridge's tables"))
    yield Check(
        "last lines", partial(_check_last_lines, settings), requires=("channels", "RS_DB", "the bridge's tables")
    )
    yield from _mapped_database(settings, "PS_DB", settings.ps_db, PsDbSchema)


def _mapped_database(
    settings: Settings,
    name: str,
    connection: SecretStr | None,
    schema: Callable[[str, SchemaMap], MappedSchema],
    longest: Mapping[str, int] | None = None,
) -> Iterator[Check]:
    if connection is None:
        yield Check(name, lambda: "not configured")
        return

    def connect() -> str:
        with _opened(connection, name) as database, database.reading():
            return "reachable"

    def compare() -> str:
        mapped = schema(settings.database_time_zone, SchemaMap.load(settings.schema_map_file))
        with _opened(connection, name) as database:
            differences = SchemaCheck(database, mapped, longest).differences()
        if differences:
            raise CheckFailedError(*(f"{difference}." for difference in differences))
        return "they match"

    yield Check(name, connect)
    yield Check(f"{name} and the schema map", compare, requires=(name, "schema map"))


def _load_schema_map(settings: Settings) -> str:
    SchemaMap.load(settings.schema_map_file)
    return str(settings.schema_map_file or "the default names")


def _check_migrations(connection: SecretStr) -> str:
    with _opened(connection, "RS_DB") as database:
        Schema(database).check()
    return "every migration is applied"


def _check_holds(connection: SecretStr) -> str:
    with _opened(connection, "RS_DB") as database:
        Holds(database, SystemClock()).check()
    return "nothing is held"


def _check_last_lines(settings: Settings) -> str:
    """Which layouts and channels have files whose last line has no end, of the last month."""
    channels, _ = _load_channels(settings)
    with _opened(settings.rs_db, "RS_DB") as database:
        layouts, of_channels = count_unfinished(database, since=SystemClock().now() - timedelta(days=30))
    strict = {
        f"layout {name}": count
        for name, count in layouts.items()
        if name in channels.responses and channels.responses[name].last_line == "must-end"
    } | {
        f"channel {name}": count
        for name, count in of_channels.items()
        if (channel := channels.find(name)) is not None and channel.delivery_file.last_line == "must-end"
    }
    found = ", ".join(f"{name} {count:,} times" for name, count in strict.items())
    return f"{found}: {hint(RejectReason.LINE_UNFINISHED)}" if found else "each has its end"


def _opened(connection: SecretStr, name: str) -> closing[Database]:
    return closing(Database(connection.get_secret_value(), name))


# Databases as their servers have them


def _database(settings: Settings) -> Iterator[Check]:
    """What can be read of each database, and what it means (docs/why/sql-server.md)."""
    for name, connection, schema in (("WS_DB", settings.ws_db, WsDbSchema), ("RS_DB", settings.rs_db, RsDbSchema)):
        if connection is not None:
            yield Check(f"database {name}", partial(_read_database, connection, name), requires=(name,))
            run = partial(_read_tables, settings, connection, name, schema)
            yield Check(f"tables of {name}", run, requires=(name, "schema map"))


def _read_database(connection: SecretStr, name: str) -> str:
    with _opened(connection, name) as database, database.reading() as open_one:
        return _said(facts_of_database(open_one))


def _read_tables(
    settings: Settings, connection: SecretStr, name: str, schema: Callable[[str, SchemaMap], MappedSchema]
) -> str:
    mapped = schema(settings.database_time_zone, SchemaMap.load(settings.schema_map_file))
    with _opened(connection, name) as database, database.reading() as open_one:
        facts = [
            fact
            for table in mapped.tables.values()
            for fact in facts_of_table(open_one, table, {column.name for column in table.c})
        ]
    return _said(facts) or "no triggers, views, synonyms or computed columns where the bridge writes"


def _said(facts: Iterable[Fact]) -> str:
    """What was read, if all of it is well.

    Raises:
        CheckFailedError: something of it is not.
    """
    every = list(facts)
    if wrong := [fact.text for fact in every if not fact.ok]:
        raise CheckFailedError(*(f"{text}." for text in wrong))
    return "; ".join(fact.text for fact in every)


# Storage


def _storage(settings: Settings) -> Iterator[Check]:
    account = "storage account"
    yield Check(account, partial(_open_account, settings))
    for name in (settings.staging_container, settings.rejects_container, settings.responses_container):
        yield Check(f"container {name}", partial(_find_container, settings, name), requires=(account,))
    try:
        channels, _ = _load_channels(settings)
    except BridgeError:
        return  # reported with the channels
    locations = {"delivery files": settings.delivery_files, "files for FERG": settings.ferg_files}
    drops: dict[str, Drop] = {}
    for name in channels.names():
        if (drop := channels[name].drop) is not None:
            locations[f"dropped files of channel {name}"] = drop.place
            drops[f"dropped files of channel {name}"] = drop
    for what, location in locations.items():
        if location is not None:
            yield Check(what, partial(_list_files, settings, location, drops.get(what)), requires=(account,))


def _open_account(settings: Settings) -> str:
    with blob_service(settings) as service:
        return str(service.account_name)


def _find_container(settings: Settings, name: str) -> str:
    with blob_service(settings) as service:
        if not Staging(service, name).exists():
            raise CheckFailedError("it does not exist: run `bridge setup`.")
    return "it exists"


def _list_files(settings: Settings, location: str, drop: Drop | None) -> str:
    """How many files there are; of those that may be dropped delivery files, which are not claimed, and why."""
    _, sites = _load_channels(settings)
    with blob_service(settings) as service:
        folder = Locations(service, sites).get(location)
        files = folder.list_files("*")
        text = f"{len(files):,} files in {location}"
        if drop is None:
            return text
        reasons = Counter(folder.ignored(drop.pattern).values())
        fitting = folder.list_files(drop.pattern)
    oldest = SystemClock().now() - timedelta(hours=drop.newest_hours)
    for file in fitting:
        if is_unfinished(file.name, settings.unfinished_names):
            reasons["its name says that it is still being written"] += 1
        elif file.modified < oldest:
            reasons[f"it was last changed more than {drop.newest_hours:g} hours ago"] += 1
    reasons[f"its name does not fit {drop.pattern}"] += len(files) - len(fitting)
    return "; ".join((text, *(f"{count:,} not claimed: {reason}" for reason, count in reasons.items() if count)))


# Optimizely


def _optimizely(settings: Settings) -> Iterator[Check]:
    yield Check("SFTP site", partial(_examine_optimizely_site, settings))
    yield Check("REST login", partial(_log_in_by_rest, settings))
    try:
        channels = _import_job_channels(settings)
    except BridgeError:
        return  # reported with the channels
    if channels:
        yield Check("import jobs", partial(_find_import_jobs, settings, channels), requires=("REST login",))


def _examine_optimizely_site(settings: Settings) -> str:
    written = set[str]()
    with suppress(BridgeError):  # reported with the channels
        for channel in _every(_load_channels(settings)[0]):
            folders = {
                RouteKind.IMPORT_JOB: channel.import_job.folder,
                RouteKind.CLOSED_LOOP: channel.closed_loop.folder,
            }
            written |= {folders[channel.route]} if channel.route in folders else set()
    return _examine_site(optimizely_site(settings), [settings.sftp_response_folder], written)


def _examine_site(site: SftpSite, read: Collection[str], written: Collection[str]) -> str:
    """What the site does not do is no failure: the next best safe way is taken."""
    gaps = examine_site(site, read=read, written=sorted(written))
    direct = [] if site.direct is None else ["files are uploaded under their own names (direct)"]
    known = ["the host key is the pinned one and the login is accepted", *(f"it {gap}" for gap in gaps), *direct]
    return "; ".join(known)


def _every(channels: Channels) -> list[Channel]:
    return [channels[name] for name in channels.names()]


def _log_in_by_rest(settings: Settings) -> str:
    with closing(optimizely_rest(settings)) as rest:
        rest.get_authenticated_user()
    return f"the API user is accepted for client {settings.optimizely_client_id}"


def _import_job_channels(settings: Settings) -> dict[str, Channel]:
    """The channels with this route; beside others, not the channel `default` that nobody has set up."""
    channels, _ = _load_channels(settings)
    every = {name: channels[name] for name in channels.names()}
    if len(every) > 1 and every[DEFAULT] == Channel():
        del every[DEFAULT]
    return {name: channel for name, channel in every.items() if channel.route is RouteKind.IMPORT_JOB}


def _find_import_jobs(settings: Settings, channels: Mapping[str, Channel]) -> str:
    """The import job of each channel: of the list for its dropped files, or else of any list."""
    with closing(optimizely_rest(settings)) as rest:
        jobs = get_job_names(rest)
        lists = [found.name for found in rest.select_recipient_lists()]
    missing = []
    for name, channel in channels.items():
        template = channel.import_job.job_name
        expected = {template.format(list=known) for known in ([channel.drop.list_name] if channel.drop else lists)}
        if expected.isdisjoint(jobs):
            job = expected.pop() if len(expected) == 1 else template
            missing.append(f"channel {name}: {ImportJobUnknown(job=job).sentence}")
    if missing:
        raise CheckFailedError(*missing)
    return f"{len(jobs)} scheduled jobs, among them those of the channels"


#: The checks by group, in the order in which they run.
CHECKS: Final[dict[str, Callable[[Settings], Iterator[Check]]]] = {
    "channels": _channels,
    "databases": _databases,
    "database": _database,
    "storage": _storage,
    "Optimizely": _optimizely,
}
