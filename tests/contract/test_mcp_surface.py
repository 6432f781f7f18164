"""The public contract of the MCP server: names, arguments and fields, short enough for every conversation to carry."""

import json
from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from mcp_server.actions.actions import Acts
from mcp_server.server import build_server
from tests.worlds.mcp_plant import empty_context
from topologies.control.plan_book import PlanBook

SNAPSHOT = Path(__file__).with_name("mcp_surface.json")
MAX_LIST_BYTES = 20 * 1024
MODES = ("auto", "legacy")


async def surface(folder: Path, mode: Any, *, acting: bool = True) -> dict[str, Any]:
    """All that a client may list, as JSON; with the acting tools, or as the reading profile has it."""
    context = empty_context(folder)
    acts = Acts(context, PlanBook(context.store, lambda *_: None)) if acting else None
    async with Client(build_server(context, acts), mode=mode) as client:
        listed = {
            "tools": await client.list_tools(),
            "resources": await client.list_resources(),
            "templates": await client.list_resource_templates(),
            "prompts": await client.list_prompts(),
        }
    return {
        name: [item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in items]
        for name, items in listed.items()
    }


def by_name(listed: dict[str, Any]) -> dict[str, Any]:
    """The items of a surface by list and name, so that a difference is shown with the item that has it."""
    return {f"{kind} {item['name']}": item for kind, items in listed.items() for item in items}


@pytest.mark.parametrize("mode", MODES)
async def test_the_surface_is_the_recorded_one(tmp_path: Path, mode: str) -> None:
    listed, recorded = await surface(tmp_path, mode), json.loads(SNAPSHOT.read_text(encoding="utf-8"))
    now, before = by_name(listed), by_name(recorded)
    changed = {name: (before.get(name), now.get(name)) for name in now | before if now.get(name) != before.get(name)}
    hint = "a change on purpose has a line in the changelog: python -m tests.contract.test_mcp_surface records it"
    assert not changed, f"{', '.join(changed)}: {hint}"
    assert listed == recorded, hint


async def test_the_list_of_tools_is_short(tmp_path: Path) -> None:
    tools = (await surface(tmp_path, "auto"))["tools"]
    assert len(json.dumps({"tools": tools}, separators=(",", ":")).encode()) <= MAX_LIST_BYTES


async def test_every_tool_says_what_it_may_do(tmp_path: Path) -> None:
    for tool in (await surface(tmp_path, "auto"))["tools"]:
        assert set(tool["annotations"]) == {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
        assert len(tool["name"]) < 40
        assert tool["description"]
        assert "as_of" in tool["outputSchema"]["properties"]


async def test_the_reading_profile_only_reads(tmp_path: Path) -> None:
    tools = (await surface(tmp_path, "auto", acting=False))["tools"]
    assert {tool["annotations"]["readOnlyHint"] for tool in tools} == {True}
    all_tools = {tool["name"]: tool["annotations"] for tool in (await surface(tmp_path, "auto"))["tools"]}
    assert {name for name, text in all_tools.items() if text["destructiveHint"]} == {"execute_plan", "set_policy"}
    assert {name for name, text in all_tools.items() if not text["readOnlyHint"]} == {
        "execute_plan",
        "set_policy",
        "propose_dispatch",
        "hold_fleet",
    }


if __name__ == "__main__":
    import asyncio
    import tempfile

    result = asyncio.run(surface(Path(tempfile.mkdtemp()), "auto"))
    SNAPSHOT.write_text(json.dumps(result, indent=1, sort_keys=True) + "\n", encoding="utf-8")
