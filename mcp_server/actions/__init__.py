"""The acts of the MCP server: propose, hold, execute, ask for approval."""
