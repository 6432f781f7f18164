"""Authentication and the log of calls."""
