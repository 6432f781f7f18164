"""The guard: evidence against a value, a named verdict, and the value that is used instead."""
