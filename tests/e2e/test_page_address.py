"""`vpp dashboard` says where the page is once it can be opened there, and why where it cannot listen."""

from __future__ import annotations

import re
import socket
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from tests.plant_fixtures import Place

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.local]


def first_line(process: subprocess.Popen[bytes], path: Path, holds: str) -> str:
    """Return the first line of a file that holds a word, as soon as it is there."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        for line in path.read_text().splitlines():
            if holds in line:
                return line
        assert process.poll() is None, path.read_text()
        time.sleep(0.02)
    raise AssertionError(path.read_text())


def test_the_address_is_printed_once_it_answers(place: Place) -> None:
    process = place.start("dashboard", "--port", "0")
    try:
        line = first_line(process, place.data_dir / "stderr.txt", "page http")
        found = re.fullmatch(r"page (http://127\.0\.0\.1:([1-9]\d*)); Ctrl-C ends it", line)
        assert found is not None, line
        assert httpx.get(f"{found[1]}/healthz", timeout=30).status_code == 200, "the first try is answered"
    finally:
        process.terminate()
        process.wait(30)


def test_no_address_is_printed_where_it_cannot_listen(place: Place) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = place.vpp("dashboard", "--port", str(port))
    assert ended.returncode == 3
    assert f"the page cannot listen on 127.0.0.1:{port}: it is in use" in ended.stderr
    assert "--port" in ended.stderr
    assert "page http" not in ended.stderr
