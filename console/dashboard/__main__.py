"""`python -m console.dashboard`: serves the page until SIGTERM; `vpp dashboard` and `vpp up` start it."""

from __future__ import annotations

import argparse
import logging
import sys

import uvicorn

from console.dashboard.app import build_app
from topologies.runtime.parent_watch import end_with_supervisor
from vpp.errors import VppError
from vpp.logs import set_up_logging
from vpp.settings import load_settings
from vpp.store import open_store

log = logging.getLogger(__name__)

DRAIN_S = 2


def main(arguments: list[str] | None = None) -> int:
    """Serve and return the exit code."""
    parser = argparse.ArgumentParser("console.dashboard", description="Serve the operator's page and the REST API.")
    parser.parse_args(arguments)
    try:
        settings = load_settings()
        set_up_logging(settings)
        end_with_supervisor()
        page = settings.page
        with open_store(settings, read_only=True) as store:
            config = uvicorn.Config(
                build_app(settings, store),
                host=page.host,
                port=page.port,
                log_config=None,
                access_log=False,
                timeout_graceful_shutdown=DRAIN_S,
                server_header=False,
                proxy_headers=False,
                lifespan="on",
            )
            log.info("serving the page host=%s port=%s store=%s", page.host, page.port, settings.store.kind)
            uvicorn.Server(config).run()
    except VppError as error:
        sys.stderr.write(f"page: {error}\n" + (f"  next: {error.hint}\n" if error.hint else ""))
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
