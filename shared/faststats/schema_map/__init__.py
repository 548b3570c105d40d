"""The schema map: names in WS_DB, RS_DB and PS_DB, and the check against the real catalogue."""
