"""What is vendored is what its notes say, with its licence; the page asks no other address for anything."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STATIC = ROOT / "console/dashboard/static"
FOLDERS = [STATIC / "vendor", ROOT / "tests/browser/vendor"]


@pytest.mark.parametrize("folder", FOLDERS, ids=["page", "tests"])
def test_vendored_files_are_those_that_were_noted(folder: Path) -> None:
    noted = json.loads((folder / "vendor.json").read_text())
    licences = {entry["licence"] for entry in noted.values()}
    assert {path.name for path in folder.iterdir()} == noted.keys() | licences | {"vendor.json"}
    for name, entry in noted.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == entry["sha256"], name


def own_files() -> list[Path]:
    return [p for p in STATIC.rglob("*") if p.suffix in (".js", ".css", ".html") and "vendor" not in p.parts]


def test_the_page_asks_nobody_else() -> None:
    outside = re.compile(r"(?:https?:)?//[a-z0-9][\w.-]*\.[a-z]{2,}", re.IGNORECASE)
    allowed = "http://www.w3.org/2000/svg"
    match = {p.name: m for p in own_files() if (m := outside.findall(p.read_text().replace(allowed, "")))}
    assert match == {}


def test_the_page_needs_no_exception_from_its_policy() -> None:
    inline = re.compile(
        r"<script(?![^>]*src=)|\son\w+=\"|style=\"|setAttribute\(\"style|innerHTML|eval\(", re.IGNORECASE
    )
    match = {p.name: m for p in own_files() if (m := inline.findall(p.read_text()))}
    assert match == {}


def test_scripts_and_styles_stay_light() -> None:
    scripts = sum(len(p.read_bytes()) for p in own_files() if p.suffix == ".js")
    styles = sum(len(p.read_bytes()) for p in own_files() if p.suffix == ".css")
    assert (scripts < 200_000, styles < 60_000) == (True, True), (scripts, styles)
