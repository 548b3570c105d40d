"""The composition root: `Bridge.from_settings()` wires everything that a step needs."""

import os
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from pydantic import SecretStr

from shared.broadcast import BEFORE_UPLOAD, Broadcast, RouteKind
from shared.clock import Clock, SystemClock
from shared.config.channels import Channels, SftpSiteLogin
from shared.config.settings import REFERENCE_NOT_RESOLVED, Settings, is_reference
from shared.database.bulk.bulk_insert import BulkInsertSource
from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from shared.errors import BridgeError, SettingsInvalid
from shared.faststats.ferg_file import FergFiles
from shared.faststats.ps_db import PsDb
from shared.faststats.rs_db import RsDb
from shared.faststats.schema_map.check import SchemaCheck
from shared.faststats.schema_map.names import PsDbSchema, RsDbSchema, SchemaMap, WsDbSchema
from shared.faststats.ws_db import WsDb
from shared.files.locations import Location, Locations
from shared.files.settled_files import SettledFiles
from shared.ledger import Ledger
from shared.ledger.schema import Schema
from shared.optimizely.names import Names
from shared.optimizely.rest.client import OptimizelyRest
from shared.optimizely.rest.transport import RestTransport
from shared.routes.campaign import BroadcastCampaign
from shared.routes.closed_loop import ClosedLoopRoute
from shared.routes.export_file import ExportFileRoute
from shared.routes.import_job import ImportJobRoute
from shared.routes.route import Route
from shared.routes.sending_batch import SendingBatchRoute
from shared.sftp.site import SftpSite
from shared.storage.account import blob_service, queue_service
from shared.storage.queues import Queues
from shared.storage.staging import Staging


@dataclass(frozen=True, slots=True)
class Bridge:
    """Everything a step needs. Safe to share between threads."""

    settings: Settings
    clock: Clock
    channels: Channels
    #: None where the setting WS_DB is left out; likewise `ws_db`.
    ws_database: Database | None
    rs_database: Database
    bulk: BulkLoad
    ledger: Ledger
    ws_db: WsDb | None
    rs_db: RsDb
    #: None where FERG_FILES is left out.
    ferg_files: FergFiles | None
    #: Whether RS_DB is as the schema map says; `ws_db` and `ps_db` have a check of their own.
    rs_check: SchemaCheck
    #: None where the setting PS_DB is left out.
    ps_db: PsDb | None
    rest: OptimizelyRest
    names: Names
    campaign: BroadcastCampaign
    routes: Mapping[RouteKind, Route[Any, Any]]
    site: SftpSite
    locations: Locations
    #: Of dropped delivery files, by which one that is whole is told from one that somebody still writes.
    settled_files: SettledFiles
    #: Where FastStats writes.
    delivery_files: Location
    lists: Staging
    rejects: Staging
    responses: Staging
    queues: Queues

    @classmethod
    def from_settings(cls, settings: Settings, *, clock: Clock | None = None) -> Self:
        """Wire the bridge; nothing is connected to yet. Without a clock it goes by that of the machine."""
        clock = clock or SystemClock()
        ws_database = None if settings.ws_db is None else Database(settings.ws_db.get_secret_value(), "WS_DB")
        rs_database = Database(settings.rs_db.get_secret_value(), "RS_DB")
        ps_database = None if settings.ps_db is None else Database(settings.ps_db.get_secret_value(), "PS_DB")
        zone, schema_map = settings.database_time_zone, SchemaMap.load(settings.schema_map_file)
        rs_schema = RsDbSchema(zone, schema_map)
        blobs = blob_service(settings)
        lists = Staging(blobs, settings.staging_container)
        data_source = settings.bulk_insert_data_source
        site = optimizely_site(settings)
        channels = Channels.load(settings.channels_file)
        rest = optimizely_rest(settings)
        names = Names(rest, clock)
        sites = export_sites(channels)
        locations = Locations(blobs, sites)
        return cls(
            settings=settings,
            clock=clock,
            channels=channels,
            ws_database=ws_database,
            rs_database=rs_database,
            bulk=BulkLoad(
                rs_database,
                settings.bulk_load,
                None if data_source is None else BulkInsertSource(lists, data_source),
            ),
            ledger=Ledger.over(rs_database, lease_seconds=settings.lease_seconds, clock=clock),
            ws_db=None
            if ws_database is None
            else WsDb(
                ws_database,
                WsDbSchema(zone, schema_map),
                server=settings.bridge_name,
                system=settings.system_name,
                clock=clock,
            ),
            rs_db=RsDb(rs_schema),
            rs_check=SchemaCheck(rs_database, rs_schema),
            ps_db=None if ps_database is None else PsDb(ps_database, PsDbSchema(zone, schema_map), clock=clock),
            ferg_files=_ferg_files(settings, locations),
            rest=rest,
            names=names,
            campaign=BroadcastCampaign(rest),
            routes={
                RouteKind.IMPORT_JOB: ImportJobRoute(rest, site, names, channels),
                RouteKind.CLOSED_LOOP: ClosedLoopRoute(rest, site, channels),
                RouteKind.SENDING_BATCH: SendingBatchRoute(rest, names, channels),
                RouteKind.EXPORT_FILE: ExportFileRoute(sites, channels),
            },
            site=site,
            locations=locations,
            settled_files=SettledFiles(clock),
            delivery_files=locations.get(settings.delivery_files),
            lists=lists,
            rejects=Staging(blobs, settings.rejects_container),
            responses=Staging(blobs, settings.responses_container),
            queues=Queues(queue_service(settings)),
        )

    @classmethod
    def started(cls, settings: Settings) -> Self:
        """Wire the bridge for work, once in a process, and make sure that the tables of the ledger are this code's.

        Raises:
            SchemaOutOfDate: they lack a migration.
            SchemaTooNew: they have one that this code cannot work with.
        """
        bridge = cls.from_settings(settings)
        try:
            Schema(bridge.rs_database).check()
        except BridgeError:
            bridge.close()
            raise
        return bridge

    def set_up(self) -> None:
        """Create what the bridge itself owns and what is not there yet: containers and the tables of the ledger.

        The login needs the right to change the tables only where a migration is pending.
        """
        for container in (self.lists, self.rejects, self.responses):
            container.create_container()
        Schema(self.rs_database).migrate()

    def send_on(self, broadcast: Broadcast, delay: timedelta = timedelta()) -> None:
        """Put the broadcast on the queue of the step that its state needs.

        The message names the version it was sent for: once the broadcast has changed, it is worth nothing,
        so that of several messages of one broadcast only the last goes on.
        """
        queue = (
            self.settings.upload_list_queue if broadcast.state in BEFORE_UPLOAD else self.settings.monitor_import_queue
        )
        self.queues.send(queue, {"broadcast": broadcast.key, "version": broadcast.version}, delay=delay)

    def overdue_after(self, delay: timedelta = timedelta()) -> datetime:
        """When a message sent now with this delay counts as lost, so that the sweep sends another."""
        return self.clock.now() + delay + timedelta(seconds=self.settings.lease_seconds)

    def close(self) -> None:
        """Close every connection."""
        if self.ws_database is not None:
            self.ws_database.close()
        self.rs_database.close()
        if self.ps_db is not None:
            self.ps_db.database.close()


