"""Text files in general: locations, archives, rows, encodings."""
