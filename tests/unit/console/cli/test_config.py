"""`vpp config signing-keys`: keys of single producers, made of the secret; never the secret itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from console.cli.main import main
from vpp.streams.signatures import producer_key

SECRET = "a-secret-of-more-than-32-characters"


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_keys_of_the_named_producers_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VPP_SIGNING__KEY", SECRET)
    assert main(["config", "signing-keys", "gateway", "plant"]) == 0
    printed = capsys.readouterr().out
    keys = {name: producer_key(SECRET.encode(), name).hex() for name in ("gateway", "plant")}
    assert json.loads(printed) == keys
    assert SECRET not in printed


def test_without_a_secret_or_with_a_wrong_name_the_next_step_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "signing-keys", "plant"]) == 2
    assert "VPP_SIGNING__KEY" in capsys.readouterr().err
    monkeypatch.setenv("VPP_SIGNING__KEY", SECRET)
    assert main(["config", "signing-keys", "plnt"]) == 2
    assert "did you mean plant" in capsys.readouterr().err
