"""A page that dies comes back after growing pauses, for as long as the run lasts, and its fault is said meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from console.cli.main import main
from console.local import page as module
from console.local.page import LONGEST_PAUSE_S, PageProcess
from console.local.processes import STEADY_S
from topologies.control.run_mode import RunPage, read_page
from topologies.runtime.directory_lock import directory_locked
from vpp.settings import Settings


class Clock:
    """A clock that tests set."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def run_as(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "sys", SimpleNamespace(executable=command))


def pauses_of(page: PageProcess, clock: Clock, deaths: int) -> list[float]:
    """Let the page die and return the pause after each death (s)."""
    pauses = []
    for _ in range(deaths):
        assert page._process is not None
        page._process.wait(10)
        page.keep()
        before_s, dead = clock.now_s, page._process
        while page._process is dead:
            clock.now_s += 1.0
            page.keep()
        pauses.append(clock.now_s - before_s)
    return pauses


def test_a_page_that_dies_is_started_again_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    run_as("/bin/false", monkeypatch)
    settings = Settings(data_dir=tmp_path)
    with PageProcess(settings) as page:
        assert read_page(settings) == RunPage(page.address)
        assert pauses_of(page, clock, 9) == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, *[LONGEST_PAUSE_S] * 3]
        assert page._process is not None
        page._process.wait(10)
        clock.now_s += STEADY_S + 1.0
        assert pauses_of(page, clock, 2) == [1.0, 2.0], "it ran long enough to count as sound"


def test_the_fault_of_a_page_is_in_the_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    run_as("/bin/false", monkeypatch)
    settings = Settings(data_dir=tmp_path / ".vpp")
    with PageProcess(settings) as page, directory_locked(settings.data_dir):
        assert page._process is not None
        page._process.wait(10)
        page.keep()
        main(["status", "--json"])
        shown = json.loads(capsys.readouterr().out)["page"]
        assert shown == {"address": page.address, "fault": "exit code 1; see logs/page.log"}
        clock.now_s += 1.0
        page.keep()
        main(["status", "--json"])
        assert json.loads(capsys.readouterr().out)["page"] == {"address": page.address, "fault": None}
    main(["status", "--json"])
    assert json.loads(capsys.readouterr().out)["page"] is None, "no plant runs"
