"""`python -m console.dashboard`: serves the page until SIGTERM; `vpp dashboard` and `vpp up` start it."""

from __future__ import annotations

import argparse
import logging
import sys

import uvicorn

from console.dashboard.app import build_app
from topologies.runtime.parent_watch import end_with_supervisor
from vpp.errors import VppError, error_text
from vpp.http_guard import bounds
from vpp.logs import set_up_logging
from vpp.private_files import keep_private
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
        keep_private(settings.data_dir)
        end_with_supervisor()
        page = settings.page
        with open_store(settings, read_only=True) as store:
            config = uvicorn.Config(
                build_app(settings, store),
                host=page.host,
                port=page.port,
                timeout_graceful_shutdown=DRAIN_S,
                lifespan="on",
                **bounds(),
            )
            log.info("serving the page host=%s port=%s store=%s", page.host, page.port, settings.store.kind)
            uvicorn.Server(config).run()
    except VppError as error:
        sys.stderr.write(error_text("page", error) + "\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
