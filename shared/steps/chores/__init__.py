"""Chores: independent tasks of housekeeping. A chore that raises is logged and does not stop the others."""
