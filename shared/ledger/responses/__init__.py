"""Responses on their way into RS_DB: files, staged rows, matching, counts."""
