"""MCP tools and resources: their signatures and descriptions."""
