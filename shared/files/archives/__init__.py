"""Zip and gzip files, packed and unpacked as streams."""
