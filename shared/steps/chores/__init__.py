"""Chores: what housekeeping calls, each by itself."""
