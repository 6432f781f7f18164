"""Asks a running plant the questions of docs/reference/mcp-answers.md through MCP and prints the answers as Markdown.

Start a plant first and leave it running, then: python -m scripts.worked_questions [--data-dir DIR] [--zone GB]
The answers are those of the server, with empty fields left out and long lists cut.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StdioTransport

ITEMS = 3
CHARS = 260
WIDTH = 116


def short(value: Any, *, items: int = ITEMS) -> Any:
    """Return a value without empty fields, with long lists and texts cut; each cut is marked."""
    if isinstance(value, dict):
        short_values = {name: short(inner, items=items) for name, inner in value.items()}
        return {name: inner for name, inner in short_values.items() if inner not in (None, [], {}, "")}
    if isinstance(value, list):
        more = [f"... {len(value) - items} more"] if len(value) > items else []
        return [short(inner, items=items) for inner in value[:items]] + more
    if isinstance(value, str) and len(value) > CHARS:
        return value[:CHARS] + "..."
    return value


def only(answer: dict[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    """Return the named fields that an answer has."""
    return {name: answer[name] for name in fields if name in answer}


def check_line(check: dict[str, Any]) -> str:
    """Return one check of a plan as a line."""
    clause = f" ({check['clause']}, {check['citation']})" if check.get("clause") else ""
    rule = f" The rule: {check['rule']}" if check.get("rule") else ""
    return f"{check['outcome']}: {check['detail']}{clause}.{rule}"


async def ask(client: Client[Any], title: str, tool: str, fields: Sequence[str], **arguments: Any) -> dict[str, Any]:
    """Ask one question, print it with the answer's fields and return the whole answer."""
    result = await client.call_tool(tool, arguments, raise_on_error=False)
    call = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
    answer: Any = result.structured_content or {"error": " ".join(getattr(b, "text", "") for b in result.content)}
    print(f"**{title}** `{tool}({call})`\n\n```json")
    excerpt = only(answer, fields) if "error" not in answer else answer
    checks = {"checks": [check_line(check) for check in excerpt["checks"]]} if "checks" in excerpt else {}
    print(pretty(short(excerpt) | checks, room=0))
    print("```\n")
    return dict(answer)


def pretty(value: Any, indent: int = 0, room: int = WIDTH) -> str:
    """Return JSON that stays on one line where it fits, and else opens one level."""
    flat = json.dumps(value, ensure_ascii=False)
    if len(flat) <= room or not isinstance(value, dict | list):
        return flat
    pad, deeper = " " * indent, " " * (indent + 1)
    if isinstance(value, dict):
        inner = [
            f"{json.dumps(name)}: {pretty(item, indent + 1, WIDTH - indent - len(name) - 5)}"
            for name, item in value.items()
        ]
        return "{\n" + ",\n".join(deeper + line for line in inner) + f"\n{pad}}}"
    inner = [pretty(item, indent + 1, WIDTH - indent - 2) for item in value]
    return "[\n" + ",\n".join(deeper + line for line in inner) + f"\n{pad}]"


async def questions(client: Client[Any], zone: str) -> None:
    """Ask all six."""
    now = await ask(
        client, "1. What is the plant doing?", "get_overview", ("as_of", "zones", "workers_running"), zone=zone
    )
    end = datetime.fromisoformat(now["as_of"])
    await ask(
        client,
        "2. Which ramp is coming, and does it break the limit?",
        "predict_ramp",
        (
            "observed_net_load_mw",
            "horizon_min",
            "expected_change_mw",
            "change_q10_mw",
            "change_q90_mw",
            "mw_per_min",
            "direction",
            "ramp_limit_mw",
            "probability_beyond_limit",
            "served_change_mw",
            "meaning",
            "steepest",
        ),
        zone=zone,
    )
    listed = (await client.call_tool("list_assets", {"zone": zone, "kind": "battery"})).structured_content or {}
    battery = listed["assets"][0]["asset_id"]
    await ask(
        client,
        "3. Why does it do that, and why not discharge 5 MW?",
        "explain_decision",
        ("for_slot", "engine", "binding", "setpoints", "alternatives", "why_not", "warnings", "hint"),
        zone=zone,
        why_not_asset=battery,
        why_not_mw=5,
    )
    fields = (
        "plan_id",
        "outcome",
        "starts_at",
        "ends_at",
        "currency",
        "cost_change",
        "costs",
        "energy_change_mwh",
        "moved_mwh",
        "cap_slack_mw",
        "ramp_slack_mw",
        "checks",
        "approval",
    )
    wish = {"asset_ids": [battery], "duration_min": 60, "reason": "evening peak"}
    await ask(client, "4. Discharge 6 MW for an hour?", "propose_dispatch", fields, power_mw=6, **wish)
    refused = ("outcome", "checks", "hint")
    await ask(client, "And 12 MW?", "propose_dispatch", refused, power_mw=12, **wish)
    week = (end - timedelta(days=7)).isoformat().replace("+00:00", "Z")
    await ask(
        client,
        "5. What did a week earn, by asset?",
        "get_performance",
        ("window", "total", "groups", "battery_cycles"),
        zone=zone,
        start=week,
        by="asset",
    )
    for policy in ("joint", "trade_only"):
        await ask(
            client,
            f"And with {policy} bids on the same days?",
            "run_backtest",
            ("window", "slots", "currency", "value", "score", "runs", "warnings"),
            zone=zone,
            policy=policy,
            start=week,
        )
    await ask(
        client,
        "6. Is the pipeline ready: workers, features, model?",
        "get_pipeline_health",
        ("workers", "store_ok", "zones", "dead_letters"),
    )


async def main(data_dir: Path, zone: str) -> None:
    """Start a server over stdio that may propose, ask, and leave."""
    env = {**os.environ, "VPP_DATA_DIR": str(data_dir), "VPP_MCP__PROFILE": "operate", "VPP_LOG_LEVEL": "ERROR"}
    transport = StdioTransport(sys.executable, ["-m", "mcp_server"], env=env, cwd=str(Path(__file__).parents[1]))
    async with Client(transport) as client:
        await questions(client, zone)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, default=Path(".vpp"))
    parser.add_argument("--zone", default="GB")
    args = parser.parse_args()
    asyncio.run(main(args.data_dir.absolute(), args.zone))
