"""A wrong argument is answered in one sentence with the valid values and the nearest name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastmcp import Client

from mcp_server.server import build_server
from mcp_server.tools.argument_errors import nearest_name
from tests.worlds.mcp_plant import empty_context

SERIES = "valid: net_load_mw, load_mw, solar_mw, wind_mw, price_per_mwh, frequency_hz, asset_power_mw"


@pytest.mark.parametrize(
    ("tool", "arguments", "sentence"),
    [
        ("get_series", {"series": "soc"}, f"series cannot be 'soc' (did you mean 'asset_soc'?); {SERIES}"),
        ("get_series", {}, f"series is missing; {SERIES}"),
        (
            "get_series",
            {"series": "pnl", "asset": "x"},
            "there is no argument 'asset' (did you mean 'asset_id'?); valid: ",
        ),
        ("get_series", {"series": "pnl", "max_points": 5000}, "max_points must be at least 2, at most 500, not '5000'"),
        ("get_series", {"series": "pnl", "start": "yesterday"}, "start must be a time in ISO 8601, such as "),
        ("list_assets", {"limit": "many"}, "limit must be a whole number, at least 1, at most 200, not 'many'"),
        ("list_assets", {"kind": "batery"}, "kind cannot be 'batery' (did you mean 'battery'?); valid: battery, "),
        ("get_alerts", {"severity": "crit"}, "severity cannot be 'crit' (did you mean 'critical'?); valid: info, "),
        ("get_alerts", {"open_only": "perhaps"}, "open_only must be true or false, not 'perhaps'"),
        ("get_asset", {"asset_id": "x" * 200}, "asset_id is longer than 80 characters"),
    ],
)
@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_one_sentence(tmp_path: Path, mode: Any, tool: str, arguments: dict[str, Any], sentence: str) -> None:
    async with Client(build_server(empty_context(tmp_path)), mode=mode) as client:
        answer = await client.call_tool(tool, arguments, raise_on_error=False)
    assert answer.is_error
    (block,) = answer.content
    assert block.text.startswith(sentence)
    assert "\n" not in block.text


@pytest.mark.parametrize(
    ("given", "near"),
    [("soc", "asset_soc"), ("planed", "asset_planned"), ("", None), ("zzz", None), ("ASSET_SOC", "asset_soc")],
)
def test_the_nearest_name(given: str, near: str | None) -> None:
    assert nearest_name(given, ["net_load_mw", "asset_soc", "asset_planned"]) == near
