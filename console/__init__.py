"""The face for people: command line and local runtime."""
