"""The worked questions of docs/reference/mcp-answers.md, asked of a small plant by the command that wrote them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from fastmcp import Client

from mcp_server.server import build_server
from scripts.worked_questions import pretty, questions, short
from tests.worlds.builders import ZONE
from tests.worlds.plant_loop import Loop, acts_of


async def test_all_questions_are_answered_as_markdown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loop = Loop(tmp_path)
    while loop.next_slot < 12:
        loop.close_slot()
    acts = acts_of(loop)
    async with Client(build_server(acts.context, acts)) as client:
        await questions(client, ZONE)
    printed = capsys.readouterr().out
    answers = [json.loads(block) for block in re.findall(r"```json\n(.*?)\n```", printed, flags=re.DOTALL)]
    assert re.findall(r"^\*\*(.)", printed, flags=re.MULTILINE) == list("1234A5AA6")
    assert len(answers) == 9
    assert [answer for answer in answers if "error" in answer] == []
    assert answers[4]["outcome"] == "refused"
    assert loop.orders() == []


def test_cuts_are_reported_and_missing_fields_left_out() -> None:
    assert short({"a": None, "b": [], "c": [1, 2, 3, 4, 5], "d": 0.0}) == {"c": [1, 2, 3, "... 2 more"], "d": 0.0}
    assert short("x" * 300).endswith("x...")


def test_json_opens_only_where_it_is_too_wide() -> None:
    value = {"short": [1, 2], "long": ["y" * 60, "z" * 60]}
    assert json.loads(pretty(value)) == value
    assert '"short": [1, 2]' in pretty(value, room=0)
    assert max(map(len, pretty(value, room=0).splitlines())) < 100
