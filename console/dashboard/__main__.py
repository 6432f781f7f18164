"""`python -m console.dashboard`: serves the page until SIGTERM; `vpp dashboard` and `vpp up` start it."""

from __future__ import annotations

import argparse
import errno
import logging
import socket
import sys

import uvicorn

from console.dashboard.app import build_app
from topologies.runtime.parent_watch import end_with_supervisor
from vpp.errors import UnreachableError, VppError, error_text
from vpp.http_guard import bounds
from vpp.logs import set_up_logging
from vpp.private_files import keep_private
from vpp.settings import load_settings
from vpp.settings.faces import page_address
from vpp.store import open_store

log = logging.getLogger(__name__)

DRAIN_S = 2
BACKLOG = 2048


class AnnouncedServer(uvicorn.Server):
    """A server that prints the address of the page to standard error once it answers, never before.

    Args:
        config: The application and its limits.
        address: Where people open the page.
    """

    def __init__(self, config: uvicorn.Config, address: str) -> None:
        super().__init__(config)
        self._address = address

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then print the address."""
        await super().startup(sockets)
        sys.stderr.write(f"page {self._address}; Ctrl-C ends it\n")
        sys.stderr.flush()


def listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens.

    Raises:
        UnreachableError: The port is in use, or the host is not of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        reason = "it is in use" if error.errno == errno.EADDRINUSE else error.strerror or str(error)
        hint = "give another with --host and --port, or VPP_PAGE__HOST and VPP_PAGE__PORT"
        raise UnreachableError(f"the page cannot listen on {host}:{port}: {reason}", hint=hint) from error


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
        with open_store(settings, read_only=True) as store, listener(page.host, page.port) as taken:
            port = taken.getsockname()[1]
            config = uvicorn.Config(
                build_app(settings, store),
                timeout_graceful_shutdown=DRAIN_S,
                lifespan="on",
                **bounds(),
            )
            log.info("serving the page host=%s port=%s store=%s", page.host, port, settings.store.kind)
            AnnouncedServer(config, page_address(page.model_copy(update={"port": port}))).run([taken])
    except VppError as error:
        sys.stderr.write(error_text("page", error) + "\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
