"""What a webhook remembers: one answer per key, over a restart, held by one process, the oldest forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest

from vpp.errors import RefusedError
from vpp.store import request_journal
from vpp.store.request_journal import RequestJournal, TakenRequest


def test_a_request_is_remembered_over_a_restart(tmp_path: Path) -> None:
    request = TakenRequest("digest", b'{"records":1}')
    with RequestJournal(tmp_path / "j.sqlite") as journal:
        assert journal.read("a") is None
        journal.save("a", request)
    with RequestJournal(tmp_path / "j.sqlite") as journal:
        assert journal.read("a") == request


def test_one_process_holds_it(tmp_path: Path) -> None:
    with RequestJournal(tmp_path / "j.sqlite") as journal:
        journal.save("a", TakenRequest("d", b""))
        with pytest.raises(RefusedError):
            RequestJournal(tmp_path / "j.sqlite")


def test_the_oldest_is_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_journal, "KEPT", 3)
    with RequestJournal(tmp_path / "j.sqlite") as journal:
        for number in range(5):
            journal.save(str(number), TakenRequest("d", b""))
        assert [journal.read(str(number)) is None for number in range(5)] == [True, True, False, False, False]
