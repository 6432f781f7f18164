"""`python -m mcp_server`: serves the tools over stdio, or with ``--http`` over streamable HTTP.

Over stdio, standard output carries only the protocol.
"""

from __future__ import annotations

import argparse
import atexit
import logging
import os
import sys
from contextlib import suppress
from functools import partial

# fastmcp reads these on import: no check for newer versions, no banner, plain logs.
os.environ.setdefault("FASTMCP_CHECK_FOR_UPDATES", "off")
os.environ.setdefault("FASTMCP_SHOW_SERVER_BANNER", "false")
os.environ.setdefault("FASTMCP_LOG_ENABLED", "false")

from starlette.middleware import Middleware as ASGIMiddleware

from mcp_server.queries.context import ReadContext
from mcp_server.security.audit_log import InBackground
from mcp_server.security.auth import SCOPES, add_token, auth_of, check_exposure, is_loopback
from mcp_server.security.call_metrics import CallMetrics, CountDenials
from mcp_server.server import build_server
from vpp.errors import ConfigError, exit_on_error
from vpp.http_guard import StrictHost, bounds
from vpp.logs import set_up_logging
from vpp.private_files import keep_private
from vpp.settings import Settings, load_settings
from vpp.store import Store, open_store

log = logging.getLogger(__name__)


def main(arguments: list[str] | None = None) -> int:
    """Serve until the client disconnects or a signal arrives, or make a token; return the exit code."""
    args = _parser().parse_args(arguments)
    with exit_on_error("mcp_server"), suppress(KeyboardInterrupt):
        settings = load_settings()
        set_up_logging(settings)
        keep_private(settings.data_dir)
        if args.command == "token":
            return _make_token(settings, args.name, tuple(args.scope))
        with open_store(settings, read_only=True) as store:
            _serve(settings, store, over_http=args.http)
    return 0


def _serve(settings: Settings, store: Store, *, over_http: bool) -> None:
    mcp = settings.mcp
    context = ReadContext(settings, store)
    acts = record = None
    if mcp.profile == "operate":
        from mcp_server.actions.actions import (
            Acts,  # these load the solver and a Kafka client, which the reading profile does not need
        )
        from topologies.control.plan_book import PlanBook
        from topologies.control.publisher import Post

        post = Post(settings, "mcp")
        acts = Acts(context, PlanBook(store, post, settings.approval_secret, one_person=settings.one_person))
        record = InBackground(partial(post, "audit"))
        atexit.register(record.close)
    facts = f"profile={mcp.profile} store={settings.store.kind} run={settings.run or 'default'}"
    if not over_http:
        log.info("serving transport=stdio %s", facts)
        build_server(context, acts, record=record).run(transport="stdio", show_banner=False)
        return
    auth = auth_of(settings)
    check_exposure(settings, auth)
    if not is_loopback(mcp.host) and not mcp.allowed_hosts:
        raise ConfigError(
            f"listening on {mcp.host} needs the host names that clients use", hint="set VPP_MCP__ALLOWED_HOSTS"
        )
    log.info("serving transport=http host=%s port=%s auth=%s %s", mcp.host, mcp.port, auth is not None, facts)
    metrics = CallMetrics()
    build_server(context, acts, auth, record, metrics).run(
        transport="http",
        show_banner=False,
        host=mcp.host,
        port=mcp.port,
        host_origin_protection=True,
        allowed_hosts=_names(mcp.allowed_hosts) or None,
        allowed_origins=_names(mcp.allowed_origins) or None,
        stateless_http=True,
        middleware=[ASGIMiddleware(CountDenials, metrics=metrics), ASGIMiddleware(StrictHost)],
        uvicorn_config=bounds(),
    )


def _make_token(settings: Settings, name: str, scopes: tuple[str, ...]) -> int:
    path = settings.mcp.tokens or settings.data_dir / "mcp-tokens.json"
    token = add_token(path, name, scopes)
    sys.stderr.write(f"token of {name}, shown this once; its hash is in {path} (VPP_MCP__TOKENS)\n")
    sys.stdout.write(token + "\n")
    return 0


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("mcp_server", description="Serve the plant's tools over MCP.")
    parser.add_argument("--http", action="store_true", help="streamable HTTP on mcp.host and mcp.port, path /mcp")
    commands = parser.add_subparsers(dest="command")
    token = commands.add_parser("token", help="make a token for HTTP and store its hash")
    token.add_argument("name", help="owner of the token")
    token.add_argument("--scope", action="append", required=True, choices=SCOPES, help="may be repeated")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
