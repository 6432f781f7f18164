"""Who gets in, and where the server refuses to listen."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastmcp.server.auth.providers.jwt import RSAKeyPair
from joserfc.jwk import RSAKey

from mcp_server.queries.context import ReadContext
from mcp_server.security.auth import SCOPES, TokenHashes, add_token, auth_of, check_exposure, is_loopback, read_tokens
from mcp_server.server import build_server
from tests.worlds.local_server import running_server
from tests.worlds.plant_loop import Loop
from vpp.errors import ConfigError, RefusedError
from vpp.settings import Settings, load_settings


def settings(tmp_path: Path, **mcp: Any) -> Settings:
    return load_settings({"data_dir": tmp_path, "mcp": mcp})


async def test_a_token_opens_what_it_was_made_for(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token = add_token(path, "ann", ("vpp:operate",))
    result = await TokenHashes(path).verify_token(token)
    assert result is not None
    assert (result.subject, result.scopes) == ("ann", ["vpp:read", "vpp:operate"])
    assert await TokenHashes(path).verify_token(token[:-1]) is None
    assert await TokenHashes(path).verify_token("") is None


def test_the_file_holds_no_token_and_only_its_owner_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token = add_token(path, "ann", ("vpp:read",))
    assert token not in path.read_text()
    assert path.stat().st_mode & 0o077 == 0


async def test_a_new_token_replaces_the_old_one_and_a_removed_one_is_out_at_once(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    verifier_token = add_token(path, "ann", ("vpp:read",))
    verifier = TokenHashes(path)
    assert await verifier.verify_token(verifier_token) is not None
    add_token(path, "bob", ("vpp:read",))
    newer = add_token(path, "ann", ("vpp:read",))
    assert [entry.name for entry in read_tokens(path)] == ["bob", "ann"]
    assert await verifier.verify_token(newer) is not None
    assert await verifier.verify_token(verifier_token) is None


def test_unknown_scopes_and_damaged_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    with pytest.raises(ConfigError, match="vpp:root"):
        add_token(path, "eve", ("vpp:root",))
    path.write_text('[{"name": "x"}]')
    with pytest.raises(ConfigError, match="cannot be used"):
        TokenHashes(path)
    with pytest.raises(ConfigError):
        auth_of(settings(tmp_path, tokens=tmp_path / "missing.json"))


def test_an_issuer_needs_an_audience(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="audience"):
        auth_of(settings(tmp_path, jwks_uri="https://issuer.example/keys"))
    assert auth_of(settings(tmp_path)) is None


async def test_tokens_of_an_issuer_pass_with_the_right_audience_and_scope(tmp_path: Path) -> None:
    pair, other = RSAKeyPair.generate(), RSAKeyPair.generate()
    key = {**RSAKey.import_key(pair.public_key).as_dict(), "kid": "k1", "alg": "RS256", "use": "sig"}
    with issuer({"keys": [key]}) as uri:
        given = settings(tmp_path, jwks_uri=uri, issuer="https://issuer.example", audience="vpp")
        verifier = auth_of(given)
        assert verifier is not None

        def token(signer: RSAKeyPair = pair, **claims: Any) -> str:
            fields = {"subject": "agent-7", "issuer": "https://issuer.example", "audience": "vpp", "kid": "k1"}
            return signer.create_token(**{**fields, "scopes": ["vpp:read", "vpp:operate"], **claims})

        result = await verifier.verify_token(token())
        assert result is not None
        assert set(result.scopes) == {"vpp:read", "vpp:operate"}
        assert result.subject == "https://issuer.example#agent-7"
        for wrong in (
            token(audience="mail"),
            token(issuer="https://evil.example"),
            token(scopes=["mail:read"]),
            token(expires_in_seconds=-60),
            token(signer=other),
        ):
            assert await verifier.verify_token(wrong) is None


@pytest.mark.parametrize("also_tokens", [False, True])
async def test_an_issuer_is_named_to_whoever_comes_without_a_token(tmp_path: Path, also_tokens: bool) -> None:
    loop = Loop(tmp_path)
    mcp: dict[str, Any] = {"jwks_uri": "https://issuer.example/keys", "audience": "vpp"}
    mcp |= {"issuer": "https://issuer.example"}
    if also_tokens:
        add_token(tmp_path / "tokens.json", "rita", ("vpp:read",))
        mcp["tokens"] = tmp_path / "tokens.json"
    auth = auth_of(settings(tmp_path, **mcp, url="https://vpp.example/"))
    app = build_server(ReadContext(loop.settings, loop.store), auth=auth).http_app()
    document = "https://vpp.example/.well-known/oauth-protected-resource/mcp"
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="https://vpp.example") as client:
        for headers in ({}, {"Authorization": "Bearer none"}, {"Authorization": "Basic cml0YTp4"}):
            refused = await client.post("/mcp", json={}, headers=headers)
            assert refused.status_code == 401
            challenge = refused.headers["www-authenticate"]
            assert challenge.startswith("Bearer ")
            assert f'resource_metadata="{document}"' in challenge
        answer = (await client.get(document)).json()
    assert answer["resource"] == "https://vpp.example/mcp"
    assert [server.rstrip("/") for server in answer["authorization_servers"]] == ["https://issuer.example"]
    assert set(answer["scopes_supported"]) == set(SCOPES)
    assert answer["bearer_methods_supported"] == ["header"]


@pytest.mark.parametrize("address", [{"issuer": "our-issuer"}, {"url": "vpp example"}])
def test_an_issuer_and_this_server_are_addresses(tmp_path: Path, address: dict[str, str]) -> None:
    mcp = {"jwks_uri": "https://issuer.example/keys", "issuer": "https://issuer.example", "audience": "vpp"}
    with pytest.raises(ConfigError, match="must be addresses"):
        auth_of(settings(tmp_path, **{**mcp, **address}))


@contextmanager
def issuer(keys: dict[str, Any]) -> Iterator[str]:
    """A web server on loopback that publishes keys."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(keys).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # name is the base class's
            pass

    with running_server(Handler) as port:
        yield f"http://127.0.0.1:{port}/keys"


@pytest.mark.parametrize(
    ("mcp", "message"),
    [
        pytest.param({"host": "0.0.0.0"}, "without authentication", id="all addresses"),
        pytest.param({"host": "10.1.2.3"}, "without authentication", id="an address"),
        pytest.param({"host": "plant.example"}, "without authentication", id="a name"),
        pytest.param({"profile": "operate"}, "also on loopback", id="acting on loopback"),
    ],
)
def test_without_authentication_it_stays_at_home_and_reads(tmp_path: Path, mcp: Any, message: str) -> None:
    with pytest.raises(RefusedError, match=message):
        check_exposure(settings(tmp_path, **mcp), None)


def test_reading_on_loopback_needs_no_token(tmp_path: Path) -> None:
    check_exposure(settings(tmp_path), None)
    assert [is_loopback(host) for host in ("127.0.0.1", "::1", "localhost", "127.9.9.9")] == [True] * 4


def test_with_tokens_it_may_listen_anywhere(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    add_token(path, "ann", ("vpp:read",))
    given = settings(tmp_path, host="0.0.0.0", tokens=path, profile="operate")
    check_exposure(given, auth_of(given))
    assert json.loads(path.read_text())[0]["name"] == "ann"
