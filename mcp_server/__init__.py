"""The MCP server: the plant's tools for AI agents."""
