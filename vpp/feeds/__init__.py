"""Live feeds: what public services answer, read into series with the time at which each value was published."""
