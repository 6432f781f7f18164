"""Authentication, audit log and metrics of calls."""
