"""The autonomous MCP client and its brains."""
