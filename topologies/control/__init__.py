"""Control of a running plant for command line and MCP server: plans, orders, promotions, topics."""
