"""Recipient lists: which columns go to which fields, and how lists are written and read."""
