"""The specification of the schema map: everything that the bridge needs of each database."""

from typing import Final

from shared.faststats.schema_map.ps_db import PS_DB
from shared.faststats.schema_map.rs_db import RS_DB
from shared.faststats.schema_map.ws_db import WS_DB

DATABASES: Final = (WS_DB, RS_DB, PS_DB)
