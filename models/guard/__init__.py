"""The guard: evidence that a value cannot be believed, a verdict with a name, and what enters in its place."""
