"""The face for agents: the MCP tool server."""
