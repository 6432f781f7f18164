"""Who gets in, who may act, and what another site in the same browser cannot do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from console.dashboard.access import COOKIE, Access
from console.dashboard.app import build_app
from mcp_server.security.auth import APPROVE, OPERATE, READ, add_token
from tests.unit.console.dashboard.conftest import ACT
from tests.worlds.page_plant import ZONE
from tests.worlds.plant_loop import Loop, acts_of
from vpp.errors import ConfigError, RefusedError
from vpp.os_user import os_user
from vpp.settings import Settings

HOLD = {"zone": ZONE, "reason": "a test of rights"}
WISH = {"zone": ZONE, "asset_ids": ["bat"], "power_mw": 1.0, "reason": "a test of rights"}


def with_page(settings: Settings, **page: Any) -> Settings:
    return settings.model_copy(update={"page": settings.page.model_copy(update=page)})


def browser(loop: Loop, address: str = "127.0.0.1", host: str = "127.0.0.1:8050", **page: Any) -> httpx.AsyncClient:
    app = build_app(with_page(loop.settings, **page), loop.store, acts=acts_of(loop))
    transport = httpx.ASGITransport(app=app, client=(address, 40000))
    return httpx.AsyncClient(transport=transport, base_url=f"http://{host}")


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A token file with a reader, an operator and an approver."""
    path = tmp_path / "tokens.json"
    scopes = {"ann": (READ,), "bob": (OPERATE,), "eve": (OPERATE, APPROVE)}
    return path, {name: add_token(path, name, given) for name, given in scopes.items()}


async def log_in(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/login", json={"token": token}, headers=ACT)


async def test_on_loopback_this_machines_user_needs_no_login_and_may_act(loop: Loop) -> None:
    async with browser(loop) as client:
        me = (await client.get("/page/me")).json()
        assert (me["way"], me["may_operate"], me["may_approve"]) == ("local", True, True)
        assert (await client.post("/page/hold", json=HOLD, headers=ACT)).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="a form of another site"),
        pytest.param({**ACT, "origin": "http://evil.example"}, id="another origin"),
        pytest.param({**ACT, "sec-fetch-site": "cross-site"}, id="the browser says so"),
    ],
)
async def test_a_write_from_another_site_is_turned_away(loop: Loop, headers: dict[str, str]) -> None:
    async with browser(loop) as client:
        answer = await client.post("/page/hold", json=HOLD, headers=headers)
    assert (answer.status_code, loop.orders()) == (403, [])


async def test_a_write_that_is_no_json_is_refused(loop: Loop) -> None:
    async with browser(loop) as client:
        answer = await client.post("/page/hold", content="zone=Z", headers={**ACT, "content-type": "text/plain"})
        long = await client.post(
            "/page/hold", content=b'{"a":"' + b"x" * 20_000 + b'"}', headers={**ACT, "content-type": "application/json"}
        )
    assert (answer.status_code, long.status_code, loop.orders()) == (409, 409, [])


async def test_a_rebound_name_is_not_served(loop: Loop) -> None:
    async with browser(loop, host="evil.example") as client:
        assert (await client.get("/page/me")).status_code == 421
    async with browser(loop, host="grid.example:8050", allowed_hosts="grid.example") as client:
        assert (await client.get("/page/me")).status_code == 200


