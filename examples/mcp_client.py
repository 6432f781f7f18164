"""An MCP client: ``python examples/mcp_client.py DATA_DIR ZONE``.

Starts the plant's MCP server over stdio, asks for the overview and for the last decision, and prints both. An assistant
does the same with the command ``vpp mcp``.
"""

import asyncio
import os
import sys
from pathlib import Path

from fastmcp import Client
from fastmcp.client.transports import StdioTransport


async def main(data_dir: Path, zone: str) -> None:
    """Ask two questions."""
    environment = {**os.environ, "VPP_DATA_DIR": str(data_dir)}
    async with Client(StdioTransport(sys.executable, ["-m", "mcp_server"], env=environment)) as client:
        print("tools:", ", ".join(tool.name for tool in await client.list_tools()))
        overview = (await client.call_tool("get_overview", {"zone": zone})).structured_content
        print("as of:", overview["as_of"], "zones:", [each["zone"] for each in overview["zones"]])
        decision = (await client.call_tool("explain_decision", {"zone": zone})).structured_content
        for setpoint in decision["setpoints"]:
            print(f"{setpoint['asset_id']}: {setpoint['power_mw']:+.2f} MW, {setpoint['reason']}")


asyncio.run(main(Path(sys.argv[1]).absolute(), sys.argv[2]))
