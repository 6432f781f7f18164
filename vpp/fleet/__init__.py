"""The fleet file and the configuration that a zone has."""
