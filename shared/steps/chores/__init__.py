"""Chores: independent tasks of housekeeping."""
