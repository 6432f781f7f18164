"""Stores of what a run makes: one protocol, SQLite and InfluxDB 2 behind it."""
