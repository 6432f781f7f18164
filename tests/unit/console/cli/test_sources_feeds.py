"""`vpp feeds`: what there is, and one line per data set whether it still answers as documented."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from console.cli.main import main
from tests.worlds.feeds.elexon_world import ElexonWorld
from tests.worlds.feeds.feed_server import Fault, FeedServer, serving
from vpp.feeds.catalogue import SERVICES


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FeedServer]:
    with serving(ElexonWorld()) as server:
        monkeypatch.setenv("VPP_FEEDS__ELEXON_URL", server.address)
        monkeypatch.setenv("VPP_FEEDS__REQUESTS_PER_S", "1000")
        yield server


def test_the_list_names_every_service_with_its_terms(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feeds", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(SERVICES)
    assert all(row["terms"] and row["datasets"] for row in rows)
    assert main(["feeds", "list"]) == 0
    assert "live:elexon" in capsys.readouterr().out


def test_a_service_that_answers_as_documented_is_said_so(
    server: FeedServer, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["feeds", "check", "elexon"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "elexon generation: ok",
        "elexon system-price: ok",
        "elexon demand-forecast: ok",
        "elexon wind-forecast: ok",
    ]
    # The price of a day that has just begun is not published yet: then the day before is asked for.
    assert len(server.requests) in {4, 5}


def renamed(answer: Any) -> Any:
    rows = [{name.replace("systemSellPrice", "price"): value for name, value in row.items()} for row in answer["data"]]
    return {"data": rows}


def emptied(answer: Any) -> Any:
    return {**answer, "data": []}


@pytest.mark.parametrize(
    ("fault", "outcome"),
    [
        pytest.param(Fault(path="system-prices", change=renamed, times=5), "shape", id="field renamed"),
        pytest.param(Fault(path="system-prices", change=emptied, times=5), "empty", id="no rows"),
        pytest.param(Fault(path="system-prices", body=b"<html>moved</html>", times=5), "not_json", id="page"),
        pytest.param(Fault(path="system-prices", status=404), "refused", id="gone"),
        pytest.param(
            Fault(path="system-prices", status=429, headers={"Retry-After": "0"}, times=5), "unreachable", id="busy"
        ),
    ],
)
def test_a_data_set_that_changed_is_named_with_the_page_to_compare(
    server: FeedServer, capsys: pytest.CaptureFixture[str], fault: Fault, outcome: str
) -> None:
    server.faults.append(fault)
    assert main(["feeds", "check", "elexon", "--json"]) == 3
    captured = capsys.readouterr()
    checks = {row["dataset"]: row for row in json.loads(captured.out)}
    assert checks.pop("system-price")["outcome"] == outcome
    assert {row["outcome"] for row in checks.values()} == {"ok"}
    assert "system-price" in captured.err
    assert "next:" in captured.err


def test_an_unknown_service_is_refused_with_the_nearest_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["feeds", "check", "elexxon"]) == 2
    assert "did you mean elexon?" in capsys.readouterr().err
