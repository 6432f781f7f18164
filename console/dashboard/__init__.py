"""The operator's page and the REST API: one process that reads the store and writes only orders and audit."""
