"""Response files of Optimizely Campaign: rows, dates, events."""