@pytest.mark.parametrize(
    ("host", "code"),
    [
        ("[::1]:8050", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:8050@evil", 400),
        ("evil@127.0.0.1:8050", 400),
        ("localhost.", 400),
        ("localhost:99999", 400),
        ("127.0.0.1.evil.example", 421),
    ],
)
async def test_a_host_is_read_strictly(loop: Loop, host: str, code: int) -> None:
    async with browser(loop) as client:
        assert (await client.get("/page/me", headers={"host": host})).status_code == code


async def test_nobody_is_who_a_setting_says(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "plant_manager")
    mcp = loop.settings.mcp.model_copy(update={"principal": "plant_manager"})
    monkeypatch.setattr(loop, "settings", loop.settings.model_copy(update={"mcp": mcp}))
    async with browser(loop) as client:
        assert (await client.get("/page/me")).json()["name"] == f"local:{os_user()}"


async def test_another_machine_gets_nothing_without_login(loop: Loop) -> None:
    async with browser(loop, address="10.0.0.9") as client:
        assert (await client.get("/page/screen")).status_code == 401
        assert (await client.get("/")).headers["location"] == "/login"
        assert (await client.get("/api/v1/overview")).status_code == 401
        assert (await client.get("/healthz")).text == "ok\n"


def test_it_does_not_listen_beyond_this_machine_without_knowing_who_calls(loop: Loop, tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match="without knowing who calls"):
        Access(with_page(loop.settings, host="0.0.0.0"))
    add_token(tmp_path / "t.json", "ann", (READ,))
    with pytest.raises(ConfigError, match="names that browsers call it by"):
        Access(with_page(loop.settings, host="0.0.0.0", tokens=tmp_path / "t.json"))


async def test_scopes_of_a_token_are_the_rights_of_its_session(loop: Loop, tokens: Any) -> None:
    path, given = tokens
    async with browser(loop, address="10.0.0.9", tokens=path) as client:
        assert (await log_in(client, "vpp_wrong")).status_code == 401
        made = await log_in(client, given["ann"])
        cookie = made.headers["set-cookie"]
        assert made.status_code == 204
        assert all(word in cookie for word in ("HttpOnly", "SameSite=strict", "Max-Age=43200"))
        assert (await client.get("/page/me")).json()["name"] == "ann"
        assert (await client.post("/page/propose", json=WISH, headers=ACT)).status_code == 409
        assert (await client.post("/page/hold", json=HOLD, headers=ACT)).status_code == 409
        await client.post("/logout", headers=ACT)
        assert (await client.get("/page/me")).status_code == 401
    assert loop.orders() == []


async def test_an_operator_proposes_and_an_approver_approves_each_under_their_name(loop: Loop, tokens: Any) -> None:
    path, given = tokens
    bob, eve = (browser(loop, address="10.0.0.9", tokens=path) for _ in range(2))
    async with bob, eve:
        await log_in(bob, given["bob"])
        await log_in(eve, given["eve"])
        plan_id = (await bob.post("/page/propose", json=WISH, headers=ACT)).json()["plan_id"]
        digest = (await eve.get("/page/preview", params={"zone": ZONE, "plan_id": plan_id})).json()["digest"]
        verdict = {"plan_id": plan_id, "digest": digest}
        assert (await bob.post("/page/approve", json=verdict, headers=ACT)).status_code == 409
        text = await eve.post("/page/approve", json=verdict, headers=ACT)
    assert text.json() == {"status": "approved", "text": "Approved. bob may send it now."}
    rows = loop.store.read("audit", columns=("action", "principal")).values
    assert sorted(rows) == [("plan:approve", "eve"), ("plan:propose", "bob")]


async def test_a_session_ends_by_time_and_with_its_token(loop: Loop, tokens: Any) -> None:
    path, given = tokens
    clock = [0.0]
    settings = with_page(loop.settings, tokens=path, session_h=1.0)
    access = Access(settings, now=lambda: clock[0])
    session = await access.log_in(given["eve"])
    assert session is not None
    request = request_with(session)
    assert (await access.person(request)) is not None
    path.write_text("[]")
    assert await access.person(request) is None
    add_token(path, "eve", (READ,))
    assert await access.person(request) is None, "a new token of the same name does not revive the session"
    clock[0] = 3601.0
    assert await access.person(request) is None


def request_with(session: str) -> Any:
    from starlette.requests import Request

    headers = [(b"cookie", f"{COOKIE}={session}".encode()), (b"host", b"127.0.0.1")]
    return Request(
        {
            "type": "http",
            "method": "GET",
            "path": "/",
            "query_string": b"",
            "headers": headers,
            "client": ("10.0.0.9", 1),
        }
    )


async def test_a_bearer_token_needs_no_page_and_carries_its_scopes(loop: Loop, tokens: Any) -> None:
    path, given = tokens
    async with browser(loop, address="10.0.0.9", tokens=path) as client:
        reader = {"authorization": f"Bearer {given['ann']}"}
        assert (await client.get("/api/v1/overview", headers=reader)).status_code == 200
        assert (await client.post("/page/hold", json=HOLD, headers=reader)).status_code == 409
        operator = {"authorization": f"Bearer {given['bob']}"}
        assert (await client.post("/page/hold", json=HOLD, headers=operator)).status_code == 200
        assert (await client.get("/api/v1/overview", headers={"authorization": "Bearer no"})).status_code == 401


async def test_a_proxy_is_believed_from_its_own_address_alone(loop: Loop) -> None:
    page = {"proxy_header": "X-Auth-User", "proxy_from": "10.0.0.2", "proxy_operators": "eve@grid.example"}
    async with browser(loop, address="10.0.0.2", **page) as client:
        reader = (await client.get("/page/me", headers={"x-auth-user": "ann@grid.example"})).json()
        operator = (await client.get("/page/me", headers={"x-auth-user": "eve@grid.example"})).json()
        nobody = await client.get("/page/me")
    assert (reader["way"], reader["may_operate"], operator["may_approve"]) == ("proxy", False, True)
    assert nobody.status_code == 401
    async with browser(loop, address="10.0.0.3", **page) as client:
        assert (await client.get("/page/me", headers={"x-auth-user": "eve@grid.example"})).status_code == 401


@pytest.mark.parametrize("names", [["eve@grid.example", "ann@grid.example"], ["eve@grid.example"] * 2, ["", "eve"]])
async def test_a_callers_own_header_beside_the_proxys_names_nobody(loop: Loop, names: list[str]) -> None:
    page = {"proxy_header": "X-Auth-User", "proxy_from": "10.0.0.2", "proxy_operators": "eve@grid.example"}
    async with browser(loop, address="10.0.0.2", **page) as client:
        answer = await client.get("/page/me", headers=[("x-auth-user", name) for name in names])
    assert answer.status_code == 401


async def test_every_answer_carries_the_policy_without_exceptions(loop: Loop) -> None:
    async with browser(loop) as client:
        for path in ("/", "/static/js/main.js", "/api/v1/overview", "/nothing"):
            policy = (await client.get(path)).headers["content-security-policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
