"""What command line and MCP server do to a running plant: plans, orders, promotions, topics."""
