"""`python -m mcp_server`: the tools over stdio. Standard output carries the protocol and nothing else."""

from __future__ import annotations

import logging
import os
import sys

# Read by fastmcp when it is imported: no look-up of newer versions, no banner, plain logs.
os.environ.setdefault("FASTMCP_CHECK_FOR_UPDATES", "off")
os.environ.setdefault("FASTMCP_SHOW_SERVER_BANNER", "false")
os.environ.setdefault("FASTMCP_LOG_ENABLED", "false")

from mcp_server.desk import Desk
from mcp_server.server import build_server
from vpp.errors import VppError
from vpp.logs import set_up_logging
from vpp.settings import load_settings
from vpp.store import open_store

log = logging.getLogger(__name__)


def main() -> int:
    """Serve until the client closes standard input; return the exit code."""
    try:
        settings = load_settings()
        set_up_logging(settings)
        with open_store(settings, read_only=True) as store:
            server = build_server(Desk(settings, store))
            log.info("serving transport=stdio store=%s run=%s", settings.store.kind, settings.run or "default")
            server.run(transport="stdio", show_banner=False)
    except VppError as error:
        sys.stderr.write(f"mcp_server: {error}\n" + (f"  next: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
