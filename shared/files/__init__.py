"""What is true of any text file: locations, archives, rows, encodings."""
