"""Who gets in, and where the server refuses to listen."""

import json
from pathlib import Path
from typing import Any

import pytest

from mcp_server.access import TokenHashes, add_token, auth_of, check_exposure, is_loopback, read_tokens
from vpp.errors import ConfigError, RefusedError
from vpp.settings import Settings, load_settings


def settings(tmp_path: Path, **mcp: Any) -> Settings:
    return load_settings({"data_dir": tmp_path, "mcp": mcp})


async def test_a_token_opens_what_it_was_made_for(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token = add_token(path, "ann", ("vpp:operate",))
    found = await TokenHashes(path).verify_token(token)
    assert found is not None
    assert (found.subject, found.scopes) == ("ann", ["vpp:read", "vpp:operate"])
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
