"""Access to the page: this machine's user, a token's owner, or a user that a proxy names; and their rights.

On loopback the user of this machine needs no login and may do what the command line may. Beyond it a person logs in
with a token (scopes as MCP's) and gets a session that expires; or a proxy in front has authenticated them with the
organisation and names them in a header, which is believed from that proxy's address alone.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from mcp_server.security.auth import APPROVE, OPERATE, READ, SCOPES, TokenHashes, is_loopback
from vpp.errors import ConfigError, RefusedError
from vpp.http_guard import host_name
from vpp.os_user import os_user
from vpp.settings import Settings

COOKIE = "vpp_session"
MAX_SESSIONS = 1000
REQUEST_HEADER = "x-vpp-request"
"""A page of another origin cannot send this header without asking first, and it is never allowed to."""

LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Person:
    """Who is asking. ``way``: ``local``, ``session``, ``token`` or ``proxy``."""

    name: str
    scopes: frozenset[str]
    way: str

    @property
    def may_operate(self) -> bool:
        """Whether proposals and holds are theirs to make."""
        return OPERATE in self.scopes

    @property
    def may_approve(self) -> bool:
        """Whether their approval counts."""
        return APPROVE in self.scopes


@dataclass(slots=True)
class _Session:
    digest: str
    ends_s: float


@dataclass
class Access:
    """Identifies the person behind a request.

    Args:
        settings: The settings of the page.
        now: Seconds that only run forward.

    Raises:
        ConfigError: The token file cannot be used.
        RefusedError: The page would listen beyond this machine without authentication.
    """

    settings: Settings
    now: Callable[[], float] = time.monotonic
    _sessions: dict[str, _Session] = field(default_factory=dict)
    _tokens: TokenHashes | None = None

    def __post_init__(self) -> None:
        page = self.settings.page
        if page.tokens is not None:
            self._tokens = TokenHashes(page.tokens)
        if is_loopback(page.host):
            return
        if self._tokens is None and not page.proxy_header:
            raise RefusedError(
                f"will not listen on {page.host} without knowing who calls",
                hint="set VPP_PAGE__TOKENS (made by `python -m mcp_server token`) or VPP_PAGE__PROXY_HEADER",
            )
        if not page.allowed_hosts:
            raise ConfigError(
                f"listening on {page.host} needs the names that browsers call it by",
                hint="set VPP_PAGE__ALLOWED_HOSTS",
            )

    @property
    def needs_login(self) -> bool:
        """Whether nobody gets in without a token or a proxy's word."""
        return self._tokens is not None or bool(self.settings.page.proxy_header)

    def host_is_ours(self, request: Request) -> bool:
        """Return whether the Host header names this page: a rebound name of a foreign page does not."""
        host = request.headers.get("host", "").lower()
        names = [*LOOPBACK_NAMES, *_names(self.settings.page.allowed_hosts.lower())]
        return host_name(host) in names or host in names

    async def person(self, request: Request) -> Person | None:
        """Return the person behind a request, None if unknown."""
        page = self.settings.page
        bearer = request.headers.get("authorization", "")
        if bearer.lower().startswith("bearer ") and self._tokens is not None:
            return await self._owner(bearer[7:].strip(), "token")
        if page.proxy_header:
            vouched = self._vouched(request)
            if vouched is not None:
                return vouched
        session = self._session(request.cookies.get(COOKIE, ""))
        if session is not None and self._tokens is not None:
            for entry in self._tokens.entries():
                if hmac.compare_digest(entry.sha256, session.digest):
                    return Person(entry.name, frozenset(entry.scopes), "session")
        if self.needs_login or not self._is_local(request):
            return None
        return Person(f"local:{os_user()}", frozenset(SCOPES), "local")

    async def log_in(self, token: str) -> str | None:
        """Return the id of a new session for a token's owner, None if it is nobody's token."""
        if self._tokens is None or await self._tokens.verify_token(token) is None:
            return None
        self._forget_old()
        name = secrets.token_urlsafe(32)
        ends_s = self.now() + self.settings.page.session_h * 3600
        self._sessions[name] = _Session(hashlib.sha256(token.encode()).hexdigest(), ends_s)
        return name

    def log_out(self, request: Request) -> None:
        """End the session of a request."""
        self._sessions.pop(request.cookies.get(COOKIE, ""), None)

    def comes_from_the_page(self, request: Request, person: Person) -> bool:
        """Return whether a write was made by our own page, and not by another site in the same browser.

        A token in the Authorization header is sent by no browser on its own, so it needs no further proof.
        """
        if person.way == "token":
            return True
        if request.headers.get(REQUEST_HEADER) != "page":
            return False
        if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            return False
        origin = request.headers.get("origin")
        return origin is None or origin.partition("://")[2] == request.headers.get("host", "")

    async def _owner(self, token: str, way: str) -> Person | None:
        entry = None if self._tokens is None else await self._tokens.verify_token(token)
        return None if entry is None else Person(entry.subject or entry.client_id, frozenset(entry.scopes), way)

    def _vouched(self, request: Request) -> Person | None:
        page = self.settings.page
        names = request.headers.getlist(page.proxy_header)
        # Of two, one was the caller's own: a proxy that adds its header behind it has vouched for neither.
        if len(names) != 1 or request.client is None or request.client.host not in _names(page.proxy_from):
            return None
        name = names[0].strip()[:80]
        if not name:
            return None
        scopes = SCOPES if name in _names(page.proxy_operators) else (READ,)
        return Person(name, frozenset(scopes), "proxy")

    def _session(self, name: str) -> _Session | None:
        session = self._sessions.get(name)
        if session is None or self.now() >= session.ends_s:
            self._sessions.pop(name, None)
            return None
        return session

    def _forget_old(self) -> None:
        now = self.now()
        for name in [name for name, session in self._sessions.items() if now >= session.ends_s]:
            del self._sessions[name]
        while len(self._sessions) >= MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]

    def _is_local(self, request: Request) -> bool:
        return request.client is None or is_loopback(request.client.host)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
