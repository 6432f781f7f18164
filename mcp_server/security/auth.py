"""Authentication over HTTP: token hashes of a small site, or JSON web tokens of an organisation's issuer."""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import re
import secrets
from pathlib import Path

from fastmcp.server.auth import AccessToken, AuthProvider, MultiAuth, RemoteAuthProvider, TokenVerifier
from fastmcp.server.dependencies import get_access_token
from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, ValidationError

from mcp_server.security.strict_jwt import StrictJwt
from vpp.atomic_file import write_atomic
from vpp.errors import ConfigError, RefusedError
from vpp.os_user import os_user
from vpp.settings import Settings
from vpp.settings.faces import McpSettings, mcp_address

READ, OPERATE, APPROVE = "vpp:read", "vpp:operate", "vpp:approve"
SCOPES = (READ, OPERATE, APPROVE)


def principal_of(settings: Settings) -> str:
    """Return the principal of the call: the token's subject; over stdio the setting, else the user of the process."""
    token = get_access_token()
    if token is not None:
        return token.subject or token.client_id
    if settings.mcp.principal:
        return settings.mcp.principal
    return f"local:{os_user()}"


class TokenEntry(BaseModel):
    """One token: owner, scopes and SHA-256. The token itself is not stored.

    A name contains neither ``#`` nor ``:``; these mark principals of issuers and of this machine.
    """

    model_config = ConfigDict(extra="forbid")

    name: str = Field(pattern=r"^[\w.@-]{1,64}$")
    scopes: tuple[str, ...]
    sha256: str


class TokenHashes(TokenVerifier):
    """Verifies tokens against a file of hashes; a changed file is read again.

    Args:
        path: JSON list of ``TokenEntry``.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(required_scopes=[READ])
        self._path = path
        self._read: tuple[int, list[TokenEntry]] | None = None
        self.entries()

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return the access of a token, None if the token is unknown. The comparison takes constant time."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        match = None
        for entry in self.entries():
            if hmac.compare_digest(entry.sha256, digest):
                match = entry
        if match is None:
            return None
        return AccessToken(token=token, client_id=match.name, subject=match.name, scopes=list(match.scopes))

    def entries(self) -> list[TokenEntry]:
        """Return the entries of the current file."""
        changed = self._path.stat().st_mtime_ns if self._path.exists() else 0
        if self._read is None or self._read[0] != changed:
            self._read = changed, read_tokens(self._path)
        return self._read[1]


def read_tokens(path: Path) -> list[TokenEntry]:
    """Return the entries of a token file.

    Raises:
        ConfigError: The file is missing or damaged; then all callers are rejected.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return [TokenEntry.model_validate(entry) for entry in entries]
    except (OSError, ValueError, TypeError, ValidationError) as error:
        raise ConfigError(
            f"the token file {path} cannot be used: {type(error).__name__}",
            hint="make one with: python -m mcp_server token NAME --scope vpp:read",
        ) from error


def add_token(path: Path, name: str, scopes: tuple[str, ...]) -> str:
    """Make a token, store its hash in ``path`` and return the token, which cannot be read again.

    Raises:
        ConfigError: A scope is unknown, the name is not valid, or the file is damaged.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown or not scopes:
        raise ConfigError(f"unknown scope {', '.join(unknown) or '(none)'}", hint="one of " + ", ".join(SCOPES))
    if not re.fullmatch(r"[\w.@-]{1,64}", name):
        raise ConfigError(f"{name!r} is not a valid token name", hint="use letters, digits and . _ @ -, at most 64")
    entries = read_tokens(path) if path.exists() else []
    token = "vpp_" + secrets.token_urlsafe(32)
    # A principal that may act or approve must be able to read what it acts on.
    granted = tuple(scope for scope in SCOPES if scope in scopes or scope == READ)
    entry = TokenEntry(name=name, scopes=granted, sha256=hashlib.sha256(token.encode()).hexdigest())
    other_entries = [entry_.model_dump() for entry_ in entries if entry_.name != name]
    write_atomic(path, json.dumps([*other_entries, entry.model_dump()], indent=1) + "\n", mode=0o600)
    return token


def auth_of(settings: Settings) -> AuthProvider | None:
    """Return the verifier of callers over HTTP, None if none is configured.

    Raises:
        ConfigError: The token file or the issuer's settings are not valid.
    """
    mcp = settings.mcp
    verifiers: list[TokenVerifier] = []
    if mcp.tokens is not None:
        verifiers.append(TokenHashes(mcp.tokens))
    if mcp.jwks_uri is not None:
        if mcp.issuer is None or mcp.audience is None:
            raise ConfigError(
                "mcp.jwks_uri needs mcp.issuer and mcp.audience", hint="a token of any other service would pass"
            )
        jwt = StrictJwt(jwks_uri=mcp.jwks_uri, issuer=mcp.issuer, audience=mcp.audience, required_scopes=[READ])
        organisation = _with_metadata(jwt, mcp)
        if not verifiers:
            return organisation
        return MultiAuth(server=organisation, verifiers=verifiers, required_scopes=[READ])
    return verifiers[0] if verifiers else None


def _with_metadata(jwt: StrictJwt, mcp: McpSettings) -> AuthProvider:
    """Return the verifier of an issuer that also serves protected resource metadata (RFC 9728).

    The metadata is at ``/.well-known/oauth-protected-resource/mcp``; each response 401 refers to it.

    Raises:
        ConfigError: The URL of the issuer or of this server is not valid.
    """
    try:
        return RemoteAuthProvider(
            jwt,
            authorization_servers=[AnyHttpUrl(mcp.issuer or "")],
            base_url=mcp_address(mcp),
            scopes_supported=list(SCOPES),
            resource_name="SmartGrid-AI",
        )
    except ValidationError as error:
        raise ConfigError(
            "mcp.issuer and mcp.url must be addresses", hint="set VPP_MCP__ISSUER=https://..., as it is in its tokens"
        ) from error


def check_exposure(settings: Settings, auth: AuthProvider | None) -> None:
    """Refuse to listen on an address where others could reach tools without authentication.

    Raises:
        RefusedError: There is no authentication, and the address is not loopback or the profile is ``operate``.
    """
    mcp = settings.mcp
    if auth is not None:
        return
    if not is_loopback(mcp.host):
        raise RefusedError(
            f"will not listen on {mcp.host} without authentication",
            hint="set VPP_MCP__TOKENS or VPP_MCP__JWKS_URI, or listen on 127.0.0.1",
        )
    if mcp.profile == "operate":
        raise RefusedError(
            "the operate profile over HTTP needs authentication, also on loopback",
            hint="make a token (python -m mcp_server token NAME --scope vpp:operate) and set VPP_MCP__TOKENS",
        )


def is_loopback(host: str) -> bool:
    """Return whether a listening address is reachable only from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
