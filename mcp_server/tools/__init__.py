"""MCP tools and resources: signatures and the texts that a model reads."""
