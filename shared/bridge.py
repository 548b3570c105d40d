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
from shared.config.channels import Channels
from shared.config.settings import Settings
from shared.database.bulk.bulk_insert import BulkInsertSource
from shared.database.bulk.load import BulkLoad
from shared.database.connections import Database
from shared.errors import BridgeError
from shared.faststats.ferg_file import FergFiles
from shared.faststats.ps_db import PsDb
from shared.faststats.rs_db import RsDb
from shared.faststats.schema_map.check import SchemaCheck
from shared.faststats.schema_map.names import PsDbSchema, RsDbSchema, SchemaMap, WsDbSchema
from shared.faststats.ws_db import WsDb
from shared.files.locations import Location, Locations
from shared.files.only_mail import OnlyMail
from shared.files.settled_files import SettledFiles
from shared.ledger import Ledger
from shared.ledger.high_water_mark import HighWaterMark
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
from shared.sftp.sites import export_sites, optimizely_site
from shared.storage.account import blob_service, queue_service
from shared.storage.queues import Queues
from shared.storage.staging import Staging
from shared.telemetry import log


@dataclass(frozen=True, slots=True)
class Bridge:
    """Everything a step needs. Safe to share between threads."""

    settings: Settings
    clock: Clock
    channels: Channels

    # FastStats; what belongs to a database that the settings leave out is None
    ws_database: Database | None
    ws_db: WsDb | None
    ps_db: PsDb | None
    rs_database: Database
    rs_db: RsDb
    #: Compares RS_DB with the schema map; `ws_db` and `ps_db` have a check of their own.
    rs_check: SchemaCheck
    #: Loads rows into RS_DB.
    bulk: BulkLoad
    ledger: Ledger
    mark: HighWaterMark

    # Files; None where FERG_FILES is left out
    ferg_files: FergFiles | None
    locations: Locations
    #: Which dropped delivery files are complete.
    settled_files: SettledFiles
    #: Where FastStats writes.
    delivery_files: Location

    # The storage account
    lists: Staging
    rejects: Staging
    responses: Staging
    queues: Queues

    # Optimizely, and the ways there
    rest: OptimizelyRest
    names: Names
    site: SftpSite
    campaign: BroadcastCampaign
    routes: Mapping[RouteKind, Route[Any, Any]]

    @classmethod
    def from_settings(cls, settings: Settings, *, clock: Clock | None = None) -> Self:
        """Wire the bridge, by default with the clock of this machine; nothing is connected to yet.

        Raises:
            SettingsInvalid: a setting, or a file that the settings name, cannot be used.
        """
        clock = clock or SystemClock()
        channels = Channels.load(settings.channels_file)
        zone, schema_map = settings.database_time_zone, SchemaMap.load(settings.schema_map_file)
        rs_database = Database(settings.rs_db.get_secret_value(), "RS_DB")
        rs_schema = RsDbSchema(zone, schema_map)
        ws_database = _find_database(settings.ws_db, "WS_DB")
        ps_database = _find_database(settings.ps_db, "PS_DB")
        server, system = settings.bridge_name, settings.system_name
        ws_db = None
        if ws_database is not None:
            ws_db = WsDb(ws_database, WsDbSchema(zone, schema_map), server=server, system=system, clock=clock)
        blobs = blob_service(settings)
        lists = Staging(blobs, settings.staging_container)
        sites = export_sites(channels)
        locations = Locations(blobs, sites)
        rest, site = optimizely_rest(settings), optimizely_site(settings)
        ledger = Ledger.over(rs_database, lease_seconds=settings.lease_seconds, clock=clock)
        names = Names(rest, ledger.broadcasts, clock)
        return cls(
            settings=settings,
            clock=clock,
            channels=channels,
            ws_database=ws_database,
            ws_db=ws_db,
            ps_db=None if ps_database is None else PsDb(ps_database, PsDbSchema(zone, schema_map), clock=clock),
            rs_database=rs_database,
            rs_db=RsDb(rs_schema),
            rs_check=SchemaCheck(rs_database, rs_schema),
            bulk=_bulk_load(settings, rs_database, lists),
            ledger=ledger,
            mark=HighWaterMark(rs_database, lists, ledger.hold, name=settings.bridge_name, clock=clock),
            ferg_files=_find_ferg_files(settings, locations),
            locations=locations,
            settled_files=SettledFiles(clock),
            delivery_files=locations.get(settings.delivery_files),
            lists=lists,
            rejects=Staging(blobs, settings.rejects_container),
            responses=Staging(blobs, settings.responses_container),
            queues=Queues(queue_service(settings)),
            rest=rest,
            names=names,
            site=site,
            campaign=BroadcastCampaign(rest),
            routes={
                RouteKind.IMPORT_JOB: ImportJobRoute(rest, site, names, channels),
                RouteKind.CLOSED_LOOP: ClosedLoopRoute(rest, site, channels, ledger.broadcasts),
                RouteKind.SENDING_BATCH: SendingBatchRoute(rest, names, channels),
                RouteKind.EXPORT_FILE: ExportFileRoute(sites, channels),
            },
        )

    @classmethod
    def started(cls, settings: Settings) -> Self:
        """Wire the bridge for work, once in a process, and check that the ledger has the tables that this code needs.

        Raises:
            SchemaOutOfDate: the ledger lacks a migration.
            SchemaTooNew: the ledger has a migration that this code does not support.
        """
        bridge = cls.from_settings(settings)
        try:
            Schema(bridge.rs_database).check()
        except BridgeError:
            bridge.close()
            raise
        if bridge.test_installation:
            log.warning("%s", bridge.test_installation, extra={"action": "test-installation"})
        return bridge

    @property
    def only_mail(self) -> OnlyMail | None:
        """Whom a test installation mails; None: this is not one."""
        return None if self.settings.only_mail is None else OnlyMail.parse(self.settings.only_mail)

    @property
    def test_installation(self) -> str | None:
        """The sentence that every page and command of a test installation shows; None: this is not one."""
        only_mail = self.only_mail
        return None if only_mail is None else f"This is a test installation: it mails only the {only_mail}."

    def set_up(self) -> None:
        """Create the containers and the tables of the ledger that do not exist yet.

        The login needs the permission to change tables only if a migration is pending.
        """
        for container in (self.lists, self.rejects, self.responses):
            container.create_container()
        Schema(self.rs_database).migrate()

    def check_not_held(self) -> None:
        """Make sure, before something is started that no effect of a broadcast records, that nothing is held.

        Raises:
            Held: a hold is in force, or was placed now because the ledger is older than what was done with it.
            StorageUnavailable: whether it is older cannot be checked.
        """
        self.mark.sync()
        self.ledger.hold.check()

    def send_on(self, broadcast: Broadcast, delay: timedelta = timedelta()) -> None:
        """Queue the broadcast for the step that its state needs.

        The message names the version of the broadcast. Once the broadcast has changed, the message has no effect: of
        several messages, only the last one counts.
        """
        settings, before_upload = self.settings, broadcast.state in BEFORE_UPLOAD
        queue = settings.upload_list_queue if before_upload else settings.monitor_import_queue
        self.queues.send(queue, {"broadcast": broadcast.key, "version": broadcast.version}, delay=delay)

    def overdue_after(self, delay: timedelta = timedelta()) -> datetime:
        """When a message that is sent now with this delay counts as lost, so that the sweep sends another."""
        return self.clock.now() + delay + timedelta(seconds=self.settings.lease_seconds)

    def close(self) -> None:
        """Close every connection."""
        if self.ws_database is not None:
            self.ws_database.close()
        self.rs_database.close()
        if self.ps_db is not None:
            self.ps_db.database.close()


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


def _find_database(connection_string: SecretStr | None, name: str) -> Database | None:
    return None if connection_string is None else Database(connection_string.get_secret_value(), name)


def _bulk_load(settings: Settings, database: Database, container: Staging) -> BulkLoad:
    data_source = settings.bulk_insert_data_source
    source = None if data_source is None else BulkInsertSource(container, data_source)
    return BulkLoad(database, settings.bulk_load, source)


def _find_ferg_files(settings: Settings, locations: Locations) -> FergFiles | None:
    if settings.ferg_files is None:
        return None
    return FergFiles(
        locations.get(settings.ferg_files).write,
        delimiter=settings.ferg_delimiter,
        encloser=settings.ferg_encloser,
        date_format=settings.ferg_date_format,
        zone=settings.database_time_zone,
    )


def new_owner() -> str:
    """A name for one invocation, for leases and the history: host, process and a random part."""
    return f"{socket.gethostname()[:40]}/{os.getpid()}/{uuid.uuid4().hex[:8]}"
