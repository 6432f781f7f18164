"""An archive is read within bounds: a small one may hold a text that fills the memory."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from datetime import UTC, datetime

import pytest

from vpp.feeds.aemo import MAX_TEXT_BYTES, NEMWEB, read_dispatch
from vpp.feeds.contract import AnswerError, Ask

NOW = datetime(2026, 3, 1, tzinfo=UTC)
ASK = Ask(host=NEMWEB, path="/x.zip", until=NOW)


def archive_of(size: int, byte: bytes = b" ") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("X.CSV", "w") as member:
        for start in range(0, size, 1_000_000):
            member.write(byte * min(1_000_000, size - start))
    return packed.getvalue()


def test_a_bomb_is_refused_without_being_unpacked_whole() -> None:
    bomb = archive_of(8 * MAX_TEXT_BYTES)
    tracemalloc.start()
    try:
        with pytest.raises(AnswerError, match="more than 64 MB"):
            read_dispatch(bomb, ask=ASK, received=NOW, region="NSW1")
        assert tracemalloc.get_traced_memory()[1] < 3 * MAX_TEXT_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "body",
    [b"", b"PK", archive_of(100, b"\xff"), archive_of(100).replace(b"X.CSV", b"Y.CSV", 1), archive_of(1000)[:-30]],
    ids=["empty", "start", "no text", "other name", "cut"],
)
def test_a_broken_archive_is_asked_for_again(body: bytes) -> None:
    with pytest.raises(AnswerError) as refusal:
        read_dispatch(body, ask=ASK, received=NOW, region="NSW1")
    assert refusal.value.fault == "incomplete"


@pytest.mark.parametrize("at", [6, 8])
def test_an_archive_that_asks_for_a_password_or_an_unknown_packing_is_refused(at: int) -> None:
    body = bytearray(archive_of(100))
    central = body.index(b"PK\x01\x02")
    body[at] = body[central + at + 2] = 1 if at == 6 else 99
    with pytest.raises(AnswerError):
        read_dispatch(bytes(body), ask=ASK, received=NOW, region="NSW1")
