"""Bulk loading: rows by the thousand into a staging table by the fastest method, and proof that all of them arrived."""
