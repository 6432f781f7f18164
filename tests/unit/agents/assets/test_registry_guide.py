"""The guide to a new asset type: its code blocks run in order and print what the page says."""

import contextlib
import io
import re
from pathlib import Path

import pytest

from agents.assets.registry import TYPES
from agents.clearing.matrix import layout_of
from vpp.fleet.assets import ENTRIES
from vpp.fleet.schema import Fleet, Zone

GUIDE = Path(__file__).resolve().parents[4] / "docs" / "guide" / "adding-an-asset-type.md"


def test_the_worked_example_runs_and_prints_what_the_guide_says(monkeypatch: pytest.MonkeyPatch) -> None:
    text = GUIDE.read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL))
    (expected,) = re.findall(r"```text\n(.*?)```", text, flags=re.DOTALL)
    printed = io.StringIO()
    names: dict[str, object] = {"__name__": "guide"}
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(GUIDE), "exec"), names)
        assert printed.getvalue() == expected
        assert "boiler" in TYPES
    finally:
        TYPES.pop("boiler", None)
        ENTRIES.pop("boiler", None)
        Zone.model_rebuild(force=True)
        Fleet.model_rebuild(force=True)
        layout_of.cache_clear()