def optimizely_site(settings: Settings) -> SftpSite:
    """Optimizely's SFTP site; nothing is connected to yet.

    Raises:
        SettingsInvalid: the private key or the host keys cannot be read.
    """
    return SftpSite(
        host=settings.sftp_host,
        port=settings.sftp_port,
        user=settings.sftp_user,
        private_key=_secret(settings.sftp_private_key),
        passphrase=_secret(settings.sftp_private_key_passphrase),
        password=_secret(settings.sftp_password),
        host_keys=settings.sftp_host_keys,
    )


def optimizely_rest(settings: Settings) -> OptimizelyRest:
    """Optimizely's REST API; nothing is connected to yet."""
    transport = RestTransport(
        base_url=settings.optimizely_rest_url,
        client_id=settings.optimizely_client_id,
        user=settings.optimizely_api_user,
        password=settings.optimizely_api_password.get_secret_value(),
        connections=settings.optimizely_connections,
    )
    return OptimizelyRest(transport)


def export_sites(channels: Channels) -> dict[str, SftpSite]:
    """The SFTP sites of the channels file by name; nothing is connected to yet.

    Raises:
        SettingsInvalid: a secret that one needs is not there or cannot be read.
    """
    return {name: _site(name, login) for name, login in channels.sftp_sites.items()}


def _ferg_files(settings: Settings, locations: Locations) -> FergFiles | None:
    if settings.ferg_files is None:
        return None
    return FergFiles.with_parameters(
        locations.get(settings.ferg_files).write,
        delimiter=settings.ferg_delimiter,
        encloser=settings.ferg_encloser,
        date_format=settings.ferg_date_format,
        zone=settings.database_time_zone,
    )


def _site(name: str, login: SftpSiteLogin) -> SftpSite:
    """An SFTP site of the channels file, with the secrets that stand in the app settings which it names."""

    def secret(setting: str | None) -> str | None:
        if setting is not None and not os.environ.get(setting):
            raise SettingsInvalid(reason=f"[sftp_sites.{name}] names the app setting {setting}, which is not there")
        if setting is not None and is_reference(os.environ[setting]):
            raise SettingsInvalid(reason=f"{setting}: {REFERENCE_NOT_RESOLVED}")
        return setting and os.environ[setting]

    return SftpSite(
        host=login.host,
        port=login.port,
        user=login.user,
        private_key=secret(login.private_key),
        passphrase=secret(login.passphrase),
        password=secret(login.password),
        host_keys="\n".join(login.host_keys),
    )


def _secret(value: SecretStr | None) -> str | None:
    return None if value is None else value.get_secret_value()


def new_owner() -> str:
    """A name for one invocation, for leases and the history: host, process and a random part."""
    return f"{socket.gethostname()[:40]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
