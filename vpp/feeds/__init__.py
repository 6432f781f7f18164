"""Live feeds: reads answers of public services into series with the publication time of each value."""
