"""`vpp runs use` chooses what commands without --run mean."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from console.cli.main import main
from vpp.settings import Settings
from vpp.store import open_store
from vpp.store.tables import AUDIT

NOW = datetime(2026, 3, 4, 5, tzinfo=UTC)


def test_the_run_in_use_is_what_commands_without_a_run_mean(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for run in ("", "month"):
        with open_store(Settings(data_dir=tmp_path / ".vpp", run=run)) as store:
            store.write(AUDIT, [("Z", NOW, f"a-{run}", "local:me", "hold", "accepted", "", "", "h")])

    def in_use(*options: str) -> list[str]:
        capsys.readouterr()
        assert main(["runs", "list", "--json", *options]) == 0
        return [row["run"] for row in json.loads(capsys.readouterr().out) if row["in_use"]]

    assert in_use() == ["default"]
    assert main(["runs", "use", "month"]) == 0
    assert in_use() == ["month"]
    assert in_use("--run", "default") == ["default"]
    assert main(["runs", "use", "nothing"]) == 2
    assert main(["runs", "delete", "month"]) == 0
    assert in_use() == ["default"]
