"""Rows by the thousand into a staging table: the fastest road that there is, and proof that all of them arrived."""
