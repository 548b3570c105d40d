"""`bridge setup`."""

from cli.wiring import SettingsFile, console, opened_bridge


def setup(settings: SettingsFile = None) -> None:
    """Create what the bridge itself owns: its containers and the tables of its ledger. Safe to run again."""
    with opened_bridge(settings) as bridge:
        bridge.set_up()
    console.print("The bridge's containers and tables are there.")
