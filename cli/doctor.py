"""`bridge doctor`: what of the installation is well, and what is not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import typer
from azure.storage.blob import BlobServiceClient
from pydantic import SecretStr

from cli.wiring import SettingsFile, console, take_in
from shared.bridge import export_sites, optimizely_rest, optimizely_site
from shared.config.channels import Channels
from shared.config.settings import Settings
from shared.database.connections import Database
from shared.errors import BridgeError, SettingsInvalid
from shared.faststats.schema_map.check import SchemaCheck
from shared.faststats.schema_map.names import MappedSchema, PsDbSchema, RsDbSchema, SchemaMap, WsDbSchema
from shared.faststats.ws_db import longest_written
from shared.files.locations import Places
from shared.ledger.schema import Schema
from shared.sftp.site import SftpSite
from shared.storage.account import blob_service
from shared.storage.staging import Staging

#: One line: what was looked at, whether it is well, and what there is to say.
_Line = tuple[str, bool, str]


def doctor(settings: SettingsFile = None) -> None:
    """Say what of the installation is well and what is not: settings, databases, storage, Optimizely.

    Nothing is changed. Exit status: 0 when all is well, 1 when anything is not.
    """
    take_in(settings)
    ill = 0
    for what, is_well, told in _examine():
        ill += not is_well
        console.print(
            f"{'well ' if is_well else 'WRONG'}  {what}: {told}",
            style=None if is_well else "red",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
    raise typer.Exit(1 if ill else 0)


def _examine() -> Iterator[_Line]:
    try:
        settings = Settings.load()
    except SettingsInvalid as error:
        yield "settings", False, error.sentence
        return
    yield "settings", True, f"system {settings.system_name}"
    yield from _channels(settings)
    yield from _databases(settings)
    yield from _storage(settings)
    yield from _looked_at("SFTP site", lambda: _connect(optimizely_site(settings)))
    yield from _looked_at("REST login", partial(_log_in, settings))


def _channels(settings: Settings) -> Iterator[_Line]:
    try:
        channels = Channels.load(settings.channels_file)
        sites = export_sites(channels)
    except BridgeError as error:
        yield "channels", False, error.sentence
        return
    yield "channels", True, ", ".join(channels.names())
    for name, site in sites.items():
        yield from _looked_at(f"SFTP site {name}", partial(_connect, site))


@dataclass(frozen=True, slots=True)
class _Examined:
    name: str
    connection: str | None
    schema: Callable[[str, SchemaMap], MappedSchema]
    longest: dict[str, int]


def _databases(settings: Settings) -> Iterator[_Line]:
    names: SchemaMap | None = None
    try:
        names = SchemaMap.load(settings.schema_map_file)
    except BridgeError as error:
        yield "schema map", False, error.sentence
    else:
        yield "schema map", True, str(settings.schema_map_file or "the public names")
    for one in (
        _Examined("WS_DB", _secret(settings.ws_db), WsDbSchema, longest_written(settings.bridge_name)),
        _Examined("RS_DB", _secret(settings.rs_db), RsDbSchema, {}),
        _Examined("PS_DB", _secret(settings.ps_db), PsDbSchema, {}),
    ):
        if one.connection is None:
            yield one.name, True, "not in use"
        else:
            yield from _database(one, one.connection, settings.database_time_zone, names)


def _database(examined: _Examined, connection: str, zone: str, names: SchemaMap | None) -> Iterator[_Line]:
    try:
        database = Database(connection, examined.name)
    except BridgeError as error:
        yield examined.name, False, error.sentence
        return
    try:
        with database.reading():
            pass
        yield examined.name, True, "it answers"
        if names is not None:
            differences = SchemaCheck(database, examined.schema(zone, names), examined.longest).differences()
            for difference in differences:
                yield f"{examined.name} and the schema map", False, f"{difference}."
            if not differences:
                yield f"{examined.name} and the schema map", True, "they fit"
        if examined.name == "RS_DB":
            yield from _looked_at("the bridge's tables", partial(_check_tables, database))
    except BridgeError as error:
        yield examined.name, False, error.sentence
    finally:
        database.close()


def _check_tables(database: Database) -> str:
    Schema(database).check()
    return "every migration is applied"


def _storage(settings: Settings) -> Iterator[_Line]:
    try:
        service = blob_service(settings)
    except BridgeError as error:
        yield "storage account", False, error.sentence
        return
    with service:
        for name in (settings.staging_container, settings.rejects_container, settings.responses_container):
            try:
                there = Staging(service, name).exists()
            except BridgeError as error:
                yield f"container {name}", False, error.sentence
            else:
                yield f"container {name}", there, "it is there" if there else "it is not there: run `bridge setup`."
        yield from _places(settings, service)


def _places(settings: Settings, service: BlobServiceClient) -> Iterator[_Line]:
    """Where delivery files come from, and files for FERG go."""
    try:
        channels = Channels.load(settings.channels_file)
        places = Places(service, export_sites(channels))
    except BridgeError:
        return  # told with the channels
    wanted = {"delivery files": settings.delivery_files, "files for FERG": settings.ferg_files}
    for name in channels.names():
        if (drop := channels[name].drop) is not None:
            wanted[f"dropped files of channel {name}"] = drop.place
    for what, place in wanted.items():
        if place is not None:
            yield from _looked_at(what, partial(_list, places, place))


def _list(places: Places, place: str) -> str:
    return f"{len(places.of(place).files('*')):,} files are in {place}"


def _looked_at(what: str, look: Callable[[], str]) -> Iterator[_Line]:
    try:
        told = look()
    except BridgeError as error:
        yield what, False, error.sentence
    else:
        yield what, True, told


def _connect(site: SftpSite) -> str:
    with site.connect():
        return "the host key is the pinned one, the login is taken"


def _log_in(settings: Settings) -> str:
    rest = optimizely_rest(settings)
    try:
        rest.get_authenticated_user()
    finally:
        rest.close()
    return f"the API user is taken for client {settings.optimizely_client_id}"


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()
