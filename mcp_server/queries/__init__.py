"""Queries of the MCP server: one module for each kind of question."""
