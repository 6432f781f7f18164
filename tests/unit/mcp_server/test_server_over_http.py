"""Who may do what over HTTP, and several servers behind one address: tokens, scopes, questions, plans."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client
from fastmcp.client.elicitation import ElicitResult
from fastmcp.utilities.tests import asgi_client

from mcp_server.security.auth import TokenHashes, add_token
from mcp_server.server import build_server
from tests.worlds.plant_loop import Loop, acts_of
from topologies.control.plan_book import PlanBook

KEY = b"k" * 32
WISH = {"asset_ids": ["bat"], "power_mw": 2.0, "duration_min": 60, "reason": "evening peak"}
MODES = ["auto", "legacy"]


def server_of(loop: Loop, auth: Any = None, key: bytes | None = None) -> Any:
    acts = acts_of(loop, key)
    return build_server(acts.context, acts, auth)


async def ask(client: Client[Any], tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] | None = (await client.call_tool(tool, arguments)).structured_content
    assert answer is not None
    return answer


async def says_yes(*_: Any) -> ElicitResult[Any]:
    return ElicitResult(action="accept", content={"approve": True})


async def legacy_says_yes(_message: str, kind: Any, *_: Any) -> ElicitResult[Any]:
    (name,) = kind.__dataclass_fields__
    return ElicitResult(action="accept", content={name: True})


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("scopes", "status"), [(("vpp:operate",), "needs_approval"), (("vpp:operate", "vpp:approve"), "accepted")]
)
async def test_approving_in_the_client_needs_its_own_scope(
    tmp_path: Path, mode: Any, scopes: tuple[str, ...], status: str
) -> None:
    loop, tokens = Loop(tmp_path, approval="elicit"), tmp_path / "tokens.json"
    headers = {"Authorization": f"Bearer {add_token(tokens, 'otto', scopes)}"}
    handler: Any = says_yes if mode == "auto" else legacy_says_yes
    given = {"headers": headers, "mode": mode, "elicitation_handler": handler}
    async with asgi_client(server_of(loop, TokenHashes(tokens)), **given) as client:
        plan = await ask(client, "propose_dispatch", WISH)
        receipt = await ask(client, "execute_plan", {"plan_id": plan["plan_id"]})
    assert receipt["status"] == status, receipt
    if status == "accepted":
        assert [order.approved_by for order in loop.orders()] == ["otto"]
    else:
        assert "may not approve" in receipt["reason"]
        assert loop.orders() == []


async def test_a_plan_belongs_to_its_principal(tmp_path: Path) -> None:
    loop, tokens = Loop(tmp_path), tmp_path / "tokens.json"
    otto, eve = ({"Authorization": f"Bearer {add_token(tokens, name, ('vpp:operate',))}"} for name in ("otto", "eve"))
    server = server_of(loop, TokenHashes(tokens))
    async with asgi_client(server, headers=otto) as client:
        plan = await ask(client, "propose_dispatch", WISH)
    PlanBook(loop.store, loop.post, None, loop.clock).approve(plan["plan_id"], "ann")
    async with asgi_client(server, headers=eve) as client:
        receipt = await ask(client, "execute_plan", {"plan_id": plan["plan_id"]})
    assert receipt["status"] == "refused"
    assert "proposed by otto" in receipt["reason"]
    assert loop.orders() == []


@pytest.mark.parametrize("shared", [True, False])
async def test_one_replica_asks_and_another_hears_the_answer(tmp_path: Path, shared: bool) -> None:
    """Only where they share the approval key: a question sealed by a stranger is none."""
    loop = Loop(tmp_path, approval="elicit", key=KEY if shared else None)
    first, second = server_of(loop, key=KEY if shared else None), server_of(loop, key=KEY if shared else None)
    async with Client(first) as one, Client(second) as other:
        plan = await ask(one, "propose_dispatch", WISH)
        arguments = {"plan_id": plan["plan_id"]}
        question = await one.session.call_tool("execute_plan", arguments, allow_input_required=True)
        answer = {
            "input_responses": {"approval": {"action": "accept", "content": {"approve": True}}},
            "request_state": question.request_state,
            "allow_input_required": True,
        }
        if shared:
            receipt = (await other.session.call_tool("execute_plan", arguments, **answer)).structured_content
            again = (await one.session.call_tool("execute_plan", arguments, **answer)).structured_content
            assert (receipt["status"], again["status"], len(loop.orders())) == ("accepted", "accepted", 1)
        else:
            with pytest.raises(Exception, match="requestState"):
                await other.session.call_tool("execute_plan", arguments, **answer)
            assert loop.orders() == []


async def test_a_sealed_question_answers_for_its_own_plan_only(tmp_path: Path) -> None:
    loop = Loop(tmp_path, approval="elicit", key=KEY)
    async with Client(server_of(loop, key=KEY)) as client:
        plans = [await ask(client, "propose_dispatch", WISH) for _ in range(2)]
        question = await client.session.call_tool(
            "execute_plan", {"plan_id": plans[0]["plan_id"]}, allow_input_required=True
        )
        with pytest.raises(Exception, match="requestState"):
            await client.session.call_tool(
                "execute_plan",
                {"plan_id": plans[1]["plan_id"]},
                input_responses={"approval": {"action": "accept", "content": {"approve": True}}},
                request_state=question.request_state,
                allow_input_required=True,
            )
    assert loop.orders() == []
